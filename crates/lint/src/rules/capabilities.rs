//! What runtimes hand in, and who takes it.

use std::collections::BTreeSet;

use linkspan_inspect::finding::Severity;
use linkspan_plugin::Handler;
use linkspan_plugin::config::distance;
use linkspan_plugins::PLUGINS;

use crate::document::Plugin;
use crate::finding::{Finding, Fix};
use crate::json::{Member, Node, Value};
use crate::rule::{Context, Rule};
use crate::source::Span;

/// The object that a plugin gets them in.
const HANDED_IN: &str = "runtimeConfig.";

/// The capabilities that a plugin takes.
fn taken_by(handler: &dyn Handler) -> impl Iterator<Item = &'static str> {
    let names = handler.keys().iter();
    names.filter_map(|key| key.name.strip_prefix(HANDED_IN)?.split('.').next())
}

/// A capability that nobody takes.
pub(super) static UNUSED: Rule = Rule {
    id: "unused-capability",
    severity: Severity::Warning,
    about: "a capability that neither the plugin nor its IPAM plugin takes",
    why: "the runtime hands it to this plugin, which passes over it; the plugin that would take it gets nothing unless it declares it itself",
    check: |context| {
        let plugins = context.plugins().into_iter();
        plugins.flat_map(|plugin| unused(&plugin)).collect()
    },
};

fn unused(plugin: &Plugin<'_>) -> Vec<Finding> {
    let ipam = plugin.ipam.filter(|ipam| ipam.kind.is_some());
    let (Some(handler), None | Some(Some(_))) = (plugin.handler, ipam.map(|ipam| ipam.handler))
    else {
        return Vec::new();
    };
    let ipam = ipam.and_then(|ipam| ipam.handler);
    let taken: BTreeSet<&str> = taken_by(handler)
        .chain(ipam.into_iter().flat_map(taken_by))
        .collect();
    let members = plugin
        .get("capabilities")
        .map(Node::members)
        .unwrap_or_default();
    let is_unused = |member: &&Member| {
        let is_on = member.node.value == Value::Bool(true);
        // Runtimes ask for a capability to the letter.
        is_on && !taken.contains(member.key.as_str())
    };
    let unused = members.iter().filter(is_unused);
    unused
        .map(|member| of_capability(handler, &taken, member))
        .collect()
}

fn of_capability(handler: &dyn Handler, taken: &BTreeSet<&str>, member: &Member) -> Finding {
    let (key, span, name) = (member.key.as_str(), member.key_span, handler.name());
    let finding = UNUSED.at(span, format!("{name} does not take the capability {key:?}"));
    let near = taken.iter().find(|taken| is_near(taken, key));
    if let Some(near) = near {
        let quoted = format!("{near:?}");
        return finding
            .label("a typing error?")
            .help(format!("did you mean {quoted}?"))
            .fix(Fix::new(format!("write {quoted}"), span, quoted.as_str()));
    }
    let takers: Vec<&str> = PLUGINS
        .iter()
        .filter(|plugin| taken_by(**plugin).any(|taken| taken == key))
        .map(|plugin| plugin.name())
        .collect();
    match takers.as_slice() {
        [] => finding.severity(Severity::Note).label("passed over").help(format!(
            "it does no harm; {name} takes {}",
            match taken.is_empty() {
                true => "none".to_owned(),
                false => taken.iter().copied().collect::<Vec<_>>().join(", "),
            }
        )),
        takers => finding.label("passed over").help(format!(
            "remove it here; {} takes it, and declares it in an entry of its own: \"capabilities\": {{ {key:?}: true }}",
            takers.join(" or ")
        )),
    }
}

/// Whether a capability is probably meant by a name.
fn is_near(capability: &str, name: &str) -> bool {
    distance(capability, name) <= capability.len() / 4
}

/// A plugin that does nothing without what the runtime hands in, which it does not get.
pub(super) static NOT_DECLARED: Rule = Rule {
    id: "missing-capability",
    severity: Severity::Warning,
    about: "portmap without portMappings, or bandwidth without a rate and without the capability bandwidth",
    why: "runtimes hand in only what a plugin declares in its capabilities; without that and without settings of its own it does nothing",
    check: |context| {
        let plugins = context.plugins().into_iter();
        plugins.filter_map(|plugin| not_declared(&plugin)).collect()
    },
};

