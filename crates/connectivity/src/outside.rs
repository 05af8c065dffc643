//! What plays the world outside: a namespace at the other end of a pair of interfaces of the host.
//!
//! Its addresses are of the documentation ranges (RFC 5737, RFC 3849), which nobody has, and of those a subnet that the host
//! has no route to: so nothing that is sent there can go anywhere else, and nothing else goes there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use linkspan_kernel::Error;
use linkspan_kernel::monitor::Monitor;
use linkspan_kernel::rtnl::{
    Address, Change, Kind, LinkChange, NewLink, Peer, Route, RouteFilter, Rtnl,
};

use crate::Run;
use crate::place::Place;

/// The ranges of RFC 5737.
const DOCUMENTATION: [Ipv4Addr; 3] = [
    Ipv4Addr::new(192, 0, 2, 0),
    Ipv4Addr::new(198, 51, 100, 0),
    Ipv4Addr::new(203, 0, 113, 0),
];
/// Subnets of two addresses in one of them.
const SUBNETS: u32 = 64;
/// Routes to so much of the address space are ways out, and do not lead to these addresses.
const BROAD: u8 = 7;

/// How long its interfaces may take until they carry traffic; the kernel looks every second.
const PATIENCE: Duration = Duration::from_secs(5);

/// The far end's interface.
const FAR: &str = "eth0";

/// The two addresses of a subnet, as the host has them and the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The host's.
    pub host: IpAddr,
    /// That of what plays the world outside.
    pub outside: IpAddr,
    /// The length of their prefix.
    bits: u8,
}

impl Wire {
    /// One between two addresses, for tests of what is made of it.
    #[cfg(test)]
    pub(crate) fn of(host: IpAddr, outside: IpAddr) -> Self {
        let bits = 30;
        Self {
            host,
            outside,
            bits,
        }
    }

    fn of_v4(taken: &[IpNet], seed: u32) -> Option<Self> {
        let subnets = DOCUMENTATION.into_iter().flat_map(|range| {
            (0..SUBNETS).map(move |number| u32::from(range) + (number + seed) % SUBNETS * 4)
        });
        let mut nets = subnets.filter_map(|first| Ipv4Net::new(first.into(), 30).ok());
        let free = nets.find(|net| is_free(IpNet::V4(*net), taken))?;
        let first = u32::from(free.network());
        Some(Self {
            host: Ipv4Addr::from(first + 1).into(),
            outside: Ipv4Addr::from(first + 2).into(),
            bits: 30,
        })
    }

    fn of_v6(taken: &[IpNet], seed: u32) -> Option<Self> {
        let mut nets = (0..=u16::MAX).filter_map(|number| {
            let third = number.wrapping_add(seed as u16);
            Ipv6Net::new(Ipv6Addr::new(0x2001, 0xdb8, third, 0, 0, 0, 0, 0), 64).ok()
        });
        let free = nets.find(|net| is_free(IpNet::V6(*net), taken))?;
        let first = u128::from(free.network());
        Some(Self {
            host: Ipv6Addr::from(first + 1).into(),
            outside: Ipv6Addr::from(first + 2).into(),
            bits: 64,
        })
    }

    fn address(self, address: IpAddr) -> Result<Address, Error> {
        let net = IpNet::new(address, self.bits).map_err(|error| {
            Error::new("use", address.to_string(), std::io::Error::other(error))
        })?;
        Ok(Address::new(net))
    }
}

fn is_free(net: IpNet, taken: &[IpNet]) -> bool {
    let overlaps = |other: &IpNet| other.contains(&net) || net.contains(other);
    !taken
        .iter()
        .any(|other| other.prefix_len() > BROAD && overlaps(other))
}

/// The namespace, and how it is wired to the host.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) place: Place,
    pub(crate) wires: Vec<Wire>,
}

