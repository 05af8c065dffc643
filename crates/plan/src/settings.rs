//! Settings of a link: in words, as a request, put back, and compared.

use std::fmt;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Change, Link, LinkChange, PortChange};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, MacAddr};

use crate::difference::{self, Difference, unless};
use crate::fault::{explain_step, gone};
use crate::foresee::Outlook;
use crate::link::On;
use crate::namespaces::Namespaces;
use crate::object::Object;
use crate::send::{self, Batch, Sent};

/// Settings of a link; what is `None` or `false` stays as it is. Those that replace a value (from `mac` on)
/// are put back when ADD fails; the others are of links that then go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// It is switched on.
    pub up: bool,
    /// As a bridge port, it sends frames back out.
    pub hairpin: bool,
    /// As a bridge port, it does not talk to other isolated ports.
    pub isolated: bool,
    /// Neighbours are told its IPv4 addresses when it is switched on or is given a MAC address later.
    pub announced: bool,
    /// The hardware address.
    pub mac: Option<MacAddr>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// It takes every frame.
    pub promisc: Option<bool>,
    /// It takes every multicast frame.
    pub allmulti: Option<bool>,
    /// The length of its transmit queue, in packets.
    pub tx_queue_len: Option<u32>,
}

/// `IFF_PROMISC`, linux/if.h.
pub(crate) const IFF_PROMISC: u32 = 0x100;

/// `IFF_ALLMULTI`, linux/if.h.
const IFF_ALLMULTI: u32 = 0x200;

impl Settings {
    /// Switches a link on.
    pub fn up() -> Self {
        Self {
            up: true,
            ..Self::default()
        }
    }

    /// The request that makes a link so.
    fn change(&self) -> LinkChange {
        let port = PortChange {
            hairpin: self.hairpin.then_some(true),
            isolated: self.isolated.then_some(true),
        };
        LinkChange {
            up: self.up.then_some(true),
            port: (self.hairpin || self.isolated).then_some(port),
            mac: self.mac.map(MacAddr::octets),
            mtu: self.mtu,
            promisc: self.promisc,
            allmulti: self.allmulti,
            tx_queue_len: self.tx_queue_len,
            announced: self.announced.then_some(true),
            ..LinkChange::default()
        }
    }

    /// Of these settings, those that a link has which replace a value.
    pub fn of(&self, link: &Link) -> Self {
        let flag = |wanted: Option<bool>, flag| wanted.map(|_| link.flags & flag != 0);
        Self {
            mac: self.mac.and(link.mac).map(MacAddr::new),
            mtu: self.mtu.map(|_| link.mtu),
            promisc: flag(self.promisc, IFF_PROMISC),
            allmulti: flag(self.allmulti, IFF_ALLMULTI),
            tx_queue_len: self.tx_queue_len.map(|_| link.tx_queue_len),
            ..Self::default()
        }
    }

    /// These, and of others those that replace a value which these leave.
    #[must_use]
    pub fn beside(self, other: Option<Self>) -> Self {
        let other = other.unwrap_or_default();
        Self {
            mac: self.mac.or(other.mac),
            mtu: self.mtu.or(other.mtu),
            promisc: self.promisc.or(other.promisc),
            allmulti: self.allmulti.or(other.allmulti),
            tx_queue_len: self.tx_queue_len.or(other.tx_queue_len),
            ..self
        }
    }
}

impl Settings {
    /// Those that replace a value, in words.
    fn replaced(&self) -> Vec<String> {
        let on_off = |on: bool| if on { "on" } else { "off" };
        let replaced = [
            self.mac.map(|mac| format!("MAC address {mac}")),
            self.mtu.map(|mtu| format!("MTU {mtu}")),
            self.promisc
                .map(|on| format!("promiscuous mode {}", on_off(on))),
            self.allmulti
                .map(|on| format!("all multicast {}", on_off(on))),
            self.tx_queue_len
                .map(|len| format!("transmit queue length {len}")),
        ];
        replaced.into_iter().flatten().collect()
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if self.up {
            words.push("switch on".to_owned());
        }
        if self.hairpin {
            words.push("set hairpin mode of".to_owned());
        }
        if self.isolated {
            words.push("isolate".to_owned());
        }
        if self.announced {
            words.push("announce the addresses of".to_owned());
        }
        let replaced = self.replaced();
        if !replaced.is_empty() {
            words.push(format!("set {} of", replaced.join(", ")));
        }
        f.write_str(&words.join(", "))
    }
}

