//! Why packets did not do as promised, and what to do: the first thing on the host that explains it.

use std::net::IpAddr;

use linkspan_kernel::Error;
use linkspan_kernel::rtnl::{Link, Rtnl};
use linkspan_kernel::xtables::Protocol;
use linkspan_kernel::{netns::Netns, sysctl};
use linkspan_nft::Hook;

use crate::chains;
use crate::check::{Aspect, Who};
use crate::probe::{End, Probe, Way};
use crate::promise::{Kind, Promises};
use crate::trip::Fault;

/// Why, and what to do.
pub(crate) type Reason = (String, Option<String>);

/// Where it happened.
pub(crate) struct Scene<'a> {
    pub(crate) promises: &'a Promises,
    pub(crate) ends: Vec<EndAt<'a>>,
    /// The host's end towards the world outside.
    pub(crate) uplink: String,
}

/// A container, and how it is wired.
pub(crate) struct EndAt<'a> {
    pub(crate) end: &'a End,
    pub(crate) netns: &'a Netns,
    /// The interface inside.
    pub(crate) ifname: &'a str,
    /// The host's interfaces of it, by the result.
    pub(crate) host_links: &'a [String],
}

impl Scene<'_> {
    /// Why a probe that should pass did not.
    pub(crate) fn explain(&self, probe: &Probe, fault: &Fault) -> Reason {
        let happened = happened(probe, fault);
        // What cannot be asked explains nothing.
        let found = self.find(probe, fault).ok().flatten();
        match found {
            Some((why, next)) => (format!("{happened}: {why}"), next),
            None => (happened, self.look_further(probe, fault)),
        }
    }

    fn find(&self, probe: &Probe, fault: &Fault) -> Result<Option<Reason>, Error> {
        let host = Rtnl::open()?;
        match fault {
            Fault::NoRoute if probe.from == Who::Host => return Ok(Some((
                "the host has no route to the container".to_owned(),
                Some("`linkspan doctor`, or `ip route get` with its address, shows which one is missing".to_owned()),
            ))),
            Fault::NoRoute => return Ok(Some(no_route(probe))),
            Fault::TooLong => return Ok(Some(too_long(probe))),
            _ => {}
        }
        if let Some(reason) = self.gateway_missing(&host, probe)? {
            return Ok(Some(reason));
        }
        for end in &self.ends {
            if let Some(reason) = self.broken_wire(&host, end)? {
                return Ok(Some(reason));
            }
            if let Some(reason) = self.other_way(&host, end, probe)? {
                return Ok(Some(reason));
            }
        }
        if probe.is_forwarded(&self.promises.kind)
            && let Some(reason) = forwarding_off(probe.address)
        {
            return Ok(Some(reason));
        }
        if probe.aspect == Aspect::Mtu
            && let Some(reason) = self.narrow(&host, probe)?
        {
            return Ok(Some(reason));
        }
        self.dropped(probe)
    }

    /// The gateway's address is nobody's.
    fn gateway_missing(&self, host: &Rtnl, probe: &Probe) -> Result<Option<Reason>, Error> {
        let family_is = |address: &&IpAddr| {
            probe
                .address
                .is_none_or(|other| other.is_ipv6() == address.is_ipv6())
        };
        let uses_gateway = probe.aspect != Aspect::Neighbour && probe.aspect != Aspect::FromHost;
        let gateway = self.ends.first().and_then(|end| {
            let mut gateways = end.end.gateways.iter();
            gateways.find(family_is).copied()
        });
        let Some(gateway) = gateway.filter(|_| uses_gateway) else {
            return Ok(None);
        };
        let is_here = addresses(host)?.contains(&gateway);
        let on = match &self.promises.kind {
            Kind::Bridge { name, .. } => format!(" dev {name}"),
            Kind::PointToPoint => String::new(),
            _ => return Ok(None),
        };
        Ok((!is_here).then(|| {
            let why = format!("no interface of the host has the gateway's address {gateway}");
            let next = match &self.promises.kind {
                Kind::Bridge { is_gateway: false, name, .. } => format!(
                    "if the host is to be the gateway, give the network \"isGateway\": true; else see to it that \
                     {gateway} is on {name}, or correct \"gateway\" in its \"ipam\""
                ),
                _ => format!(
                    "somebody has removed it: `ip address add {gateway}/{}{on}`, or attach a container anew",
                    self.prefix_of(gateway)
                ),
            };
            (why, Some(next))
        }))
    }

    fn prefix_of(&self, gateway: IpAddr) -> u8 {
        let nets = self.ends.iter().flat_map(|end| &end.end.addresses);
        nets.into_iter()
            .find(|net| net.contains(&gateway))
            .map_or(if gateway.is_ipv4() { 32 } else { 128 }, |net| {
                net.prefix_len()
            })
    }

    /// A link between the container and the host that carries nothing.
    fn broken_wire(&self, host: &Rtnl, end: &EndAt<'_>) -> Result<Option<Reason>, Error> {
        let who = end.end.who;
        let inside = Rtnl::open_in(end.netns)?.link(end.ifname)?;
        if !inside.is_up() {
            let why = format!("{} in {who} is switched off", inside.name);
            return Ok(Some((why, None)));
        }
        let bridge = match &self.promises.kind {
            Kind::Bridge { name, .. } => Some(host.link(name)?),
            _ => None,
        };
        for name in end.host_links {
            let link = match host.link(name) {
                Ok(link) => link,
                Err(error) if error.is_not_found() => {
                    return Ok(Some((
                        format!("the host's end {name} of {who} is gone"),
                        None,
                    )));
                }
                Err(error) => return Err(error),
            };
            if !link.is_up() {
                return Ok(Some((
                    format!("the host's interface {name} is switched off"),
                    Some(format!("`ip link set {name} up`")),
                )));
            }
            // What shapes traffic is no port either.
            let is_port =
                |bridge: &Link| !link.is_kind("veth") || link.master == Some(bridge.index);
            if let Some(bridge) = bridge.as_ref().filter(|bridge| !is_port(bridge)) {
                return Ok(Some((
                    format!(
                        "the host's end {name} of {who} is no port of the bridge {}",
                        bridge.name
                    ),
                    Some(format!("`ip link set {name} master {}`", bridge.name)),
                )));
            }
        }
        Ok(None)
    }

    /// The host looks for the container somewhere else.
    fn other_way(
        &self,
        host: &Rtnl,
        end: &EndAt<'_>,
        probe: &Probe,
    ) -> Result<Option<Reason>, Error> {
        let Kind::Bridge {
            name,
            is_gateway: true,
            ..
        } = &self.promises.kind
        else {
            return Ok(None);
        };
        let bridge = host.link(name)?;
        for net in &end.end.addresses {
            let address = net.addr();
            if probe
                .address
                .is_some_and(|other| other.is_ipv6() != address.is_ipv6())
            {
                continue;
            }
            let route = host.route_to(address)?;
            let Some(link) = route.and_then(|route| route.link) else {
                continue;
            };
            if link != bridge.index
                && let Ok(other) = host.link_at(link)
            {
                return Ok(Some((
                    format!(
                        "the host's route to {address} leads to {}, not to {name}",
                        other.name
                    ),
                    Some(format!(
                        "two networks have the same subnet: see `ip route get {address}`, and give one of them another"
                    )),
                )));
            }
        }
        Ok(None)
    }

    /// A link on the way that is narrower than the container thinks.
    fn narrow(&self, host: &Rtnl, probe: &Probe) -> Result<Option<Reason>, Error> {
        let Way::Whole(mtu) = probe.way else {
            return Ok(None);
        };
        let names = self.ends.iter().flat_map(|end| end.host_links);
        for name in names {
            let link = host.link(name)?;
            if link.mtu < mtu {
                return Ok(Some((
                    format!(
                        "the host's interface {name} takes {} bytes at most, the container's sends {mtu}",
                        link.mtu
                    ),
                    Some(format!(
                        "`ip link set {name} mtu {mtu}`, or give the network an \"mtu\" of {}",
                        link.mtu
                    )),
                )));
            }
        }
        Ok(None)
    }

    /// A chain that drops by default what is on its way, or the answer.
    fn dropped(&self, probe: &Probe) -> Result<Option<Reason>, Error> {
        let protocol = match probe.address {
            Some(IpAddr::V6(_)) => Protocol::Ipv6,
            _ => Protocol::Ipv4,
        };
        if let Kind::Bridge { name, .. } = &self.promises.kind
            && matches!(probe.to, Who::First | Who::Second)
        {
            let found = chains::on_bridge(name)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        for hook in self.hooks(probe, protocol) {
            let found = chains::dropping(&hook, protocol, self.promises.admits)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The hooks that a probe and its answer come by.
    fn hooks(&self, probe: &Probe, protocol: Protocol) -> Vec<Hook> {
        let is_bridge = matches!(self.promises.kind, Kind::Bridge { .. });
        let between = probe.aspect == Aspect::Neighbour || probe.aspect == Aspect::Mtu;
        let is_host = |who| matches!(who, Who::Host | Who::Gateway);
        match (probe.from, probe.to) {
            (_, to) if is_host(to) => vec![Hook::Input, Hook::Output],
            (from, _) if is_host(from) => vec![Hook::Output, Hook::Input],
            _ if is_bridge && between && !chains::see_bridged(protocol) => Vec::new(),
            // With IPv6 the host is asked for its neighbours' addresses by packets, too.
            _ if protocol == Protocol::Ipv6 => vec![Hook::Forward, Hook::Input, Hook::Output],
            _ => vec![Hook::Forward],
        }
    }

    /// What to do where nothing was found.
    fn look_further(&self, probe: &Probe, fault: &Fault) -> Option<String> {
        let link = match (probe.aspect, &self.promises.kind) {
            (Aspect::Outside, _) => self.uplink.clone(),
            (_, Kind::Bridge { name, .. }) => name.clone(),
            _ => self.ends.first()?.host_links.first()?.clone(),
        };
        match fault {
            Fault::Silence(_) | Fault::Unreachable => Some(format!(
                "keep the containers with --keep and see where it ends: `tcpdump -ni {link}`, `nft monitor trace`"
            )),
            Fault::Prohibited | Fault::Refused => {
                Some("a rule on the host rejects it: see `nft list ruleset`".to_owned())
            }
            _ => None,
        }
    }

    /// Why a packet arrived with another source than it should.
    pub(crate) fn other_source(&self, probe: &Probe, seen: IpAddr, wanted: IpAddr) -> Reason {
        let why = format!("it arrives from {seen} instead of {wanted}");
        let sender = self.ends.iter().find(|end| end.end.who == probe.from);
        let is_own = sender.is_some_and(|end| {
            let mut nets = end.end.addresses.iter();
            nets.any(|net| net.addr() == seen)
        });
        match (probe.aspect, is_own) {
            (Aspect::Outside, true) => (
                format!("{why}: it is not masqueraded, though the network has \"ipMasq\""),
                Some(
                    "the rules were removed after ADD, as by a firewall that was loaded anew, or never come to pass: \
                     `linkspan reconcile` puts those of Linkspan's plugins back; containers of others are to be attached anew"
                        .to_owned(),
                ),
            ),
            _ => (
                format!("{why}: somebody translates it"),
                Some("see who does: `nft list ruleset`, or `iptables-save -t nat`".to_owned()),
            ),
        }
    }
}

fn happened(probe: &Probe, fault: &Fault) -> String {
    let to = probe.to;
    match fault {
        Fault::NoRoute => format!("{} knows no way", probe.from),
        Fault::Unreachable => "nobody answers for the address".to_owned(),
        Fault::Prohibited => "it is refused on the way".to_owned(),
        Fault::Refused => "the connection is refused".to_owned(),
        Fault::TooLong => "the packet is too large for the way".to_owned(),
        Fault::Silence(Some(true)) => {
            format!("it arrives at {to}, and the answer does not come back")
        }
        Fault::Silence(Some(false)) => format!("it does not arrive at {to}"),
        Fault::Silence(None) => "no answer".to_owned(),
        Fault::Other(words) => words.clone(),
    }
}

fn no_route(probe: &Probe) -> Reason {
    (
        "there is no route".to_owned(),
        Some(match probe.aspect {
            Aspect::Neighbour => "compare the prefix lengths of the containers' addresses".to_owned(),
            _ => "give the network's \"ipam\" a \"routes\": [{\"dst\": \"0.0.0.0/0\"}] (and ::/0), or the bridge \
                  \"isDefaultGateway\": true"
                .to_owned(),
        }),
    )
}

fn too_long(probe: &Probe) -> Reason {
    let mtu = match probe.way {
        Way::Whole(mtu) => mtu,
        _ => 0,
    };
    (
        format!("a link on the way takes less than {mtu} bytes"),
        Some("compare the \"mtu\" of the network with `ip link` on the host".to_owned()),
    )
}

/// The host passes on nothing.
fn forwarding_off(address: Option<IpAddr>) -> Option<Reason> {
    let (path, name) = match address {
        Some(IpAddr::V6(_)) => (
            "net/ipv6/conf/all/forwarding",
            "net.ipv6.conf.all.forwarding",
        ),
        _ => ("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
    };
    let value = sysctl::read(path).ok()?;
    (value.trim() == "0").then(|| {
        (
            format!("the host passes nothing on: {name} is 0"),
            Some(format!(
                "`sysctl -w {name}=1`, and the same in /etc/sysctl.d so that it stays"
            )),
        )
    })
}

/// Every address of the host.
pub(crate) fn addresses(host: &Rtnl) -> Result<Vec<IpAddr>, Error> {
    let mut addresses = Vec::new();
    for link in host.links_seen()? {
        match host.addresses(link.index) {
            Ok(found) => addresses.extend(found.iter().map(|address| address.net.addr())),
            // It has gone meanwhile.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(addresses)
}
