//! Kernel parameters and MAC addresses.

use linkspan_inspect::finding::Severity;
use linkspan_plugins::tuning::allowlist;
use linkspan_spec::MacAddr;

use crate::document::Plugin;
use crate::finding::{Finding, Fix};
use crate::json::{Member, Node, Value};
use crate::rule::{Context, Rule};

/// The kernel parameters of `tuning`, each with its value.
fn each(context: &Context<'_>, look: impl Fn(&Member, &[&str]) -> Option<Finding>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for plugin in context
        .plugins()
        .iter()
        .filter(|plugin| plugin.is("tuning"))
    {
        for path in ["sysctl", "args.cni.sysctl"] {
            let members = plugin.get(path).map(Node::members).unwrap_or_default();
            findings.extend(members.iter().filter_map(|member| {
                let parts: Vec<&str> = member
                    .key
                    .split(['.', '/'])
                    .filter(|part| !part.is_empty())
                    .collect();
                look(member, &parts)
            }));
        }
    }
    findings
}

/// A value that is no string.
pub(super) static NOT_A_STRING: Rule = Rule {
    id: "sysctl-not-a-string",
    severity: Severity::Error,
    about: "a value of a kernel parameter that is not a string",
    why: "tuning takes the values of kernel parameters as strings, also numbers; it refuses others",
    check: |context| {
        each(context, |member, _| {
            let is_simple = matches!(member.node.value, Value::Number(_) | Value::Bool(_));
            let is_string = matches!(member.node.value, Value::String(_) | Value::Unknown);
            let written = match &member.node.value {
                Value::Bool(switch) => format!("\"{}\"", u8::from(*switch)),
                _ => format!("\"{}\"", member.node.to_json()),
            };
            (!is_string).then(|| {
                NOT_A_STRING
                    .at(
                        member.node.span,
                        format!(
                            "the value of {} is {}, not a string",
                            member.key,
                            member.node.kind()
                        ),
                    )
                    .help("write it between double quotes")
                    .fix(
                        is_simple.then(|| {
                            Fix::new(format!("write {written}"), member.node.span, written)
                        }),
                    )
            })
        })
    },
};

/// A parameter that is not of the network.
pub(super) static NOT_OF_NETWORK: Rule = Rule {
    id: "sysctl-not-of-network",
    severity: Severity::Error,
    about: "a kernel parameter that does not belong to the network",
    why: "tuning sets parameters of the container's network namespace alone, whose names begin with net; it refuses others",
    check: |context| {
        each(context, |member, parts| {
            let is_net =
                parts.first() == Some(&"net") && parts.len() > 1 && !member.key.contains("..");
            (!is_net).then(|| {
                let words = format!("{:?} is no parameter of the network", member.key);
                NOT_OF_NETWORK
                    .at(member.key_span, words)
                    .help(match parts.first() {
                    Some(&"ipv4" | &"ipv6" | &"core" | &"netfilter") => {
                        format!("did you mean \"net.{}\"?", member.key)
                    }
                    _ => {
                        "set it on the host by sysctl.d(5), or in the pod's securityContext.sysctls"
                            .to_owned()
                    }
                })
            })
        })
    },
};

/// What the kernel has once for all network namespaces: below net, and not in a namespace of its own.
const OF_HOST: [&str; 16] = [
    "net.core.bpf_jit_enable",
    "net.core.bpf_jit_harden",
    "net.core.bpf_jit_limit",
    "net.core.busy_poll",
    "net.core.busy_read",
    "net.core.default_qdisc",
    "net.core.dev_weight",
    "net.core.flow_limit_table_len",
    "net.core.netdev_budget",
    "net.core.netdev_budget_usecs",
    "net.core.netdev_max_backlog",
    "net.core.rps_sock_flow_entries",
    "net.core.warnings",
    "net.ipv4.tcp_mem",
    "net.ipv4.udp_mem",
    "net.netfilter.nf_conntrack_max",
];

