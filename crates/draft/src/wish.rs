//! What somebody wishes of a network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use linkspan_spec::{IfName, NetworkName, Version};

use crate::refusal::Refusal;

/// What a network is to be; what is left open is chosen.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Its name.
    pub name: Option<NetworkName>,
    /// What makes the containers' interfaces.
    pub kind: Kind,
    /// Ports of containers can be published.
    pub ports: bool,
    /// What containers send and get passes the host's firewall; where nothing is said, if the plugin is there.
    pub firewall: Option<bool>,
    /// Containers can be limited in bits per second.
    pub bandwidth: bool,
    /// The subnets, at most one of each family.
    pub subnets: Vec<IpNet>,
    /// The parts of them that containers get addresses of.
    pub ranges: Vec<Stretch>,
    /// The gateways in them.
    pub gateways: Vec<IpAddr>,
    /// Both families: a subnet of IPv4 and one of IPv6.
    pub ipv6: bool,
    /// Without a way to anywhere else.
    pub internal: bool,
    /// A DHCP server gives the addresses.
    pub dhcp: bool,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// The mode of a macvlan or ipvlan; the plugin's own where nothing is said.
    pub mode: Option<String>,
    /// The version of the configuration.
    pub version: Option<Version>,
}

/// What makes the containers' interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bridge of the host, of this name.
    Bridge(Option<IfName>),
    /// A pair of links for each container.
    Ptp,
    /// Links with MAC addresses of their own on a link of the host.
    Macvlan(String),
    /// Links with the MAC address of the host's link on which they are.
    Ipvlan(String),
    /// A VLAN on a link of the host, by its number.
    Vlan(String, u16),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Bridge(None)
    }
}

impl Kind {
    /// The plugin.
    pub fn plugin(&self) -> &'static str {
        match self {
            Self::Bridge(_) => "bridge",
            Self::Ptp => "ptp",
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
            Self::Vlan(..) => "vlan",
        }
    }

    /// The link of the host that it is on.
    pub fn master(&self) -> Option<&str> {
        match self {
            Self::Bridge(_) | Self::Ptp => None,
            Self::Macvlan(master) | Self::Ipvlan(master) | Self::Vlan(master, _) => Some(master),
        }
    }
}

/// Addresses that follow each other: `FIRST-LAST`, or a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
}

impl Stretch {
    /// Whether an address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first <= address && address <= self.last && self.first.is_ipv4() == address.is_ipv4()
    }
}

impl FromStr for Stretch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(net) = text.parse::<IpNet>() {
            let (first, last) = (net.network(), net.broadcast());
            return Ok(Self { first, last });
        }
        let ends = text.split_once('-').and_then(|(first, last)| {
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        });
        match ends {
            Some((first, last)) if first > last => Err(format!("{first} is behind {last}")),
            Some((first, last)) if IpAddr::is_ipv4(&first) == IpAddr::is_ipv4(&last) => {
                Ok(Self { first, last })
            }
            _ => Err("write FIRST-LAST, such as 10.90.0.10-10.90.0.99, or a prefix".to_owned()),
        }
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Wish {
    /// What cannot be together.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let kind = self.kind.plugin();
        let is_on_master = self.kind.master().is_some();
        let no = |words: String, next: &str| Err(Refusal::contradiction(words, next));
        if self.dhcp
            && !(self.subnets.is_empty()
                && self.ranges.is_empty()
                && self.gateways.is_empty()
                && !self.ipv6)
        {
            return no(
                "a DHCP server gives addresses of its own: subnets, ranges and gateways cannot be chosen beside it".to_owned(),
                "Leave out --dhcp, or --subnet, --range, --gateway and --ipv6.",
            );
        }
        if self.dhcp && matches!(self.kind, Kind::Ptp | Kind::Ipvlan(_)) {
            let why = match self.kind {
                Kind::Ptp => {
                    "at the other end of a pair of links is the host alone, and no DHCP server"
                }
                _ => {
                    "the containers of an ipvlan share one MAC address, by which DHCP servers tell their clients apart"
                }
            };
            return no(
                format!("{kind} does not go with --dhcp: {why}"),
                "Use --macvlan, --vlan or the bridge of a network card, or name a --subnet.",
            );
        }
        if self.internal && self.ports {
            return no(
                "an internal network has no way in: no port of it can be published".to_owned(),
                "Leave out --internal or --ports.",
            );
        }
        if self.internal && !self.gateways.is_empty() {
            return no(
                "an internal network has no way out: it has no gateway".to_owned(),
                "Leave out --internal or --gateway.",
            );
        }
        if is_on_master && (self.ports || self.bandwidth || self.firewall == Some(true)) {
            let (flag, plugin) = match (self.ports, self.bandwidth) {
                (true, _) => ("--ports", "portmap"),
                (false, true) => ("--bandwidth", "bandwidth"),
                (false, false) => ("--firewall", "firewall"),
            };
            return no(
                format!(
                    "{flag} does not go with {kind}: its packets go to the wire past the host, where {plugin} would act on them"
                ),
                "Use a bridge (--bridge) or pairs of links (--ptp).",
            );
        }
        if let (Some(mode), Kind::Bridge(_) | Kind::Ptp | Kind::Vlan(..)) = (&self.mode, &self.kind)
        {
            return no(
                format!("{kind} has no mode {mode:?}"),
                "Modes are of --macvlan and --ipvlan.",
            );
        }
        if let Some(net) = self.subnets.iter().find(|net| net.addr() != net.network()) {
            return no(
                format!("{net} is an address of the subnet {}", net.trunc()),
                &format!("Write --subnet {}.", net.trunc()),
            );
        }
        for is_ipv4 in [true, false] {
            let of_family = self
                .subnets
                .iter()
                .filter(|net| net.addr().is_ipv4() == is_ipv4);
            if of_family.count() > 1 {
                return no(
                    "a container gets one address of each family, so there is one subnet of each"
                        .to_owned(),
                    "Name one subnet of IPv4, one of IPv6, or both.",
                );
            }
        }
        Ok(())
    }
}
