//! What in netfilter says whose it is: our elements and rules, the chains and rules of the reference plugins.

use std::net::IpAddr;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::xtables;
use linkspan_nft::{Chain, Element, Family, InstalledRule, Table, Target, Value};
use linkspan_spec::Error;

use crate::fault::{explain, unless_unsupported};
use crate::group::SHARED;
use crate::iptables::{NAT, Protocol};
use crate::owner::Owner;
use crate::part::{Kind, unique};

/// Something that says whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Where it is, as it stands behind "in": `set inet linkspan masquerade4`.
    pub place: String,
    /// What it says, as it stands there.
    pub label: String,
    /// The network, where that is said in full.
    pub network: Option<String>,
    /// The container's ID, where that is said in full.
    pub container: Option<String>,
    /// The interface in the container, where that is said.
    pub ifname: Option<String>,
    /// The container's address that it is about.
    pub address: Option<IpAddr>,
}

/// All that says whose it is.
///
/// Rules are read of those chains alone that are known to have such, since there may be hundreds of thousands of others.
///
/// # Errors
/// When the kernel does not tell.
pub fn traces() -> Result<Vec<Trace>, Error> {
    let mut found = Nftables::open()
        .and_then(|kernel| in_nftables(&kernel))
        .or_else(|error| unless_unsupported(error).map(|()| Vec::new()))
        .map_err(explain)?;
    found.extend(in_legacy().map_err(explain)?);
    Ok(found)
}

fn in_nftables(kernel: &Nftables) -> Result<Vec<Trace>, KernelError> {
    let mut found = Vec::new();
    for table in unique(Kind::ALL.iter().map(|kind| kind.nature().table())) {
        for set in kernel.sets(&table)? {
            let place = format!("set {} {} {}", set.family, set.table, set.name);
            let elements = kernel.elements(&set)?.into_iter();
            found.extend(elements.filter_map(|element| of_element(&place, element)));
        }
    }
    for chain in chains() {
        for rule in kernel.rules(&chain)? {
            found.extend(of_rule(&rule));
        }
    }
    Ok(found)
}

/// The chains with rules that say whose they are: of the filter tables of iptables, where both plugins put them; of its nat
/// tables and of tables of their own, where those of the reference do.
fn chains() -> Vec<Chain> {
    let mut chains = Vec::new();
    for protocol in Protocol::BOTH {
        let of = |table: &str, names: &[&str]| {
            let table = Table::new(protocol.family(), table);
            let chains = names.iter().map(|name| Chain::regular(&table, *name));
            chains.collect::<Vec<_>>()
        };
        chains.extend(of("filter", &["CNI-FORWARD", "LINKSPAN-PORTS"]));
        chains.extend(of(NAT, &NAT_CHAINS));
        chains.extend(of(HOSTPORT, &["hostports", "hostip_hostports"]));
    }
    let masquerade = Table::new(Family::Inet, "cni_plugins_masquerade");
    chains.push(Chain::regular(&masquerade, "masq_checks"));
    chains
}

/// Where rules have the container's ID for a comment, and no more.
const HOSTPORT: &str = "cni_hostport";

const NAT_CHAINS: [&str; 2] = ["POSTROUTING", "CNI-HOSTPORT-DNAT"];

fn of_element(place: &str, element: Element) -> Option<Trace> {
    let label = element.comment.filter(|label| label != SHARED)?;
    // Where it leads to a container, the key is of the host.
    let values = match &element.target {
        Some(Target::Values(target)) => target.values(),
        _ => element.key.values(),
    };
    let address = |value: &Value| match value {
        Value::Ipv4(address) => Some((*address).into()),
        Value::Ipv6(address) => Some((*address).into()),
        _ => None,
    };
    Some(Trace {
        place: place.to_owned(),
        address: values.iter().find_map(address),
        ..Trace::labelled(label)
    })
}

