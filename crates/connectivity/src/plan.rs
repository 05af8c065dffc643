//! Which packets are sent: of a network's promises, the results of ADD and what the kernel says, a list of probes. Pure
//! functions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::check::{Aspect, Expected, Who};
use crate::outside::Wire;
use crate::probe::{CONTAINER_PORT, End, Facts, NextHop, Probe, Way};
use crate::promise::{Kind, Neighbours, Promises, Published};
use crate::trip::Transport;

/// The probes of a network, in the order in which they are told.
pub fn plan(promises: &Promises, ends: &[End], facts: &Facts) -> Vec<Probe> {
    let Some(first) = ends.first() else {
        return Vec::new();
    };
    let planner = Planner {
        promises,
        first,
        second: ends.get(1),
        facts,
    };
    let mut probes = Vec::new();
    for aspect in [
        Planner::neighbours,
        Planner::gateway,
        Planner::host_to_container,
        Planner::container_to_host,
        Planner::outside,
        Planner::world,
        Planner::published,
        Planner::mtu,
    ] {
        for family in [0, 1] {
            if let Some(address) = first.address(family) {
                aspect(&planner, family, address, &mut probes);
            }
        }
    }
    planner.limits(&mut probes);
    probes
}

struct Planner<'a> {
    promises: &'a Promises,
    first: &'a End,
    second: Option<&'a End>,
    facts: &'a Facts,
}

