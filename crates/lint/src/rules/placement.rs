//! Keys in the wrong place, which nobody reads there.

use std::path::Path;

use linkspan_inspect::finding::Severity;
use linkspan_spec::address::parse_ip;

use crate::document::Plugin;
use crate::finding::{Finding, Fix};
use crate::json::Node;
use crate::rule::Rule;
use crate::source::Span;

/// An `ipam` that names no plugin.
pub(super) static IPAM_WITHOUT_TYPE: Rule = Rule {
    id: "ipam-without-type",
    severity: Severity::Warning,
    about: "an ipam with settings and no type",
    why: "without a type no IPAM plugin is asked, nobody reads the settings, and the container gets no address",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context
            .plugins()
            .iter()
            .filter(|plugin| plugin.handler.is_some())
        {
            let Some(ipam) = plugin
                .ipam
                .filter(|ipam| ipam.kind.is_none() && !ipam.node.members().is_empty())
            else {
                continue;
            };
            if ipam.node.has_unknown()
                || ipam
                    .node
                    .members()
                    .iter()
                    .all(|member| member.key == "type")
            {
                continue;
            }
            let has = |key: &str| ipam.node.get(key).is_some();
            let meant = match () {
                () if has("subnet") || has("ranges") => Some("host-local"),
                () if has("addresses") => Some("static"),
                () if has("daemonSocketPath") || has("provide") || has("request") => Some("dhcp"),
                () => None,
            };
            let place = Span::new(ipam.node.span.start, ipam.node.span.start + 1);
            let first = Span::at(ipam.node.members()[0].key_span.start);
            let has_type = ipam
                .node
                .members()
                .iter()
                .any(|member| member.key.eq_ignore_ascii_case("type"));
            findings.push(
                IPAM_WITHOUT_TYPE
                    .at(place, "ipam names no plugin")
                    .help(match meant {
                        Some(meant) => format!("add \"type\": {meant:?}"),
                        None => "add \"type\": \"host-local\", \"static\" or \"dhcp\"".to_owned(),
                    })
                    .fix(meant.filter(|_| !has_type).map(|meant| {
                        Fix::new(
                            format!("add the type {meant}"),
                            first,
                            format!("\"type\": {meant:?}, "),
                        )
                    })),
            );
        }
        findings
    },
};

/// What only runtimes write.
const OF_RUNTIMES: [&str; 3] = [
    "prevResult",
    "cni.dev/valid-attachments",
    "cni.dev/attachments",
];

/// A key that the runtime writes.
pub(super) static OF_RUNTIME: Rule = Rule {
    id: "key-of-runtime",
    severity: Severity::Warning,
    about: "prevResult or a list of valid attachments in a file",
    why: "the runtime writes it for each call; in a file it tells the first plugin of a chain what is not so",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let members = OF_RUNTIMES.iter().filter_map(|key| plugin.node.member(key));
            findings.extend(members.map(|member| {
                OF_RUNTIME
                    .at(
                        member.key_span,
                        format!("{:?} is for the runtime to write", member.key),
                    )
                    .help("remove it")
                    .fix(without(plugin.node, &member.key))
            }));
        }
        findings
    },
};

/// The object without one of its members.
pub(super) fn without(object: &Node, key: &str) -> Option<Fix> {
    let members = object.members();
    let place = members.iter().position(|member| member.key == key)?;
    let span = match place.checked_sub(1) {
        Some(before) => Span::new(members[before].node.span.end, members[place].node.span.end),
        None => Span::new(members[0].key_span.start, members.get(1)?.key_span.start),
    };
    Some(Fix::new(format!("remove {key}"), span, ""))
}

/// Arguments outside of `args.cni`.
pub(super) static ARGS: Rule = Rule {
    id: "args-outside-cni",
    severity: Severity::Warning,
    about: "an argument in args that is read in args.cni",
    why: "by the convention that plugins follow, arguments of a configuration's author are in the object \"cni\" of \"args\"",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let handlers = [
                plugin.handler,
                plugin
                    .handler
                    .and(plugin.ipam)
                    .and_then(|ipam| ipam.handler),
            ];
            let keys = handlers
                .into_iter()
                .flatten()
                .flat_map(|handler| handler.keys());
            let read: Vec<&str> = keys
                .filter_map(|key| key.name.strip_prefix("args.cni."))
                .collect();
            let members = plugin.get("args").map(Node::members).unwrap_or_default();
            findings.extend(
                members
                    .iter()
                    .filter(|member| read.contains(&member.key.as_str()))
                    .map(|member| {
                        let key = &member.key;
                        ARGS.at(member.key_span, format!("{key:?} is read in args.cni"))
                            .help(format!("write \"args\": {{ \"cni\": {{ {key:?}: … }} }}"))
                    }),
            );
        }
        findings
    },
};

