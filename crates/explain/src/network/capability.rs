//! What a runtime may hand in for a container.

use linkspan_plugin::Handler;
use linkspan_plugin::spec::PluginConfig;

/// One capability of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Its name: `portMappings`.
    pub name: String,
    /// What is handed in by it, where the plugin says so.
    pub meaning: Option<String>,
    /// Whether the configuration declares it, without which nothing is handed in.
    pub is_declared: bool,
}

const RUNTIME: &str = "runtimeConfig.";

impl Capability {
    /// Those that the plugin takes, and those that its configuration declares beside them.
    pub(super) fn of(config: &PluginConfig, handler: Option<&'static dyn Handler>) -> Vec<Self> {
        let declared = config.capabilities().unwrap_or_default();
        let keys = handler.map(|handler| handler.keys()).unwrap_or_default();
        let mut all: Vec<Self> = Vec::new();
        for key in keys {
            let Some(name) = key.name.strip_prefix(RUNTIME) else {
                continue;
            };
            let name = name.split('.').next().unwrap_or_default();
            if all.iter().all(|known| known.name != name) {
                let lines: Vec<&str> = key.meaning.iter().map(|line| line.trim()).collect();
                all.push(Self {
                    name: name.to_owned(),
                    meaning: Some(lines.join(" ")),
                    is_declared: declared.contains(&name),
                });
            }
        }
        for name in declared {
            if all.iter().all(|known| known.name != name) {
                all.push(Self {
                    name: name.to_owned(),
                    meaning: None,
                    is_declared: true,
                });
            }
        }
        all
    }
}
