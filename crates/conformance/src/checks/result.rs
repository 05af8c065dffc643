//! The result of ADD: what is told is what is there, and what is there is told.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_kernel::rtnl::{RouteFilter, Rtnl};
use linkspan_spec::{Value, Version};

use super::{ANY, INTERFACE, IPAM, ON_LINKS, only_if, some_of};
use crate::bench::Bench;
use crate::check::{Check, Level, Verdict};
use crate::container::{Attachment, mac};
use crate::kind::Kind;
use crate::result::{addresses, gateways, list, text};
use crate::section::Section;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "result-interface",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: ON_LINKS,
        asks: "ADD, and the container's interface in the result",
        says: "the result lists all interfaces that the attachment has, among them that of the container, by its name",
        run: |bench| {
            let attachment = since_lists(bench)?;
            match own_interface(&attachment) {
                Some(_) => Ok(()),
                None => Err(attachment.answer.fault(format!(
                    "the result has no interface {} of the container",
                    attachment.container.ifname
                ))),
            }
        },
    },
    Check {
        id: "result-sandbox",
        section: Section::AddResult,
        level: Level::Should,
        since: Version::V0_3_0,
        of: ON_LINKS,
        asks: "ADD, and the sandbox of the container's interface in the result",
        says: "sandbox is the value of CNI_NETNS for interfaces in the container, and empty for those of the host",
        run: sandbox,
    },
    Check {
        id: "result-mac",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: ON_LINKS,
        asks: "ADD, and the hardware addresses of the interfaces in the result",
        says: "mac is the hardware address of the interface",
        run: |bench| {
            told_of_links(bench, "mac", |link, told| {
                told.is_empty() || told.eq_ignore_ascii_case(&mac(link))
            })
        },
    },
    Check {
        id: "result-mtu",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V1_1_0,
        of: ON_LINKS,
        asks: "ADD, and the MTUs of the interfaces in the result",
        says: "mtu is the MTU of the interface, where it is told",
        run: |bench| {
            bench.newest_since(Version::V1_1_0)?;
            told_of_links(bench, "mtu", |link, told| {
                told.is_empty() || told == link.mtu.to_string()
            })
        },
    },
    Check {
        id: "result-all-interfaces",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: ON_LINKS,
        asks: "ADD, and the interfaces that it made on the host",
        says: "the result lists all interfaces that the attachment made, those of the host included",
        run: all_interfaces,
    },
    Check {
        id: "result-addresses",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: ON_LINKS,
        asks: "ADD, and the addresses of the result in the container",
        says: "ips are the addresses that the attachment assigned, each with the number of the interface that has it",
        run: addresses_are_there,
    },
    Check {
        id: "result-all-addresses",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: INTERFACE,
        asks: "ADD, and the addresses of the container's interface in the result",
        says: "ips has all addresses that the attachment assigned",
        run: |bench| {
            let attachment = since_lists(bench)?;
            let told = addresses(&attachment.result);
            let there = attachment.container.addresses()?;
            match there.iter().find(|net| !told.contains(net)) {
                Some(net) => Err(attachment.answer.fault(format!(
                    "the interface has {net}, which the result does not tell"
                ))),
                None => Ok(()),
            }
        },
    },
    Check {
        id: "result-gateway",
        section: Section::AddResult,
        level: Level::Should,
        since: Version::V0_3_0,
        of: ANY,
        asks: "ADD, and the gateways in the result",
        says: "gateway is the default gateway of the address's subnet: one of the same family, within it",
        run: |bench| {
            let attachment = since_lists(bench)?;
            for ip in list(&attachment.result, "ips") {
                let Ok(net) = text(ip, "address").parse::<IpNet>() else {
                    continue;
                };
                let Ok(gateway) = text(ip, "gateway").parse::<IpAddr>() else {
                    continue;
                };
                if !net.contains(&gateway) && net.prefix_len() != net.max_prefix_len() {
                    return Err(attachment.answer.fault(format!(
                        "the gateway {gateway} is not in the subnet of {net}"
                    )));
                }
            }
            Ok(())
        },
    },
    Check {
        id: "result-routes",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: ON_LINKS,
        asks: "ADD, and the routes of the result in the container",
        says: "routes are those that the attachment created; without gw a gateway of ips may be meant",
        run: routes_are_there,
    },
    Check {
        id: "result-ipam-only",
        section: Section::IpamResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: IPAM,
        asks: "ADD of an IPAM plugin, and what its result leaves out",
        says: "the result of an IPAM plugin has no interfaces, and no interface in ips",
        run: |bench| {
            let attachment = since_lists(bench)?;
            if !list(&attachment.result, "interfaces").is_empty() {
                return Err(attachment.answer.fault("the result has interfaces"));
            }
            match list(&attachment.result, "ips")
                .iter()
                .any(|ip| ip.get("interface").is_some())
            {
                true => Err(attachment
                    .answer
                    .fault("the result has the number of an interface in ips")),
                false => Ok(()),
            }
        },
    },
    Check {
        id: "result-ipam-addresses",
        section: Section::Delegation,
        level: Level::Must,
        since: Version::V0_3_0,
        of: IPAM,
        asks: "ADD of an IPAM plugin, and the addresses in its result",
        says: "an IPAM plugin determines the interface's address, the gateway and the routes, and returns them",
        run: |bench| {
            let attachment = since_lists(bench)?;
            match addresses(&attachment.result).is_empty() {
                true => Err(attachment.answer.fault("the result has no address")),
                false => Ok(()),
            }
        },
    },
];

