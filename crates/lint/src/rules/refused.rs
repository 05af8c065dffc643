//! What ADD refuses though each key by itself is right.

use linkspan_inspect::finding::Severity;
use linkspan_plugin::Handler;
use linkspan_spec::PluginConfig;
use serde_json::{Map, Value};

use super::{keys, place};
use crate::document::Plugin;
use crate::finding::Finding;
use crate::rule::Rule;

/// A configuration that its plugin refuses when it reads it.
pub(super) static REFUSED: Rule = Rule {
    id: "refused",
    severity: Severity::Error,
    about: "a configuration that its plugin refuses as a whole",
    why: "ADD fails with this message before it does anything",
    check: |context| keys::of(context, &REFUSED),
};

/// What a plugin and its IPAM plugin refuse, whose keys are right one by one.
pub(super) fn findings(plugin: &Plugin<'_>) -> Vec<Finding> {
    // A plugin of others may hand another configuration to ours than what stands here.
    let (Some(handler), Some(config)) = (plugin.handler, plugin.config()) else {
        return Vec::new();
    };
    let ipam = plugin.ipam.and_then(|ipam| ipam.handler);
    [handler]
        .into_iter()
        .chain(ipam)
        .filter(|handler| !is_completed(*handler, plugin))
        .filter_map(|handler| by(handler, plugin, &config))
        .collect()
}

/// By which capability a runtime hands in what a configuration may do without, and a value as it would be.
const HANDED_IN: [(&str, &str); 2] = [
    ("ipRanges", r#"[[{"subnet": "198.51.100.0/24"}]]"#),
    ("deviceID", r#""0000:00:00.0""#),
];

/// Whether it is refused only as long as the runtime has not handed in what the plugin's capabilities ask for. Multus hands in
/// the device of the resource that a NetworkAttachmentDefinition names without being asked.
fn is_completed(handler: &dyn Handler, plugin: &Plugin<'_>) -> bool {
    let mut runtime = Map::new();
    for (capability, value) in HANDED_IN {
        let is_declared = plugin.is_on(&format!("capabilities.{capability}"))
            || (plugin.is_in_manifest() && capability == "deviceID");
        if is_declared {
            runtime.insert(
                capability.to_owned(),
                serde_json::from_str(value).unwrap_or_default(),
            );
        }
    }
    let mut map = plugin.node.to_map();
    map.insert("runtimeConfig".to_owned(), Value::Object(runtime));
    let config = plugin.config_of(map);
    config.is_some_and(|config| handler.judge(&config).is_ok())
}

fn by(handler: &dyn Handler, plugin: &Plugin<'_>, config: &PluginConfig) -> Option<Finding> {
    let error = handler.judge(config).err()?;
    let span = place::of_words(plugin, &format!("{} {}", error.msg, error.details));
    let finding = REFUSED.at(span, format!("{}: {}", handler.name(), error.msg));
    Some(match error.details.is_empty() {
        true => finding,
        false => finding.help(error.details),
    })
}