/// A name server that is no address.
pub(super) static NAMESERVER: Rule = Rule {
    id: "invalid-nameserver",
    severity: Severity::Warning,
    about: "a name server that is not an IP address",
    why: "it goes into the container's resolv.conf as it is, where only addresses are understood",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context
            .plugins()
            .iter()
            .filter(|plugin| plugin.handler.is_some())
        {
            for path in ["dns.nameservers", "ipam.dns.nameservers"] {
                let servers = plugin.get(path).map(Node::items).unwrap_or_default();
                let wrong = servers
                    .iter()
                    .filter_map(|node| Some((node, node.as_str()?)));
                // An address of IPv6 may name its interface.
                let is_wrong =
                    |text: &str| parse_ip(text.split('%').next().unwrap_or(text)).is_none();
                findings.extend(wrong.filter(|(_, text)| is_wrong(text)).map(|(node, text)| {
                    let several = text.contains([',', ' ']);
                    NAMESERVER.at(node.span, format!("{text:?} is no IP address")).help(match several {
                        true => "write each server as a string of its own: [\"10.0.0.1\", \"10.0.0.2\"]",
                        false => "write an address, without a port or a name",
                    })
                }));
            }
        }
        findings
    },
};

/// Keys that name a file or a directory.
const PATHS: [&str; 4] = [
    "dataDir",
    "ipam.dataDir",
    "ipam.resolvConf",
    "ipam.daemonSocketPath",
];

/// A path that depends on where the runtime was started.
pub(super) static RELATIVE: Rule = Rule {
    id: "relative-path",
    severity: Severity::Warning,
    about: "a path of a file or a directory that does not begin with a slash",
    why: "it means another place for each runtime, and for one that is started elsewhere: what ADD has written there DEL does not find",
    check: |context| {
        let plugins = context.plugins().into_iter();
        plugins.flat_map(|plugin| relative(&plugin)).collect()
    },
};

fn relative(plugin: &Plugin<'_>) -> Vec<Finding> {
    let ipam = plugin
        .handler
        .and(plugin.ipam)
        .and_then(|ipam| ipam.handler);
    let keys: Vec<&str> = [plugin.handler, ipam]
        .into_iter()
        .flatten()
        .flat_map(|handler| handler.keys())
        .map(|key| key.name)
        .filter(|name| PATHS.contains(name))
        .collect();
    let nodes = keys
        .into_iter()
        .filter_map(|key| Some((key, plugin.get(key)?)));
    let relative = nodes.filter_map(|(key, node)| {
        let text = node
            .as_str()
            .filter(|text| !text.is_empty() && Path::new(text).is_relative())?;
        let name = key.rsplit('.').next().unwrap_or(key);
        Some(
            RELATIVE
                .at(
                    node.span,
                    format!("{name} {text:?} is relative to where the runtime was started"),
                )
                .help(format!(
                    "write all of the path: \"/{}\"",
                    text.trim_start_matches("./")
                )),
        )
    });
    relative.collect()
}

/// Settings that another setting makes void.
pub(super) static VOID: Rule = Rule {
    id: "void-setting",
    severity: Severity::Warning,
    about: "a setting that another one makes void",
    why: "the plugin passes over it and says nothing",
    check: |context| {
        let plugins = context.plugins().into_iter();
        plugins.flat_map(|plugin| void(&plugin)).collect()
    },
};

