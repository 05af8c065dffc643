//! A plan in words.

use std::fmt;

use super::{LinkRef, Place, Plan, Step};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:2}. {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for LinkRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Host => write!(f, "{:?}", self.name),
            Place::Container => write!(f, "{:?} in the container", self.name),
        }
    }
}

/// What the step does, as it stands after "cannot" or in a list.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge(bridge) => {
                write!(f, "use or create the bridge {:?}", bridge.name.as_str())
            }
            Self::VethPair(pair) => {
                let (host, inside) = (pair.host.name.as_str(), pair.container.name.as_str());
                write!(
                    f,
                    "create the link {host:?} and its other end {inside:?} in the container"
                )?;
                match &pair.master {
                    Some(master) => write!(f, ", a port of {:?}", master.as_str()),
                    None => Ok(()),
                }
            }
            Self::ContainerLink(link) => write!(f, "create {link}"),
            Self::Device(device) => device.fmt(f),
            Self::Tap(tap) => tap.fmt(f),
            Self::Settings(link, settings) => write!(f, "{settings} {link}"),
            Self::PortVlans(port, vlans) => {
                write!(
                    f,
                    "let VLANs pass {port}: native {:?}, tagged {:?}",
                    vlans.native, vlans.tagged
                )
            }
            Self::Sysctl(sysctl) => write!(f, "set {} to {}", sysctl.path, sysctl.value),
            Self::Address(link, address) => {
                write!(f, "add the address {} to {link}", address.address)
            }
            Self::VlanInterface(wanted) => {
                let (name, bridge) = (wanted.name.as_str(), wanted.bridge.as_str());
                write!(f, "use or create {name:?}, the interface of {bridge:?} in ")?;
                match wanted.vlans.native {
                    Some(vlan) => write!(f, "VLAN {vlan}"),
                    None => f.write_str("no VLAN"),
                }
            }
            Self::Gateway(link, gateway) => {
                write!(
                    f,
                    "have {link} hold the gateway's address {}",
                    gateway.address
                )
            }
            Self::Route(link, route) => {
                write!(f, "add the route to {}", route.dst)?;
                match route.gw {
                    Some(gateway) => write!(f, " via {gateway} on {link}"),
                    None => write!(f, " on {link}"),
                }
            }
            Self::PointToPoint(link, wanted) => {
                let (subnet, gateway) = (wanted.address.trunc(), wanted.gateway);
                write!(f, "reach {subnet} through {gateway} alone on {link}")
            }
            Self::Vrf(wanted) => wanted.fmt(f),
            Self::Carry(link, carry) => carry.describe(link, f),
            Self::Routing(_, routing) => routing.fmt(f),
            Self::AwaitAddresses(link) => {
                write!(f, "wait until the addresses of {link} are usable")
            }
            Self::AwaitRunning(link) => write!(f, "wait until {link} carries traffic"),
            Self::Announce(link, addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                write!(f, "announce {} on {link}", addresses.join(", "))
            }
            Self::Ifb(wanted) => wanted.fmt(f),
            Self::Shape(link, shape) => write!(f, "limit what {link} sends to {shape}"),
            Self::Redirect(from, to) => write!(f, "redirect what {from} receives to {to}"),
            Self::Netfilter(attachment) => attachment.fmt(f),
        }
    }
}