/// An attachment in a version whose results have lists.
pub(super) fn since_lists(bench: &Bench<'_>) -> Result<Attachment, crate::check::Stop> {
    bench.newest_since(Version::V0_3_0)?;
    bench.attached()
}

/// The container's interface in the result.
fn own_interface(attachment: &Attachment) -> Option<&Value> {
    let is_own = |one: &&Value| {
        text(one, "name") == attachment.container.ifname && !text(one, "sandbox").is_empty()
    };
    list(&attachment.result, "interfaces").iter().find(is_own)
}

fn sandbox(bench: &Bench<'_>) -> Verdict {
    let attachment = since_lists(bench)?;
    let path = attachment.container.path.display().to_string();
    for interface in list(&attachment.result, "interfaces") {
        let (name, sandbox) = (text(interface, "name"), text(interface, "sandbox"));
        if sandbox.is_empty() || sandbox == path {
            continue;
        }
        let wrong = format!("sandbox of {name} is {sandbox}, and CNI_NETNS was {path}");
        return Err(attachment.answer.fault(wrong));
    }
    Ok(())
}

/// Compares what the result says of each interface with the kernel.
fn told_of_links(
    bench: &Bench<'_>,
    key: &str,
    is_so: fn(&linkspan_kernel::rtnl::Link, &str) -> bool,
) -> Verdict {
    let attachment = since_lists(bench)?;
    for interface in list(&attachment.result, "interfaces") {
        let name = text(interface, "name");
        let is_inside = !text(interface, "sandbox").is_empty();
        let rtnl = match is_inside {
            true => attachment.container.rtnl()?,
            false => Rtnl::open()?,
        };
        let place = if is_inside {
            "in the container"
        } else {
            "on the host"
        };
        let link = match rtnl.link(name) {
            Err(error) if error.is_not_found() => {
                let wrong = format!("the result tells of {name}, and there is none {place}");
                return Err(attachment.answer.fault(wrong));
            }
            link => link?,
        };
        let told = interface.get(key).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        if !is_so(&link, &told.unwrap_or_default()) {
            let wrong = format!("{key} of {name} {place} is another than the result tells");
            return Err(attachment.answer.fault(wrong));
        }
    }
    Ok(())
}

fn all_interfaces(bench: &Bench<'_>) -> Verdict {
    bench.newest_since(Version::V0_3_0)?;
    let container = bench.container()?;
    let before = bench.snapshot()?;
    let attachment = bench.attach_in(container, bench.newest()?)?;
    let made = before.new_links(&bench.snapshot()?);
    let told = list(&attachment.result, "interfaces");
    let is_told = |name: &String| told.iter().any(|one| text(one, "name") == name);
    let untold: Vec<_> = made.into_iter().filter(|name| !is_told(name)).collect();
    match untold.is_empty() {
        true => Ok(()),
        false => Err(attachment
            .answer
            .fault(format!("ADD made {} and does not tell", some_of(&untold)))),
    }
}

fn addresses_are_there(bench: &Bench<'_>) -> Verdict {
    let attachment = since_lists(bench)?;
    let interfaces = list(&attachment.result, "interfaces");
    for ip in list(&attachment.result, "ips") {
        let address = text(ip, "address");
        let Ok(net) = address.parse::<IpNet>() else {
            return Err(attachment.answer.fault(format!("{address} is no address")));
        };
        let index = ip.get("interface").and_then(Value::as_u64);
        let Some(interface) = index.and_then(|index| interfaces.get(usize::try_from(index).ok()?))
        else {
            if bench.subject.kind == Kind::Interface {
                let wrong = format!("the result does not tell which interface has {net}");
                return Err(attachment.answer.fault(wrong));
            }
            continue;
        };
        // Addresses that are given outside of the container may be told as well.
        if text(interface, "sandbox").is_empty() {
            continue;
        }
        let rtnl = attachment.container.rtnl()?;
        let name = text(interface, "name");
        let link = match rtnl.link(name) {
            Err(error) if error.is_not_found() => {
                return Err(attachment
                    .answer
                    .fault(format!("the container has no interface {name}")));
            }
            link => link?,
        };
        if !rtnl.addresses(link.index)?.iter().any(|one| one.net == net) {
            return Err(attachment
                .answer
                .fault(format!("{name} has not the address {net}")));
        }
    }
    Ok(())
}

fn routes_are_there(bench: &Bench<'_>) -> Verdict {
    let attachment = since_lists(bench)?;
    only_if(
        attachment.container.ifname != "lo",
        "the loopback has no routes",
    )?;
    let there = attachment
        .container
        .rtnl()?
        .routes(RouteFilter::default())?;
    for route in list(&attachment.result, "routes") {
        let Ok(destination) = text(route, "dst").parse::<IpNet>() else {
            continue;
        };
        let stated = text(route, "gw").parse::<IpAddr>().ok();
        let usual = gateways(&attachment.result, destination.addr().is_ipv4());
        let leads = |gateway: Option<IpAddr>| match (stated, gateway) {
            (Some(stated), gateway) => gateway == Some(stated),
            (None, Some(gateway)) => usual.contains(&gateway),
            (None, None) => true,
        };
        let is_there = there
            .iter()
            .any(|one| one.destination == destination && leads(one.gateway));
        if !is_there {
            let wrong = format!("the container has no such route to {destination}");
            return Err(attachment.answer.fault(wrong));
        }
    }
    Ok(())
}
