//! What ADD refuses though each key by itself is right.

use linkspan_inspect::finding::Severity;
use linkspan_plugin::Handler;
use linkspan_spec::PluginConfig;

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
        .filter_map(|handler| by(handler, plugin, &config))
        .collect()
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
