//! The host as a gateway: what `isGateway`, `isDefaultGateway` and `ipMasq` need to work.

use std::net::IpAddr;

use linkspan_inspect::finding::Severity;

use super::addresses::{Range, ranges, same_family, subnets};
use crate::document::Plugin;
use crate::json::{Node, Value};
use crate::rule::{Context, Rule};

/// A bridge that is to be the gateway of containers without addresses.
pub(super) static NO_SUBNET: Rule = Rule {
    id: "gateway-without-ipam",
    severity: Severity::Warning,
    about: "a bridge with isGateway, isDefaultGateway or ipMasq, and no ipam",
    why: "without addresses there is nothing to be a gateway for, and nothing to masquerade: the key does nothing",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let is_bare = plugin.handler.is_some()
                && plugin.ipam_name().is_empty()
                && !plugin.node.has_unknown();
            // One without a type is told as that.
            let has_keys = plugin
                .ipam
                .is_some_and(|ipam| !ipam.node.members().is_empty());
            let keys = ["isDefaultGateway", "isGateway", "ipMasq"];
            let Some(key) = keys.into_iter().find(|key| plugin.is_on(key)) else {
                continue;
            };
            if let (true, false, Some(member)) = (is_bare, has_keys, plugin.node.member(key)) {
                findings.push(
                    NO_SUBNET
                        .at(member.key_span, format!("{key} without ipam does nothing"))
                        .help(format!("add an \"ipam\", such as {{ \"type\": \"host-local\", \"subnet\": \"10.22.0.0/16\" }}, or remove {key}")),
                );
            }
        }
        findings
    },
};

/// Masquerading for containers that send nothing by the host.
pub(super) static MASQUERADE_ALONE: Rule = Rule {
    id: "masquerade-without-gateway",
    severity: Severity::Note,
    about: "ipMasq on a bridge that is no gateway",
    why: "only what the host passes on is masqueraded; without isGateway the bridge has no address, unless somebody else gives it one",
    check: |context| {
        let plugins = context.plugins().into_iter();
        let alone = plugins.filter(|plugin| {
            let is_gateway = plugin.is_on("isGateway") || plugin.is_on("isDefaultGateway");
            plugin.is("bridge")
                && plugin.is_on("ipMasq")
                && !is_gateway
                && !plugin.ipam_name().is_empty()
        });
        let alone = alone.filter(|plugin| !holds_gateway(context, plugin));
        alone
            .filter_map(|plugin| {
                let member = plugin.node.member("ipMasq")?;
                Some(
                    MASQUERADE_ALONE
                        .at(member.key_span, "ipMasq, but the bridge is not the containers' gateway")
                        .help("set isGateway, so that the host passes on what containers send; or remove ipMasq"),
                )
            })
            .collect()
    },
};

/// Whether the bridge has the gateway's address already, as the host knows.
fn holds_gateway(context: &Context<'_>, plugin: &Plugin<'_>) -> bool {
    let links = context.facts.and_then(|facts| facts.links.as_ref());
    let link = links.and_then(|links| links.named(plugin.text("bridge").unwrap_or("cni0")));
    let gateways: Vec<IpAddr> = subnets(plugin)
        .iter()
        .filter_map(|subnet| subnet.gateway)
        .collect();
    link.is_some_and(|link| {
        link.addresses
            .iter()
            .any(|net| gateways.contains(&net.addr()))
    })
}

/// Containers that have no way out, where what leaves is to be masqueraded.
pub(super) static NO_WAY_OUT: Rule = Rule {
    id: "masquerade-without-route",
    severity: Severity::Note,
    about: "ipMasq in a network whose containers have no default route",
    why: "what leaves the network is to be masqueraded, but containers send nothing there without a route",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let ours = plugin
                .ipam
                .and_then(|ipam| ipam.handler)
                .map(|handler| handler.name());
            let says_routes = matches!(ours, Some("host-local" | "static"));
            let has_default = plugin.is_on("isDefaultGateway") || !routes(&plugin).is_empty();
            let is_masquerading = plugin.handler.is_some() && plugin.is_on("ipMasq");
            // Nothing is said of a bridge that is no gateway twice.
            let is_gateway = plugin.is("ptp") || plugin.is_on("isGateway");
            if !is_masquerading
                || !is_gateway
                || !says_routes
                || has_default
                || plugin.node.has_unknown()
            {
                continue;
            }
            let Some(member) = plugin.node.member("ipMasq") else {
                continue;
            };
            let help = match plugin.is("bridge") {
                true => {
                    "set isDefaultGateway, or add \"routes\": [ { \"dst\": \"0.0.0.0/0\" } ] to ipam"
                }
                false => "add \"routes\": [ { \"dst\": \"0.0.0.0/0\" } ] to ipam",
            };
            findings.push(
                NO_WAY_OUT
                    .at(
                        member.key_span,
                        "ipMasq, but containers have no route out of the network",
                    )
                    .help(help),
            );
        }
        findings
    },
};