impl Outside {
    /// Makes it, with an address of each of the families, and an MTU that packets of the network fit into.
    pub(crate) fn make(
        run: Run,
        network: &str,
        families: [bool; 2],
        mtu: u32,
        taken: &[IpNet],
    ) -> Result<Self, Error> {
        let host = Rtnl::open()?;
        let routes = host.routes(RouteFilter::default())?.into_iter();
        let mut nets: Vec<_> = routes.map(|route| route.destination.trunc()).collect();
        nets.extend_from_slice(taken);
        let [v4, v6] = families;
        let wires = [
            v4.then(|| Wire::of_v4(&nets, run.pid)).flatten(),
            v6.then(|| Wire::of_v6(&nets, run.pid)).flatten(),
        ];
        let outside = Self {
            place: Place::make(run, &run.namespace("outside", network))?,
            wires: wires.into_iter().flatten().collect(),
        };
        outside.connect(&host, run, mtu)?;
        Ok(outside)
    }

    fn connect(&self, host: &Rtnl, run: Run, mtu: u32) -> Result<(), Error> {
        let mut far = Peer::new(FAR).inside(self.place.netns.as_fd());
        far.mtu = Some(mtu);
        let mut link = NewLink::new(run.interface(), Kind::Veth(far));
        (link.mtu, link.up) = (Some(mtu), true);
        let near = host.create_link(&link)?.index;
        let there = Rtnl::open_in(&self.place.netns)?;
        let far = there.link(FAR)?.index;
        let monitors = [
            (Monitor::open()?, host, near),
            (Monitor::open_in(&self.place.netns)?, &there, far),
        ];
        there.change(Change::SetLink(far, LinkChange::up()))?;
        for wire in &self.wires {
            host.change(Change::AddAddress(near, wire.address(wire.host)?))?;
            there.change(Change::AddAddress(far, wire.address(wire.outside)?))?;
            // It knows the way back to containers, so that what arrives without masquerade is answered as well: who was
            // seen there is compared, which tells more than silence.
            let everywhere = match wire.host {
                IpAddr::V4(_) => IpNet::from(Ipv4Net::default()),
                IpAddr::V6(_) => IpNet::from(Ipv6Net::default()),
            };
            there.change(Change::AddRoute(Route::new(
                everywhere,
                Some(wire.host),
                far,
            )))?;
        }
        // The kernel has addresses of IPv6 wait until the link carries traffic, which it notices later.
        for (monitor, rtnl, link) in monitors {
            monitor.await_running(rtnl, link, PATIENCE)?;
            monitor.await_addresses(rtnl, link, PATIENCE)?;
        }
        Ok(())
    }
}

/// Removes the host's interface towards the outside. With a kept run it stays.
pub(crate) fn disconnect(run: Run) {
    if let Ok(rtnl) = Rtnl::open() {
        // It is gone where the other end's namespace was faster.
        let _ = rtnl.delete_link(&run.interface());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_are_those_that_the_host_has_no_route_to() {
        for (taken, seed, host) in [
            (nets(&[]), 0, "192.0.2.1"),
            (nets(&[]), 65, "192.0.2.5"),
            (nets(&["0.0.0.0/0", "128.0.0.0/1"]), 0, "192.0.2.1"),
            (nets(&["192.0.2.2/32"]), 0, "192.0.2.5"),
            (nets(&["192.0.2.0/24"]), 0, "198.51.100.1"),
            (
                nets(&["192.0.0.0/8", "198.51.100.0/24"]),
                63,
                "203.0.113.253",
            ),
        ] {
            let wire = Wire::of_v4(&taken, seed).unwrap();
            assert_eq!(wire.host.to_string(), host, "{taken:?}");
        }
        let all = nets(&["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]);
        assert_eq!(Wire::of_v4(&all, 0), None);
        let wire = Wire::of_v6(&nets(&["2001:db8:7::/48", "::/0"]), 7).unwrap();
        assert_eq!(wire.outside.to_string(), "2001:db8:8::2");
        assert_eq!(Wire::of_v6(&nets(&["2001:db8::/32"]), 7), None);
    }
}