fn of_rule(rule: &InstalledRule) -> Option<Trace> {
    let place = format!("chain {} {} {}", rule.family, rule.table, rule.chain);
    let address = rule.source.or(rule.destination);
    if let Some(owner) = &rule.owner {
        return Some(Trace {
            place,
            address,
            ..Trace::labelled(owner.clone())
        });
    }
    // The reference's admissions do not say whose they are.
    let trace = match rule.comment.as_deref() {
        None => address.filter(|_| rule.accepts).map(|_| Trace::default()),
        Some(comment) if rule.table == HOSTPORT => Some(Trace {
            label: comment.to_owned(),
            container: Some(comment.to_owned()),
            ..Trace::default()
        }),
        Some(comment) => of_comment(comment),
    };
    Some(Trace {
        place,
        address,
        ..trace?
    })
}

fn in_legacy() -> Result<Vec<Trace>, KernelError> {
    let mut found = Vec::new();
    for protocol in Protocol::BOTH {
        let Some(table) = xtables::table(protocol.into(), NAT)? else {
            continue;
        };
        for rule in table.rules {
            let Some(trace) = rule.comment.as_deref().and_then(of_comment) else {
                continue;
            };
            // A container's own chain has the same comments: its rules are led to by one that is counted.
            if rule
                .jump
                .as_deref()
                .is_some_and(|jump| jump.starts_with("CNI-"))
            {
                found.push(Trace {
                    place: format!("table {NAT} of {}-legacy", protocol.command()),
                    address: rule.source.or(rule.destination),
                    ..trace
                });
            }
        }
    }
    Ok(found)
}

/// What the comment of a rule of the reference plugins says: `name: "NET" id: "ID"`, with `dnat ` before it for ports; with
/// their nftables backends the container's ID alone, or `HASH, net: NET, if: IF, id: ID`.
fn of_comment(comment: &str) -> Option<Trace> {
    let quoted = comment.strip_prefix("dnat ").unwrap_or(comment);
    if let Some(rest) = quoted.strip_prefix("name: \"") {
        let (network, container) = rest.strip_suffix('"')?.split_once("\" id: \"")?;
        return Some(Trace {
            label: comment.to_owned(),
            network: Some(network.to_owned()),
            container: Some(container.to_owned()),
            ..Trace::default()
        });
    }
    let (_, rest) = comment.split_once(", net: ")?;
    let (network, rest) = rest.split_once(", if: ")?;
    let (ifname, container) = rest.split_once(", id: ")?;
    Some(Trace {
        label: comment.to_owned(),
        network: Some(network.to_owned()),
        container: Some(container.to_owned()),
        ifname: Some(ifname.to_owned()),
        ..Trace::default()
    })
}

impl Trace {
    /// One with a comment of ours, or what stands in its place.
    fn labelled(label: String) -> Self {
        let owner: Option<Owner> = label.parse().ok();
        Self {
            network: owner.as_ref().map(|owner| owner.network().to_owned()),
            container: owner.as_ref().map(|owner| owner.container().to_owned()),
            ifname: owner.as_ref().map(|owner| owner.ifname().to_owned()),
            label,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_say_whose_a_rule_is() {
        for (comment, expected) in [
            (r#"name: "mynet" id: "c1""#, Some(("mynet", "c1", None))),
            (r#"dnat name: "a b" id: "c1""#, Some(("a b", "c1", None))),
            (
                "0a-1b, net: mynet, if: eth0, id: c1",
                Some(("mynet", "c1", Some("eth0"))),
            ),
            ("CNI portfwd masquerade mark", None),
            ("", None),
        ] {
            let found = of_comment(comment);
            let found = found.as_ref().map(|found| {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                (
                    text(&found.network),
                    text(&found.container),
                    found.ifname.clone(),
                )
            });
            let expected =
                expected.map(|(network, container, ifname): (&str, &str, Option<&str>)| {
                    (
                        network.to_owned(),
                        container.to_owned(),
                        ifname.map(str::to_owned),
                    )
                });
            assert_eq!(found, expected, "{comment}");
        }
    }
}