impl fmt::Display for On<Settings> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, settings) = self;
        write!(f, "{settings} {link}")
    }
}

impl Object for On<Settings> {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(link, wanted) = self;
        let Some(found) = namespaces.link_if_there(link)? else {
            return Ok(Vec::new());
        };
        let object = format!("the link {link}");
        let mut differences = difference::switched_on(wanted.up, &object, &found);
        let hairpin = !wanted.hairpin || found.hairpin == Some(true);
        differences.extend(unless(hairpin, &object, "hairpin mode", "none"));
        let isolated = !wanted.isolated || found.isolated == Some(true);
        let (expected, other) = ("an isolated port", "one that is not");
        differences.extend(unless(isolated, &object, expected, other));
        differences.extend(difference::mac(link, wanted.mac, &found));
        differences.extend(difference::mtu(link, wanted.mtu, &found));
        let has = wanted.of(&found);
        let on_off = |on: Option<bool>| on.map(|on| if on { "on" } else { "off" }.to_owned());
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let replaced = [
            (
                "promiscuous mode",
                on_off(wanted.promisc),
                on_off(has.promisc),
            ),
            (
                "all-multicast mode",
                on_off(wanted.allmulti),
                on_off(has.allmulti),
            ),
            (
                "transmit queue length",
                number(wanted.tx_queue_len),
                number(has.tx_queue_len),
            ),
        ];
        for (what, expected, found) in replaced {
            let object = format!("the {what} of {link}");
            let is_right = expected == found;
            let (expected, found) = (expected.unwrap_or_default(), found.unwrap_or_default());
            differences.extend(unless(is_right, object, expected, found));
        }
        Ok(differences)
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let Self(link, settings) = self;
        let outlooks = send::foresee(self, namespaces)?;
        let alone = Settings {
            announced: true,
            ..Settings::default()
        };
        if *settings != alone {
            let replaced = settings.replaced();
            if replaced.is_empty() {
                return Ok(outlooks);
            }
            let words = format!("give {link} {}", replaced.join(" and "));
            return Ok(vec![Outlook::made().words(words)]);
        }
        let words = format!("have {link} tell its neighbours the IPv4 addresses that it has");
        let why = "so that none is misled who knew another container by them";
        Ok(vec![Outlook::made().words(words).why(why)])
    }
}

impl Sent for On<Settings> {
    fn batch(&self) -> Batch {
        Batch::OfLinks(self.0.place)
    }

    fn changes(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        let index = namespaces.link(&self.0)?.index;
        Ok(vec![Change::SetLink(index, self.1.change())])
    }

    /// Has the values that are about to be replaced put back when ADD fails: of a change that is refused the
    /// kernel may have made a part.
    fn before<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let Self(link, wanted) = self;
        let found = namespaces.link(link)?;
        let before = wanted.of(&found);
        if before == Settings::default() {
            return Ok(());
        }
        let rtnl = namespaces.side(link.place)?.rtnl();
        undo.on_failure(format!("the settings of {link}"), move || {
            gone(rtnl.change(Change::SetLink(found.index, before.change())))
        });
        Ok(())
    }

    fn refused(&self, error: &KernelError) -> Error {
        let explained = explain_step(self, error);
        match error.errno() {
            Some(MAC_IN_USE) => explained.with_details(
                "another link on the same master, or the master itself, has this MAC address; give each \
                 container one of its own, or let the kernel choose",
            ),
            Some(MASTER_OFF) => {
                explained.with_details("the master was switched off just now; switch it on")
            }
            _ => explained,
        }
    }
}

/// What the kernel says to the second link of a master with the same MAC address (`EADDRINUSE`).
const MAC_IN_USE: i32 = 98;

/// What it says to a VLAN of a link that is switched off (`ENETDOWN`).
const MASTER_OFF: i32 = 100;
