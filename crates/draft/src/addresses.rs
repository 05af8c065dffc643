//! The addresses of a network: its subnets, what containers get of them, and its gateways.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_ipam::range::{Range, RangeSpec};

use crate::Choice;
use crate::facts::Facts;
use crate::refusal::Refusal;
use crate::subnet::{self, POOLS};
use crate::wish::{Kind, Stretch, Wish};

/// What DHCP needs on this host.
const DAEMON: &str = "addresses come by DHCP, so the daemon of the plugin dhcp has to run: \
                      `systemctl enable --now linkspan-dhcp.socket`, or `/opt/cni/bin/dhcp daemon`";

/// Where containers get their addresses from.
#[derive(Clone, Debug)]
pub(crate) enum Addresses {
    /// A DHCP server.
    Dhcp,
    /// host-local, out of these subnets.
    Local(Vec<Subnet>),
}

/// A subnet of a network.
#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    pub(crate) net: IpNet,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) stretch: Option<Stretch>,
}

impl Addresses {
    pub(crate) fn subnets(&self) -> Vec<IpNet> {
        match self {
            Self::Dhcp => Vec::new(),
            Self::Local(subnets) => subnets.iter().map(|subnet| subnet.net).collect(),
        }
    }
}

/// Chooses what is left open, and looks whether what is wished is free.
pub(crate) fn choose(
    wish: &Wish,
    facts: &Facts,
    choices: &mut Vec<Choice>,
    cautions: &mut Vec<String>,
) -> Result<Addresses, Refusal> {
    let has_no_subnet = wish.subnets.is_empty() && !wish.ipv6;
    let may_ask = matches!(wish.kind, Kind::Macvlan(_) | Kind::Vlan(..)) && !wish.internal;
    if wish.dhcp || (has_no_subnet && may_ask) {
        if !wish.dhcp {
            let why = "the DHCP server on the wire knows which addresses are free there; --subnet names your own";
            choices.push(Choice::new("addresses", "dhcp", why));
        }
        cautions.push(DAEMON.to_owned());
        return Ok(Addresses::Dhcp);
    }
    let nets = nets(wish, facts, choices)?;
    let subnets = nets
        .into_iter()
        .map(|net| subnet(wish, facts, net, choices, cautions));
    let subnets = subnets.collect::<Result<Vec<_>, _>>()?;
    require_homes(wish, &subnets)?;
    Ok(Addresses::Local(subnets))
}

/// The subnets: those that are wished, and those that are chosen.
fn nets(wish: &Wish, facts: &Facts, choices: &mut Vec<Choice>) -> Result<Vec<IpNet>, Refusal> {
    let wished = |is_ipv4: bool| {
        let mut nets = wish.subnets.iter();
        nets.find(|net| net.addr().is_ipv4() == is_ipv4).copied()
    };
    // On the wire of a link of the host nobody can choose but who knows it.
    if wish.kind.master().is_some() && wish.subnets.is_empty() && !wish.internal {
        let kind = wish.kind.plugin();
        return Err(Refusal::contradiction(
            format!(
                "which addresses are free on the wire that {kind} puts containers on is not known here"
            ),
            match wish.kind {
                Kind::Ipvlan(_) => {
                    "Name the subnet of the wire, and a part of it that is for containers: --subnet 192.0.2.0/24 \
                     --range 192.0.2.100-192.0.2.199. --internal chooses one that no other machine has."
                }
                _ => {
                    "Name the subnet of the wire, and a part of it that is for containers: --subnet 192.0.2.0/24 \
                     --range 192.0.2.100-192.0.2.199; or leave out --ipv6, and a DHCP server is asked."
                }
            },
        ));
    }
    let mut nets = Vec::new();
    match wished(true) {
        Some(net) => nets.push(net),
        None if wish.subnets.is_empty() || wish.ipv6 => {
            let free = subnet::ipv4(facts).ok_or_else(|| {
                let words = format!("no subnet of {} is free on this host", POOLS.join(", "));
                Refusal::host(words, "Name one: --subnet.")
            })?;
            let why = match &free.instead_of {
                None => format!(
                    "the first of {} and upward; no network, pool, link and route of this host has it",
                    POOLS[0]
                ),
                Some((net, claim)) => format!(
                    "the first that nobody here has: {net} has addresses {}",
                    claim.source
                ),
            };
            choices.push(Choice::new("subnet", free.net, why));
            nets.push(free.net);
        }
        None => {}
    }
    match wished(false) {
        Some(net) => nets.push(net),
        None if wish.ipv6 => {
            let free = subnet::ipv6(facts).ok_or_else(|| {
                Refusal::host(
                    "no random subnet of IPv6 is free on this host",
                    "Name one: --subnet.",
                )
            })?;
            choices.push(Choice::new(
                "subnet",
                free.net,
                "a random one of those that are for everybody's own use (RFC 4193)",
            ));
            nets.push(free.net);
        }
        None => {}
    }
    Ok(nets)
}

