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
    check: |context| {
        let plugins = context.plugins().into_iter();
        plugins.flat_map(|plugin| refused(&plugin)).collect()
    },
};

fn refused(plugin: &Plugin<'_>) -> Vec<Finding> {
    // What a template leaves open may be what is missing; and a key that is wrong by itself is told as such.
    if plugin.node.has_unknown() || keys::has_wrong_value(plugin) {
        return Vec::new();
    }
    let Some(config) = plugin.config() else {
        return Vec::new();
    };
    // What plugins of others make of their `ipam` before they hand it on is theirs: Calico writes the subnet into it.
    let ipam = plugin
        .handler
        .and(plugin.ipam)
        .and_then(|ipam| ipam.handler);
    let handlers = plugin.handler.into_iter().chain(ipam);
    handlers
        .into_iter()
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