impl Planner<'_> {
    fn neighbours(&self, family: usize, first: IpAddr, probes: &mut Vec<Probe>) {
        let probe = |from, to, address| Probe::new(Aspect::Neighbour, from, to, Some(address));
        let Some(second) = self.second.and_then(|second| second.address(family)) else {
            let why = match (self.promises.single, family) {
                (Some(why), 0) => why,
                _ => return,
            };
            let skipped = Probe::new(Aspect::Neighbour, Who::First, Who::Second, None);
            return probes.push(skipped.skipped(why));
        };
        let there = probe(Who::First, Who::Second, second);
        let back = probe(Who::Second, Who::First, first);
        match self.promises.neighbours {
            Neighbours::Reached => {
                probes.extend([there.seen_as(Some(first)), back.seen_as(Some(second))])
            }
            Neighbours::Apart(_) => probes.extend([there, back].map(|probe| Probe {
                expected: Expected::Blocked,
                ..probe
            })),
            Neighbours::Unpromised(why) => probes.push(there.skipped(why)),
        }
    }

    fn gateway(&self, family: usize, first: IpAddr, probes: &mut Vec<Probe>) {
        let Some(gateway) = self.first.gateway(family) else {
            return;
        };
        let probe = Probe::new(Aspect::Gateway, Who::First, Who::Gateway, Some(gateway))
            .seen_as(Some(first));
        // On a bridge that leads nowhere else the packet stays on the host, whoever has the address.
        let stays = match &self.promises.kind {
            Kind::Bridge { .. } => !self.facts.leads_on,
            Kind::PointToPoint => true,
            _ => false,
        };
        let is_here = self.facts.host_addresses.contains(&gateway);
        let is_used = self.first.next_hops[family] != NextHop::None;
        probes.push(match (is_here, stays) {
            // The host's own address beyond the master is as far as the host's others.
            (true, _) => match self.apart(family) {
                Some(why) => probe.skipped(why),
                None => probe,
            },
            (false, true) if is_used || self.has_gateway() => probe,
            (false, true) => {
                probe.skipped("the network has no gateway: nobody has it, and no route leads there")
            }
            (false, false) => probe.skipped(format!(
                "it is not on this host, and nothing is sent beyond it unasked: --outside {gateway} does"
            )),
        });
    }

    /// Whether the host is to have the gateway's address.
    fn has_gateway(&self) -> bool {
        match self.promises.kind {
            Kind::Bridge { is_gateway, .. } => is_gateway,
            _ => true,
        }
    }

    /// Whether what is led back to the container that it came from is lost on the way.
    fn lacks_hairpin(&self, family: usize) -> bool {
        let is_hairpin = match self.promises.kind {
            Kind::Bridge { is_hairpin, .. } => is_hairpin,
            _ => true,
        };
        self.facts.filters_bridged[family] && !is_hairpin
    }

    /// Why host and container need not reach each other.
    fn apart(&self, family: usize) -> Option<String> {
        let has_address = |net: IpNet| {
            let mut addresses = self.facts.host_addresses.iter();
            addresses.any(|address| net.contains(address))
        };
        match &self.promises.kind {
            Kind::OnMaster(plugin) => Some(format!(
                "{plugin} keeps a container and its own host apart: what it sends leaves by the master"
            )),
            Kind::Closed(plugin) => Some(format!("{plugin} leads nowhere")),
            Kind::Bridge {
                name,
                is_gateway: false,
                ..
            } if !self.first.net(family).is_some_and(has_address) => Some(format!(
                "the network has no \"isGateway\": the host has no address of it on {name}"
            )),
            _ => None,
        }
    }

    fn host_to_container(&self, family: usize, first: IpAddr, probes: &mut Vec<Probe>) {
        let probe = Probe::new(Aspect::FromHost, Who::Host, Who::First, Some(first));
        probes.push(match self.apart(family) {
            Some(why) => probe.skipped(why),
            None => probe,
        });
    }

    /// Why the host's other addresses, and what lies behind it, need not be reached by a container.
    fn cut_off(&self, end: &End, family: usize) -> Option<String> {
        if let Some(why) = self.apart(family) {
            return Some(why);
        }
        let who = end.who;
        match end.next_hops[family] {
            NextHop::Host => None,
            NextHop::None => Some(format!("the network gives {who} no route there")),
            NextHop::Beyond(None) => Some(format!(
                "{who} looks for it on its own link, not by the host"
            )),
            NextHop::Beyond(Some(hop)) => Some(format!(
                "{who} sends it to {hop}, which is not on this host; nothing is sent there unasked"
            )),
        }
    }

    fn container_to_host(&self, family: usize, first: IpAddr, probes: &mut Vec<Probe>) {
        let Some(wire) = self.facts.wire(family) else {
            return;
        };
        let probe = Probe::new(Aspect::ToHost, Who::First, Who::Host, Some(wire.host));
        probes.push(match self.cut_off(self.first, family) {
            Some(why) => probe.skipped(why),
            None => probe.seen_as(Some(first)),
        });
    }

    fn outside(&self, family: usize, first: IpAddr, probes: &mut Vec<Probe>) {
        let Some(wire) = self.facts.wire(family) else {
            return;
        };
        let probe = Probe::new(
            Aspect::Outside,
            Who::First,
            Who::Outside,
            Some(wire.outside),
        );
        probes.push(match self.cut_off(self.first, family) {
            Some(why) => probe.skipped(why),
            None => probe.seen_as(
                self.promises.masquerades.map(
                    |masquerades| {
                        if masquerades { wire.host } else { first }
                    },
                ),
            ),
        });
    }

    /// What somebody asked for is tried, whatever is promised.
    fn world(&self, family: usize, _: IpAddr, probes: &mut Vec<Probe>) {
        let of_family = |(address, _): &&(IpAddr, _)| usize::from(address.is_ipv6()) == family;
        for (address, port) in self.facts.world.iter().filter(of_family) {
            let mut probe = Probe::new(Aspect::Outside, Who::First, Who::World, Some(*address));
            if let Some(port) = port {
                probe = probe.way(Way::Talk(Transport::Tcp, *port));
                probe.port = Some(*port);
            }
            probes.push(probe);
        }
    }

    fn published(&self, family: usize, _: IpAddr, probes: &mut Vec<Probe>) {
        let (Some(published), Some(wire)) = (self.promises.published, self.facts.wire(family))
        else {
            return;
        };
        for transport in [Transport::Tcp, Transport::Udp] {
            for (from, address) in self.publications(family, wire) {
                let mut probe = Probe::new(Aspect::Published, from, Who::First, Some(address))
                    .way(Way::Talk(transport, CONTAINER_PORT));
                probe.port = Some(self.facts.host_port);
                if from == Who::Outside && !published.masquerades_all {
                    probe = probe.seen_as(Some(wire.outside));
                }
                probes.push(match self.unpublished(published, from, family, address) {
                    Some(why) => probe.skipped(why),
                    None => probe,
                });
            }
        }
    }

    /// Who connects, and to which address of the host.
    fn publications(&self, family: usize, wire: Wire) -> Vec<(Who, IpAddr)> {
        let loopback: IpAddr = match family {
            0 => Ipv4Addr::LOCALHOST.into(),
            _ => Ipv6Addr::LOCALHOST.into(),
        };
        let mut from = vec![
            (Who::Outside, wire.host),
            (Who::Host, wire.host),
            (Who::Host, loopback),
            (Who::First, wire.host),
        ];
        from.extend(self.second.map(|second| (second.who, wire.host)));
        from
    }

    /// Why a published port need not be reached.
    fn unpublished(
        &self,
        published: Published,
        from: Who,
        family: usize,
        address: IpAddr,
    ) -> Option<String> {
        if published.conditions[family] {
            let key = ["conditionsV4", "conditionsV6"][family];
            return Some(format!("\"{key}\" of portmap says who may connect"));
        }
        if let Some(why) = self.apart(family) {
            return Some(why);
        }
        let end = match from {
            Who::First => Some(self.first),
            Who::Second => self.second,
            _ => None,
        };
        let without_snat = || {
            let words = "\"snat\" of portmap is off: answers would not come back through the host";
            (!published.snat).then(|| words.to_owned())
        };
        match end {
            None if address == IpAddr::V6(Ipv6Addr::LOCALHOST) => Some(
                "the kernel lets nothing from ::1 leave the host; connect to 127.0.0.1 or to another address"
                    .to_owned(),
            ),
            None if address.is_loopback() => without_snat(),
            None if !published.masquerades_all
                && matches!(self.first.next_hops[family], NextHop::None) =>
            {
                Some(format!(
                    "the network gives {} no route there, so that its answers would get nowhere",
                    self.first.who
                ))
            }
            None => None,
            Some(_) if published.isolated => Some(
                "the \"ingressPolicy\" isolated of firewall keeps it from going back to the bridge".to_owned(),
            ),
            Some(end) if end.who == Who::First && self.lacks_hairpin(family) => Some(
                "the bridge has no \"hairpinMode\": with br_netfilter, which is on here, what is led back to where it came \
                 from needs it"
                    .to_owned(),
            ),
            Some(end) => without_snat().or_else(|| self.cut_off(end, family)),
        }
    }

    /// To the neighbour, or else to the gateway.
    fn mtu(&self, family: usize, _: IpAddr, probes: &mut Vec<Probe>) {
        let reached = self.promises.neighbours == Neighbours::Reached;
        let second = self.second.filter(|_| reached);
        let second = second.and_then(|second| Some((Who::Second, second.address(family)?)));
        let here = |address: &IpAddr| self.facts.host_addresses.contains(address);
        let gateway = self.first.gateway(family).filter(here);
        let target = second.or(gateway.map(|gateway| (Who::Gateway, gateway)));
        if let Some((to, address)) = target {
            let probe = Probe::new(Aspect::Mtu, Who::First, to, Some(address));
            probes.push(probe.way(Way::Whole(self.first.mtu)));
        }
    }

    /// With the host, by the first family that there is.
    fn limits(&self, probes: &mut Vec<Probe>) {
        let Some((family, address)) = [0, 1]
            .into_iter()
            .find_map(|family| Some((family, self.first.address(family)?)))
        else {
            return;
        };
        let [ingress, egress] = self.promises.limits;
        let ways = [
            (ingress, Who::Host, Who::First),
            (egress, Who::First, Who::Host),
        ];
        for (limit, from, to) in ways {
            let Some(limit) = limit else { continue };
            let probe = Probe::new(Aspect::Limit, from, to, Some(address)).way(Way::Rate(limit));
            let some = "only some traffic is limited, by \"shapedSubnets\" or \"unshapedSubnets\"";
            let obstacle = match self.promises.limits_some {
                true => Some(some.to_owned()),
                false => self.apart(family),
            };
            probes.push(match obstacle {
                Some(why) => probe.skipped(why),
                None => probe,
            });
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
