//! The order of a chain: who makes the interface, and what those behind need of it.

use linkspan_inspect::finding::Severity;
use linkspan_plugin::{Needs, Role};

use crate::document::{Form, Plugin};
use crate::finding::{Finding, Fix};
use crate::rule::{Context, Rule};

/// A plugin that works on an interface before there is one.
pub(super) static NOTHING_BEFORE: Rule = Rule {
    id: "chain-order",
    severity: Severity::Error,
    about: "a chained plugin with no plugin before it that makes an interface",
    why: "it gets the result of the plugins before it, finds no interface in it or no result at all, and ADD fails",
    check: nothing_before,
};

fn nothing_before(context: &Context<'_>) -> Vec<Finding> {
    if context.document.form == Form::Part {
        return Vec::new();
    }
    let plugins = context.plugins();
    let mut findings = Vec::new();
    for (place, plugin) in plugins.iter().enumerate() {
        let before = &plugins[..place];
        let may_be_made = |plugin: &Plugin<'_>| match role(plugin) {
            Some(Role::Interface { .. }) | None => true,
            Some(_) => false,
        };
        if !matches!(role(plugin), Some(Role::Chained { .. })) || before.iter().any(may_be_made) {
            continue;
        }
        let maker = plugins
            .iter()
            .skip(place + 1)
            .find(|later| may_be_made(later));
        let name = plugin.name();
        // One move mends all.
        let is_first = findings.is_empty();
        let finding = match (plugin.index, maker) {
            (None, _) => NOTHING_BEFORE
                .at(plugin.span(), format!("{name} stands alone"))
                .help(format!(
                    "write a list (a .conflist file) whose \"plugins\" are one that makes an interface, such as bridge, and then {name}"
                )),
            (_, Some(maker)) => NOTHING_BEFORE
                .at(plugin.span(), format!("{name} comes before {}", maker.name()))
                .also(maker.span(), "this one makes the interface")
                .help(format!("put {} before {name}", maker.name()))
                .fix(is_first.then(|| moved(context, &plugins, maker)).flatten()),
            (_, None) => NOTHING_BEFORE
                .at(plugin.span(), format!("no plugin before {name} makes an interface"))
                .help("begin the chain with bridge, ptp, macvlan or another that makes one"),
        };
        findings.push(finding);
    }
    findings
}

/// The maker of the interface before the first of those that need one; the others keep their order.
fn moved(context: &Context<'_>, plugins: &[Plugin<'_>], maker: &Plugin<'_>) -> Option<Fix> {
    let is_chained = |plugin: &Plugin<'_>| matches!(role(plugin), Some(Role::Chained { .. }));
    let first = plugins.iter().position(is_chained)?;
    let last = plugins
        .iter()
        .position(|plugin| plugin.index == maker.index)?;
    let text = |plugin: &Plugin<'_>| context.document.source.slice(plugin.node.span);
    let mut order: Vec<&Plugin<'_>> = plugins.get(first..=last)?.iter().collect();
    order.rotate_right(1);
    let mut places = plugins.get(first..=last)?.iter().zip(order);
    let (place, plugin) = places.next()?;
    let words = format!("put {} before {}", maker.name(), plugins[first].name());
    let fix = Fix::new(words, place.node.span, text(plugin));
    Some(places.fold(fix, |fix, (place, plugin)| {
        fix.and(place.node.span, text(plugin))
    }))
}

/// A second plugin that makes the container's interface.
pub(super) static TWO_INTERFACES: Rule = Rule {
    id: "two-interfaces",
    severity: Severity::Error,
    about: "two plugins of a chain that both make the container's interface",
    why: "both make the interface that the runtime names, and the second fails because it is there; a second interface needs a second network",
    check: |context| {
        let plugins = context.plugins();
        let mut first: Option<&Plugin<'_>> = None;
        let mut findings = Vec::new();
        for plugin in &plugins {
            if !makes_interface(plugin) {
                continue;
            }
            let Some(maker) = first else {
                first = Some(plugin);
                continue;
            };
            // It takes the interface of the plugin before as its master.
            if plugin.is("ipvlan") && plugin.get("master").is_none() {
                continue;
            }
            let words = format!(
                "{} makes the interface that {} has made",
                plugin.name(),
                maker.name()
            );
            findings.push(
                TWO_INTERFACES
                    .at(plugin.span(), words)
                    .also(maker.span(), "the first one")
                    .help("put it into a configuration of its own, with a name of its own, and attach the container to both"),
            );
        }
        findings
    },
};

/// A plugin that needs an address where no plugin gives one.
pub(super) static NO_ADDRESS: Rule = Rule {
    id: "no-address",
    severity: Severity::Warning,
    about: "a plugin that works on the container's addresses, in a chain that gives none",
    why: "the plugin before it has no ipam, so the container has no address, and there is nothing for it to do",
    check: |context| {
        let plugins = context.plugins();
        let mut findings = Vec::new();
        for (maker, plugin) in behind_maker(&plugins) {
            let needs_address = role(plugin)
                == Some(Role::Chained {
                    needs: Needs::Address,
                });
            if !needs_address || maker.node.has_unknown() || maker.ipam_name() != "" {
                continue;
            }
            let severity = match plugin.name() {
                "sbr" => Severity::Error,
                _ => Severity::Warning,
            };
            findings.push(
                NO_ADDRESS
                    .at(plugin.span(), format!("{} needs an address, and {} gives none", plugin.name(), maker.name()))
                    .severity(severity)
                    .also(maker.span(), "it has no ipam")
                    .help(format!(
                        "give {} an \"ipam\", such as {{ \"type\": \"host-local\", \"subnet\": \"10.22.0.0/16\" }}, or remove {}",
                        maker.name(),
                        plugin.name()
                    )),
            );
        }
        findings
    },
};