fn routes<'a>(plugin: &Plugin<'a>) -> &'a [Node] {
    plugin
        .get("ipam.routes")
        .map(Node::items)
        .unwrap_or_default()
}

/// A bridge that would need the addresses of several gateways.
pub(super) static SEVERAL_GATEWAYS: Rule = Rule {
    id: "several-gateways",
    severity: Severity::Error,
    about: "a bridge with isGateway and IPv4 ranges with different gateways",
    why: "a bridge holds one IPv4 address of a gateway; the ADD that is to give it another fails",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let is_gateway = plugin.is_on("isGateway") || plugin.is_on("isDefaultGateway");
            if !plugin.is("bridge") || !is_gateway {
                continue;
            }
            let all = ranges(&plugin);
            let held = |range: &Range| {
                range
                    .meant_gateway()
                    .map(|gateway| (gateway, range.network().prefix_len()))
            };
            let mut of_ipv4 = all.iter().filter(|range| range.network().addr().is_ipv4());
            let Some(first) = of_ipv4.next() else {
                continue;
            };
            let Some(other) = of_ipv4.find(|range| held(range) != held(first)) else {
                continue;
            };
            let is_forced = plugin.is_on("forceAddress");
            let finding = SEVERAL_GATEWAYS
                .at(
                    other.subnet.span,
                    format!(
                        "the bridge is to be the gateway of {} and of {}",
                        first.network(),
                        other.network()
                    ),
                )
                .also(first.subnet.span, "the first one");
            findings.push(match is_forced {
                true => finding
                    .severity(Severity::Warning)
                    .why("a bridge holds one IPv4 address of a gateway; with forceAddress each ADD takes away that of the other containers")
                    .help("use one larger subnet, parted by rangeStart and rangeEnd, or a second network"),
                false => finding.help("use one larger subnet, parted by rangeStart and rangeEnd, or a second network with a bridge of its own"),
            });
        }
        findings
    },
};

/// A default route by another than the gateway that is to be the default.
pub(super) static TWO_DEFAULTS: Rule = Rule {
    id: "two-default-routes",
    severity: Severity::Warning,
    about: "isDefaultGateway together with a default route by another gateway",
    why: "the route that is written out counts, and isDefaultGateway adds none",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context
            .plugins()
            .iter()
            .filter(|plugin| plugin.is("bridge") && plugin.is_on("isDefaultGateway"))
        {
            for route in routes(plugin) {
                let (Some(dst), Some(gw)) = (
                    route.get("dst").and_then(Node::as_str),
                    super::addresses::address(route, "gw"),
                ) else {
                    continue;
                };
                let is_default = matches!(dst, "0.0.0.0/0" | "::/0");
                let is_own =
                    |gateway: IpAddr| gateway == gw.value || !same_family(gateway, gw.value);
                let known: Vec<IpAddr> = subnets(plugin)
                    .iter()
                    .filter_map(|subnet| subnet.gateway)
                    .collect();
                if is_default
                    && !known.is_empty()
                    && !known
                        .iter()
                        .copied()
                        .any(|gateway| is_own(gateway) && same_family(gateway, gw.value))
                {
                    let is_of_family = known.iter().any(|gateway| same_family(*gateway, gw.value));
                    if !is_of_family {
                        continue;
                    }
                    findings.push(
                        TWO_DEFAULTS
                            .at(
                                gw.span,
                                format!(
                                    "the default route goes by {}, not by the bridge",
                                    gw.value
                                ),
                            )
                            .also(
                                plugin
                                    .node
                                    .member("isDefaultGateway")
                                    .map_or(plugin.span(), |member| member.key_span),
                                "asks for one by the bridge",
                            )
                            .help("remove isDefaultGateway, or the gw of the route"),
                    );
                }
            }
        }
        findings
    },
};

/// A pair of links whose host's end is to hold a gateway that nobody names.
pub(super) static PTP_GATEWAY: Rule = Rule {
    id: "ptp-without-gateway",
    severity: Severity::Error,
    about: "ptp with an address of static that has no gateway",
    why: "the host's end of the link holds the gateway's address; without one ADD fails",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins().iter().filter(|plugin| plugin.is("ptp")) {
            let fixed = super::addresses::fixed(plugin).into_iter();
            let bare = fixed.filter(|fixed| fixed.gateway.is_none());
            findings.extend(bare.filter(|_| !is_replaced(plugin)).map(|fixed| {
                PTP_GATEWAY
                    .at(fixed.address.span, format!("{} has no gateway", fixed.address.value))
                    .help("add \"gateway\" beside \"address\": the address that the host has at its end, such as the subnet's first")
            }));
        }
        findings
    },
};

/// Whether others than `ipam.addresses` say the addresses.
fn is_replaced(plugin: &Plugin<'_>) -> bool {
    let has = |path: &str| {
        plugin
            .get(path)
            .is_some_and(|node| matches!(&node.value, Value::List(items) if !items.is_empty()))
    };
    has("args.cni.ips") || has("runtimeConfig.ips")
}
