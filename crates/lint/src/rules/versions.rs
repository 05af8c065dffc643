//! Versions: missing ones, and those that are written where nobody reads them.

use linkspan_inspect::finding::Severity;
use linkspan_spec::Version;

use crate::document::Form;
use crate::finding::{Finding, Fix};
use crate::json::{Member, Node};
use crate::rule::{Context, Rule};

/// A configuration without a version.
pub(super) static MISSING: Rule = Rule {
    id: "missing-version",
    severity: Severity::Note,
    about: "a configuration without cniVersion",
    why: "without it 0.1.0 is spoken: results have no interfaces, there is no CHECK, and some plugins of today refuse it",
    check: |context| {
        let document = context.document;
        let has = |key: &str| document.member(key).is_some();
        let is_one = document
            .plugins()
            .iter()
            .any(|plugin| plugin.kind.is_some())
            && document.form != Form::Part;
        if !is_one || has("cniVersion") || has("cniVersions") {
            return Vec::new();
        }
        let finding = MISSING.at(
            document.beginning(),
            "cniVersion is missing, so 0.1.0 is spoken",
        );
        vec![finding.help("add \"cniVersion\": \"1.0.0\"")]
    },
};

/// Versions that older runtimes do not see.
pub(super) static ONLY_LIST: Rule = Rule {
    id: "versions-without-version",
    severity: Severity::Note,
    about: "cniVersions without cniVersion",
    why: "runtimes from before 2024 read cniVersion alone, and speak 0.1.0 where it is missing",
    check: |context| {
        let document = context.document;
        let member = document
            .member("cniVersions")
            .filter(|_| document.member("cniVersion").is_none());
        let finding = member.map(|member| {
            let known = member.node.items().iter().filter_map(Node::as_str);
            let highest = known.filter_map(|text| text.parse::<Version>().ok()).max();
            let help = highest.map_or("add \"cniVersion\"".to_owned(), |version| {
                format!("add \"cniVersion\": \"{version}\" beside it")
            });
            ONLY_LIST
                .at(member.key_span, "older runtimes do not know cniVersions")
                .help(help)
        });
        finding.into_iter().collect()
    },
};

/// A version in a plugin of a list.
pub(super) static IN_PLUGIN: Rule = Rule {
    id: "version-in-plugin",
    severity: Severity::Warning,
    about: "a plugin of a list with another cniVersion than the list",
    why: "the runtime writes the list's version over it: what stands here is never spoken",
    check: |context| {
        let spoken = context.document.version();
        let mut findings = Vec::new();
        for plugin in context
            .plugins()
            .iter()
            .filter(|plugin| plugin.index.is_some())
        {
            let Some(member) = plugin.node.member("cniVersion") else {
                continue;
            };
            let (Some(text), Some(spoken)) = (member.node.as_str(), spoken) else {
                continue;
            };
            if text.is_empty() || text == spoken.as_str() || plugin.handler.is_none() {
                continue;
            }
            findings.push(
                IN_PLUGIN
                    .at(
                        member.node.span,
                        format!("{text} is not spoken, {spoken} is"),
                    )
                    .help("remove it here; the version stands once, beside \"plugins\"")
                    .fix(super::placement::without(plugin.node, "cniVersion")),
            );
        }
        findings
    },
};

/// A list without a version that has chained plugins.
pub(super) static TOO_OLD: Rule = Rule {
    id: "version-too-old",
    severity: Severity::Warning,
    about: "a chain of plugins in a version before 0.3.0",
    why: "before 0.3.0 a result has no interfaces, and room for one address of each version of IP: those behind in the chain are told less, and firewall and others refuse it (plugins#359)",
    check: too_old,
};

fn too_old(context: &Context<'_>) -> Vec<Finding> {
    let document = context.document;
    let plugins = document.plugins();
    let is_chain = plugins.len() > 1 && plugins.iter().all(|plugin| plugin.handler.is_some());
    let Some(version) = document
        .version()
        .filter(|version| *version < Version::V0_3_0)
    else {
        return Vec::new();
    };
    let is_said = |member: &&Member| is_chain && member.node.as_str().is_some();
    let Some(member) = document.member("cniVersion").filter(is_said) else {
        return Vec::new();
    };
    let span = member.node.span;
    vec![
        TOO_OLD
            .at(span, format!("{version} has no interfaces in results, which those behind in the chain look for"))
            .help("write 0.4.0 or later; 1.0.0 is what most runtimes of today speak")
            .fix(Fix::new("write 1.0.0", span, "\"1.0.0\"")),
    ]
}