/// A parameter that containers do not have.
pub(super) static OF_THE_HOST: Rule = Rule {
    id: "sysctl-of-host",
    severity: Severity::Error,
    about: "a kernel parameter below net that the host has once for all containers",
    why: "it is not there in a container, or cannot be written there, and ADD fails",
    check: |context| {
        each(context, |member, parts| {
            let name = parts.join(".");
            OF_HOST.contains(&name.as_str()).then(|| {
                OF_THE_HOST
                    .at(
                        member.key_span,
                        format!("{name} is the host's, not a container's"),
                    )
                    .help("set it on the host by sysctl.d(5)")
            })
        })
    },
};

/// A parameter that the host's administrator does not allow.
pub(super) static NOT_ALLOWED: Rule = Rule {
    id: "sysctl-not-allowed",
    severity: Severity::Error,
    about: "a kernel parameter that the allowlist of this host does not have",
    why: "/etc/cni/tuning/allowlist.conf lists what tuning may set here; ADD refuses everything else",
    check: |context| {
        let list = context.facts.and_then(|facts| facts.allowlist.as_deref());
        let Some(list) = list.filter(|_| context.document.within.is_none()) else {
            return Vec::new();
        };
        each(context, |member, _| {
            let error = allowlist::require(&member.key, list).err()?;
            Some(
                NOT_ALLOWED
                    .at(
                        member.key_span,
                        format!("{} may not be set on this host", member.key),
                    )
                    .help(error.details),
            )
        })
    },
};

/// A parameter of an interface by a name that it may not have.
pub(super) static INTERFACE_NAME: Rule = Rule {
    id: "sysctl-interface",
    severity: Severity::Note,
    about: "a kernel parameter of an interface that is named, not IFNAME",
    why: "the runtime names the container's interface: Kubernetes eth0, Multus net1 and so on; IFNAME stands for that name",
    check: |context| {
        each(context, |member, parts| {
            let ["net", "ipv4" | "ipv6", "conf" | "neigh", name, _] = parts else {
                return None;
            };
            let is_named = !matches!(*name, "all" | "default" | "lo" | "IFNAME");
            let is_plain =
                member.key.matches(*name).count() == 1 && !member.key.contains(['"', '\\']);
            is_named.then(|| {
                let written = format!("\"{}\"", member.key.replacen(*name, "IFNAME", 1));
                INTERFACE_NAME
                    .at(
                        member.key_span,
                        format!("this is of {name}, whatever the container's interface is called"),
                    )
                    .help("write IFNAME for the interface of this network")
                    .fix(is_plain.then(|| Fix::new("write IFNAME", member.key_span, written)))
            })
        })
    },
};

/// A MAC address that no interface can have.
pub(super) static MAC: Rule = Rule {
    id: "invalid-mac",
    severity: Severity::Error,
    about: "a MAC address that is none, or that of a group",
    why: "no interface can have it, and ADD fails",
    check: |context| {
        let plugins = context.plugins().into_iter();
        plugins.flat_map(|plugin| macs(&plugin)).collect()
    },
};

fn macs(plugin: &Plugin<'_>) -> Vec<Finding> {
    let keys = plugin
        .handler
        .map(|handler| handler.keys())
        .unwrap_or_default();
    let names = keys.iter().map(|key| key.name);
    let names = names.filter(|name| name.rsplit('.').next() == Some("mac") || *name == "hwaddr");
    let nodes = names.filter_map(|name| plugin.get(name));
    nodes.filter_map(of_mac).collect()
}

fn of_mac(node: &Node) -> Option<Finding> {
    let Value::String(text) = &node.value else {
        return None;
    };
    if text.is_empty() {
        return None;
    }
    let words = match text.parse::<MacAddr>() {
        Err(_) => "is no MAC address",
        Ok(mac) => match mac.octets() {
            [first, ..] if first & 1 != 0 => "is the address of a group (multicast)",
            [0, 0, 0, 0, 0, 0] => "is nobody's address",
            _ => return None,
        },
    };
    let finding = MAC.at(node.span, format!("{text:?} {words}"));
    Some(finding.help("write six bytes, the first of them even, such as 02:42:ac:11:00:02"))
}