/// Who has nothing to do without which capability, and which keys are something to do.
const WORK: [(&str, &str, &[&str]); 2] = [
    ("portmap", "portMappings", &["runtimeConfig.portMappings"]),
    (
        "bandwidth",
        "bandwidth",
        &[
            "ingressRate",
            "egressRate",
            "ingressBurst",
            "egressBurst",
            "runtimeConfig.bandwidth",
        ],
    ),
];

fn not_declared(plugin: &Plugin<'_>) -> Option<Finding> {
    let (name, capability, keys) = WORK.iter().find(|(name, ..)| plugin.is(name))?;
    plugin.handler?;
    let declared = plugin.node.get("capabilities");
    let is_declared = |member: &Member| {
        let is_off = matches!(member.node.value, Value::Bool(false) | Value::Null);
        !is_off && (is_near(capability, &member.key))
    };
    let is_open = declared.is_some_and(|declared| !declared.is_object());
    let is_declared = declared
        .map(Node::members)
        .unwrap_or_default()
        .iter()
        .any(is_declared);
    let is_beside = plugin.node.get(capability).is_some();
    if is_open || is_declared || is_beside || keys.iter().any(|key| plugin.get(key).is_some()) {
        return None;
    }
    let written = format!("\"capabilities\": {{ \"{capability}\": true }}");
    let nothing = match *name {
        "portmap" => "no port is ever published",
        _ => "nothing is ever limited",
    };
    Some(
        NOT_DECLARED
            .at(plugin.span(), format!("{nothing}: {name} does not declare {capability:?}"))
            .label("does nothing")
            .help(format!("add {written}, so that the runtime hands in what a container asks for; or remove {name}"))
            .fix(declare(plugin, capability, &written)),
    )
}

fn declare(plugin: &Plugin<'_>, capability: &str, written: &str) -> Option<Fix> {
    let words = format!("declare {capability}");
    match plugin
        .node
        .member("capabilities")
        .map(|member| &member.node)
    {
        None => {
            let (_, kind) = plugin.kind?;
            Some(Fix::new(words, Span::at(kind.end), format!(", {written}")))
        }
        Some(node) => match node.get(capability) {
            Some(_) => None,
            None if node.members().is_empty() => Some(Fix::new(
                words,
                node.span,
                format!("{{ \"{capability}\": true }}"),
            )),
            None => {
                let behind = node.members().last()?.node.span.end;
                Some(Fix::new(
                    words,
                    Span::at(behind),
                    format!(", \"{capability}\": true"),
                ))
            }
        },
    }
}

/// Capabilities where no runtime looks for them.
pub(super) static MISPLACED: Rule = Rule {
    id: "misplaced-capability",
    severity: Severity::Warning,
    about: "capabilities beside \"plugins\", or a capability beside \"type\"",
    why: "runtimes look into \"capabilities\" of each plugin, and nowhere else",
    check: misplaced,
};

fn misplaced(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let document = context.document;
    let of_list = document
        .member("capabilities")
        .filter(|_| document.member("plugins").is_some());
    if let Some(member) = of_list {
        let finding = MISPLACED.at(member.key_span, "capabilities of a list are read by nobody");
        findings.push(finding.help("move them into the plugin that takes them: portMappings into portmap, bandwidth into bandwidth, mac into tuning"));
    }
    for plugin in context.plugins() {
        let Some(handler) = plugin.handler else {
            continue;
        };
        let all: BTreeSet<&str> = PLUGINS.iter().flat_map(|one| taken_by(*one)).collect();
        let is_key = |name: &str| handler.keys().iter().any(|key| key.name == name);
        let members = plugin.node.members().iter();
        let beside = members.filter(|member| matches!(member.node.value, Value::Bool(_)));
        for member in
            beside.filter(|member| all.contains(member.key.as_str()) && !is_key(&member.key))
        {
            let key = &member.key;
            findings.push(
                MISPLACED
                    .at(
                        member.key_span,
                        format!("the capability {key:?} stands outside of \"capabilities\""),
                    )
                    .help(format!("write \"capabilities\": {{ {key:?}: true }}"))
                    .fix(plugin.get("capabilities").is_none().then(|| {
                        let written = format!(
                            "\"capabilities\": {{ {key:?}: {} }}",
                            member.node.value == Value::Bool(true)
                        );
                        Fix::new("move it into capabilities", member.span(), written)
                    })),
            );
        }
    }
    findings
}
