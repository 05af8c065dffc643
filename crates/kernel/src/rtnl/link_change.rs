//! Changing links.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use linkspan_netlink::{AttributeWriter, Request};

use super::CHANGE;
use super::link::{IFLA_BRPORT_ISOLATED, IFLA_BRPORT_MODE, header};

/// `IFLA_INET_CONF`, linux/if_link.h: in `AF_INET` of `IFLA_AF_SPEC`.
const IFLA_INET_CONF: u16 = 1;
/// `IPV4_DEVCONF_ARP_NOTIFY`, linux/ip.h.
const IPV4_DEVCONF_ARP_NOTIFY: u16 = 22;

/// Settings of a link to be changed in one request; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct LinkChange {
    /// Switched on or off.
    pub up: Option<bool>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// The hardware address.
    pub mac: Option<[u8; 6]>,
    /// A new name.
    pub name: Option<String>,
    /// The index of the bridge, bond or vrf that it becomes part of; 0: of none.
    pub master: Option<u32>,
    /// The namespace that it moves to. The descriptor is open until the request was sent.
    pub netns: Option<RawFd>,
    /// A text written on it; empty removes it.
    pub alias: Option<String>,
    /// It takes every frame.
    pub promisc: Option<bool>,
    /// It takes every multicast frame.
    pub allmulti: Option<bool>,
    /// Packets.
    pub tx_queue_len: Option<u32>,
    /// The number of the group that it becomes part of.
    pub group: Option<u32>,
    /// A gratuitous ARP tells neighbours of each of its IPv4 addresses when it is switched on or is given a
    /// MAC address from then on (`arp_notify`; the kernel switches it on first, in the same change).
    pub announced: Option<bool>,
    /// As a bridge port.
    pub port: Option<PortChange>,
}

/// Settings of a bridge port.
#[derive(Clone, Copy, Debug, Default)]
pub struct PortChange {
    /// It sends frames back out.
    pub hairpin: Option<bool>,
    /// It does not talk to other isolated ports.
    pub isolated: Option<bool>,
}

impl LinkChange {
    /// Switches a link on.
    pub fn up() -> Self {
        Self {
            up: Some(true),
            ..Self::default()
        }
    }

    /// Switches a link off.
    pub fn down() -> Self {
        Self {
            up: Some(false),
            ..Self::default()
        }
    }

    /// Moves it to another namespace.
    #[must_use]
    pub fn moved_to(mut self, netns: BorrowedFd<'_>) -> Self {
        self.netns = Some(netns.as_raw_fd());
        self
    }

    pub(super) fn request(&self, index: u32) -> Request {
        let mut request = self.begin(index);
        self.write(&mut request);
        request
    }

    /// To the link of this name, which stays its name.
    pub(super) fn request_named(&self, name: &str) -> Request {
        let mut request = self.begin(0);
        request.string(libc::IFLA_IFNAME, name);
        self.write(&mut request);
        request
    }

    fn begin(&self, index: u32) -> Request {
        let mut request = Request::new(libc::RTM_NEWLINK, CHANGE);
        let flags = [
            (libc::IFF_UP, self.up),
            (libc::IFF_PROMISC, self.promisc),
            (libc::IFF_ALLMULTI, self.allmulti),
        ];
        let (mut set, mut mask) = (0, 0);
        for (flag, value) in flags {
            mask |= value.map_or(0, |_| flag as u32);
            set |= value.map_or(0, |on| if on { flag as u32 } else { 0 });
        }
        request.header(&header(index, set, mask));
        request
    }

    fn write(&self, request: &mut AttributeWriter) {
        let numbers = [
            (libc::IFLA_MTU, self.mtu),
            (libc::IFLA_MASTER, self.master),
            (libc::IFLA_TXQLEN, self.tx_queue_len),
            (libc::IFLA_GROUP, self.group),
            (libc::IFLA_NET_NS_FD, self.netns.map(|fd| fd as u32)),
        ];
        for (kind, number) in numbers {
            number.map(|number| request.u32(kind, number));
        }
        self.mac.map(|mac| request.bytes(libc::IFLA_ADDRESS, &mac));
        self.name
            .as_ref()
            .map(|name| request.string(libc::IFLA_IFNAME, name));
        self.alias
            .as_ref()
            .map(|alias| request.bytes(libc::IFLA_IFALIAS, alias.as_bytes()));
        if let Some(on) = self.announced {
            request.nest(libc::IFLA_AF_SPEC, |families| {
                families.nest(libc::AF_INET as u16, |ipv4| {
                    ipv4.nest(IFLA_INET_CONF, |parameters| {
                        parameters.u32(IPV4_DEVCONF_ARP_NOTIFY, on.into());
                    });
                });
            });
        }
        if let Some(port) = self.port {
            request.nest(libc::IFLA_LINKINFO, |info| {
                info.string(libc::IFLA_INFO_SLAVE_KIND, "bridge");
                info.nest(libc::IFLA_INFO_SLAVE_DATA, |data| {
                    port.hairpin.map(|on| data.u8(IFLA_BRPORT_MODE, on.into()));
                    port.isolated
                        .map(|on| data.u8(IFLA_BRPORT_ISOLATED, on.into()));
                });
            });
        }
    }
}

impl fmt::Display for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        let on_off = |on: bool| if on { "on" } else { "off" };
        words.extend(self.up.map(|up| format!("switched {}", on_off(up))));
        words.extend(self.mtu.map(|mtu| format!("MTU {mtu}")));
        words.extend(self.mac.map(|mac| format!("MAC address {}", mac_text(mac))));
        words.extend(self.name.as_ref().map(|name| format!("name {name:?}")));
        words.extend(self.master.map(|master| format!("master {master}")));
        words.extend(self.netns.map(|_| "another namespace".to_owned()));
        words.extend(self.alias.as_ref().map(|alias| format!("alias {alias:?}")));
        words.extend(
            self.promisc
                .map(|on| format!("promiscuous mode {}", on_off(on))),
        );
        words.extend(
            self.allmulti
                .map(|on| format!("all multicast {}", on_off(on))),
        );
        words.extend(self.tx_queue_len.map(|len| format!("transmit queue {len}")));
        words.extend(self.group.map(|group| format!("group {group}")));
        words.extend(
            self.announced
                .map(|on| format!("gratuitous ARP {}", on_off(on))),
        );
        words.extend(self.port.map(|_| "bridge port settings".to_owned()));
        write!(f, "set {} of", words.join(", "))
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