/// A plugin that works on the host's end of a pair where there is no pair.
pub(super) static NO_HOST_END: Rule = Rule {
    id: "no-host-end",
    severity: Severity::Error,
    about: "bandwidth behind a plugin whose interface has no end on the host",
    why: "traffic is limited on the host's end of a pair of links (veth), as bridge and ptp make it; other interfaces have none, and ADD fails once a limit is asked for",
    check: |context| {
        let plugins = context.plugins();
        let mut findings = Vec::new();
        for (maker, plugin) in behind_maker(&plugins) {
            let needs_end = role(plugin)
                == Some(Role::Chained {
                    needs: Needs::HostEnd,
                });
            if needs_end
                && matches!(
                    role(maker),
                    Some(Role::Interface {
                        has_host_end: false,
                        ..
                    })
                )
            {
                findings.push(
                    NO_HOST_END
                        .at(plugin.span(), format!("{} cannot limit what {} attaches", plugin.name(), maker.name()))
                        .also(maker.span(), "its interface has no end on the host")
                        .help(format!(
                            "remove {}, or attach by bridge or ptp; limit what leaves by a master on the switch or on the master itself",
                            plugin.name()
                        )),
                );
            }
        }
        findings
    },
};

/// Published ports of a container that the host itself does not reach.
pub(super) static UNREACHABLE_PORTS: Rule = Rule {
    id: "unreachable-ports",
    severity: Severity::Warning,
    about: "portmap behind macvlan or ipvlan",
    why: "the host passes a connection to its port on to the container's address, but nothing gets from the host itself past the master to interfaces that are made on it",
    check: |context| {
        let plugins = context.plugins();
        let mut findings = Vec::new();
        for (maker, plugin) in behind_maker(&plugins) {
            let is_hidden = matches!(
                role(maker),
                Some(Role::Interface {
                    hides_from_host: true,
                    ..
                })
            );
            if plugin.is("portmap") && is_hidden && maker.ipam_name() != "" {
                findings.push(
                    UNREACHABLE_PORTS
                        .at(plugin.span(), format!("no port of the host leads past the master of {}", maker.name()))
                        .also(maker.span(), "out of reach of the host itself")
                        .help("remove portmap: the container's own address is reached from the network; or attach by bridge"),
                );
            }
        }
        findings
    },
};

/// What `firewall` is to let in from a bridge, where there is none.
pub(super) static NO_BRIDGE_FOR_POLICY: Rule = Rule {
    id: "policy-without-bridge",
    severity: Severity::Error,
    about: "an ingressPolicy same-bridge or isolated of firewall behind a plugin that makes no bridge",
    why: "these policies are about the containers on one bridge, which firewall looks for in the result of the plugins before it; without one ADD fails",
    check: |context| {
        let plugins = context.plugins();
        let mut findings = Vec::new();
        for (maker, plugin) in behind_maker(&plugins) {
            let policy = plugin
                .get("ingressPolicy")
                .filter(|_| plugin.is("firewall"));
            let Some((policy, text)) = policy.and_then(|node| Some((node, node.as_str()?))) else {
                continue;
            };
            if ["same-bridge", "isolated"].contains(&text) && !maker.is("bridge") {
                findings.push(
                    NO_BRIDGE_FOR_POLICY
                        .at(
                            policy.span,
                            format!("{text} is about a bridge, and {} makes none", maker.name()),
                        )
                        .also(maker.span(), "this one makes the interface")
                        .help("remove \"ingressPolicy\", or attach by bridge"),
                );
            }
        }
        findings
    },
};

/// The plugins behind the maker of the interface, with that one, as long as all between are ours.
fn behind_maker<'a, 'p>(
    plugins: &'p [Plugin<'a>],
) -> impl Iterator<Item = (&'p Plugin<'a>, &'p Plugin<'a>)> {
    let place = plugins
        .iter()
        .position(makes_interface)
        .unwrap_or(plugins.len());
    let maker = plugins.get(place);
    let is_known = plugins[..place]
        .iter()
        .all(|plugin| plugin.handler.is_some());
    let behind = plugins.iter().skip(place + 1);
    let behind = behind.take_while(|plugin| plugin.handler.is_some());
    let maker = maker.filter(|_| is_known);
    maker
        .into_iter()
        .flat_map(move |maker| behind.clone().map(move |plugin| (maker, plugin)))
}

fn makes_interface(plugin: &Plugin<'_>) -> bool {
    matches!(role(plugin), Some(Role::Interface { .. }))
}

/// What a plugin of ours is in a chain.
pub(super) fn role(plugin: &Plugin<'_>) -> Option<Role> {
    plugin.handler.map(linkspan_plugin::Handler::role)
}