fn void(plugin: &Plugin<'_>) -> Vec<Finding> {
    let is_off = |key: &str| plugin.get(key).is_some_and(|node| node.to_json() == false);
    let mut findings = Vec::new();
    let mut tell = |key: &str, because: &str, words: String, help: &str| {
        let places = plugin.node.member(key).zip(plugin.node.member(because));
        findings.extend(places.map(|(member, other)| {
            VOID.at(member.key_span, words)
                .also(other.key_span, "because of this")
                .help(help)
        }));
    };
    if plugin.is("portmap") && plugin.is_on("masqAll") && is_off("snat") {
        tell(
            "masqAll",
            "snat",
            "masqAll does nothing without snat".to_owned(),
            "set snat to true, or remove masqAll",
        );
    }
    if plugin.is("firewall") && plugin.get("firewalldZone").is_some() {
        let backend = plugin
            .text("backend")
            .filter(|backend| matches!(*backend, "iptables" | "nftables"));
        if let Some(backend) = backend {
            let words = format!("firewalldZone does nothing with the backend {backend}");
            tell(
                "firewalldZone",
                "backend",
                words,
                "set the backend to firewalld, or remove firewalldZone",
            );
        }
    }
    if plugin.is("sbr") && plugin.get("table").is_some() && plugin.get("gateways").is_some() {
        let words = "gateways does nothing with a table of one's own".to_owned();
        tell(
            "gateways",
            "table",
            words,
            "remove one of the two: a named table's routes are somebody else's",
        );
    }
    if plugin.is("bridge") && is_off("isGateway") && plugin.is_on("isDefaultGateway") {
        let words = "isGateway is on all the same: isDefaultGateway includes it".to_owned();
        tell(
            "isGateway",
            "isDefaultGateway",
            words,
            "remove isGateway, or set isDefaultGateway to false",
        );
    }
    findings
}

/// Two settings of which only one can be.
pub(super) static CONTRADICTION: Rule = Rule {
    id: "contradiction",
    severity: Severity::Error,
    about: "two settings of a plugin of which only one can be",
    why: "the plugin refuses a configuration with both, and every ADD fails",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let is_on = |key: &str| {
                plugin
                    .get(key)
                    .is_some_and(|node| node.to_json() != false && !is_empty(node))
            };
            for (_, one, other, help) in CONTRADICTIONS.iter().filter(|(name, ..)| plugin.is(name))
            {
                let members = plugin.node.member(one).zip(plugin.node.member(other));
                let Some((member, second)) = members.filter(|_| is_on(one) && is_on(other)) else {
                    continue;
                };
                findings.push(
                    CONTRADICTION
                        .at(
                            second.key_span,
                            format!("{other} and {one} exclude each other"),
                        )
                        .also(member.key_span, "the other one")
                        .help(*help),
                );
            }
        }
        findings
    },
};

/// Of which plugin which two, and what to do.
const CONTRADICTIONS: [(&str, &str, &str, &str); 4] = [
    (
        "bridge",
        "hairpinMode",
        "promiscMode",
        "keep one of the two: with either a container reaches itself through the bridge",
    ),
    (
        "bridge",
        "ipam",
        "disableContainerInterface",
        "an interface that stays down can have no address: remove one of the two",
    ),
    (
        "bandwidth",
        "shapedSubnets",
        "unshapedSubnets",
        "either says which traffic is limited; the rest follows: remove one of the two",
    ),
    (
        "portmap",
        "externalSetMarkChain",
        "markMasqBit",
        "the chain sets a mark of its own: remove one of the two",
    ),
];

fn is_empty(node: &Node) -> bool {
    match &node.value {
        crate::json::Value::List(items) => items.is_empty(),
        crate::json::Value::String(text) => text.is_empty(),
        crate::json::Value::Object(_) => node
            .get("type")
            .and_then(Node::as_str)
            .is_none_or(str::is_empty),
        _ => false,
    }
}

/// A table that every namespace has.
pub(super) static RESERVED_TABLE: Rule = Rule {
    id: "reserved-table",
    severity: Severity::Warning,
    about: "sbr with one of the tables that every namespace has",
    why: "253, 254 and 255 are the tables default, main and local: rules that lead there change nothing",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins().iter().filter(|plugin| plugin.is("sbr")) {
            let Some(table) = plugin.get("table") else {
                continue;
            };
            if matches!(table.to_json().as_u64(), Some(253..=255)) {
                findings.push(
                    RESERVED_TABLE
                        .at(table.span, "this table is there in every namespace")
                        .help("remove it: then each address gets a table of its own; or take one from 1 to 252"),
                );
            }
        }
        findings
    },
};