fn subnet(
    wish: &Wish,
    facts: &Facts,
    net: IpNet,
    choices: &mut Vec<Choice>,
    cautions: &mut Vec<String>,
) -> Result<Subnet, Refusal> {
    let stretch = wish
        .ranges
        .iter()
        .find(|range| net.contains(&range.first) && net.contains(&range.last));
    let stretch = stretch.map(|stretch| usable(*stretch, net));
    let wished = wish
        .gateways
        .iter()
        .find(|gateway| net.contains(*gateway))
        .copied();
    let gateway = match wish.kind.master() {
        Some(master) => on_wire(
            wish,
            facts,
            (net, wished, stretch, master),
            choices,
            cautions,
        )?,
        None => {
            require_free(facts, net)?;
            wished
        }
    };
    let spec = RangeSpec {
        subnet: Some(net),
        start: stretch.map(|stretch| stretch.first),
        end: stretch.map(|stretch| stretch.last),
        gateway,
    };
    let range = Range::new(spec).map_err(|error| {
        Refusal::contradiction(
            format!("{net} cannot be used: {error}"),
            "Name a larger subnet, or another range.",
        )
    })?;
    // A network that nobody routes for has no gateway; all others say which, also where it is the usual one.
    let is_routed = !wish.internal || wish.kind == Kind::Ptp;
    Ok(Subnet {
        net,
        gateway: is_routed.then(|| gateway.unwrap_or_else(|| range.gateway())),
        stretch,
    })
}

/// The gateway on the wire of a link of the host; refuses what would give the host's own addresses away.
fn on_wire(
    wish: &Wish,
    facts: &Facts,
    (net, wished, stretch, master): (IpNet, Option<IpAddr>, Option<Stretch>, &str),
    choices: &mut Vec<Choice>,
    cautions: &mut Vec<String>,
) -> Result<Option<IpAddr>, Refusal> {
    let own = facts.own_addresses(net);
    let is_given = |address: &&IpAddr| stretch.is_none_or(|stretch| stretch.contains(**address));
    if let Some(address) = own.iter().find(is_given) {
        return Err(Refusal::host(
            format!(
                "containers would get the address {address} of this host, and those of other machines on {net}"
            ),
            "Name a part of the subnet that is for containers alone: --range FIRST-LAST; or ask the DHCP server there: --dhcp.",
        ));
    }
    if stretch.is_none() && !wish.internal {
        cautions.push(format!(
            "no other machine may have addresses of {net} on the wire of {master}: if some do, name a part for \
             containers with --range"
        ));
    }
    if wished.is_some() || wish.internal {
        return Ok(wished);
    }
    let known = facts.gateway_by(master, net);
    if let Some(gateway) = known {
        choices.push(Choice::new(
            "gateway",
            gateway,
            format!("this host's own, by {master}"),
        ));
    }
    Ok(known)
}

/// Refuses a subnet that somebody has.
fn require_free(facts: &Facts, net: IpNet) -> Result<(), Refusal> {
    let Some(claim) = facts.claims_on(net).next() else {
        return Ok(());
    };
    let free = match net {
        IpNet::V4(_) => subnet::ipv4(facts),
        IpNet::V6(_) => subnet::ipv6(facts),
    };
    let next = free.map(|free| format!("{} is free.", free.net));
    Err(Refusal::host(
        format!(
            "{net} is not free on this host: {} is {}",
            claim.net, claim.source
        ),
        next.unwrap_or_else(|| "Name another.".to_owned()),
    ))
}

/// A range without what no container can have: the ends of its subnet.
fn usable(stretch: Stretch, net: IpNet) -> Stretch {
    let step = |address: IpAddr, by: i8| match address {
        IpAddr::V4(address) => IpAddr::V4(u32::from(address).wrapping_add_signed(by.into()).into()),
        IpAddr::V6(address) => {
            IpAddr::V6(u128::from(address).wrapping_add_signed(by.into()).into())
        }
    };
    let first = match stretch.first == net.network() {
        true => step(stretch.first, 1),
        false => stretch.first,
    };
    let last = match stretch.last == net.broadcast() && stretch.last.is_ipv4() {
        true => step(stretch.last, -1),
        false => stretch.last,
    };
    Stretch {
        first,
        last: last.max(first),
    }
}

/// Refuses ranges and gateways that are in none of the subnets.
fn require_homes(wish: &Wish, subnets: &[Subnet]) -> Result<(), Refusal> {
    let nets: Vec<String> = subnets
        .iter()
        .map(|subnet| subnet.net.to_string())
        .collect();
    let is_home = |address: &IpAddr| subnets.iter().any(|subnet| subnet.net.contains(address));
    let next = match wish.subnets.is_empty() {
        true => "Name the subnet as well: --subnet.",
        false => "Name addresses of the subnet.",
    };
    let outside = |what: String| {
        Refusal::contradiction(format!("{what} is not in {}", nets.join(" or ")), next)
    };
    if let Some(range) = wish
        .ranges
        .iter()
        .find(|range| !is_home(&range.first) || !is_home(&range.last))
    {
        return Err(outside(format!("the range {range}")));
    }
    if let Some(gateway) = wish.gateways.iter().find(|gateway| !is_home(gateway)) {
        return Err(outside(format!("the gateway {gateway}")));
    }
    Ok(())
}
