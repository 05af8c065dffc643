//! Settings of a link: in words, as a request, put back, and compared.

use std::fmt;

use linkspan_kernel::rtnl::{Change, Link, LinkChange, PortChange};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, MacAddr};

use super::bridge::IFF_PROMISC;
use super::check::{Difference, unless};
use super::{LinkRef, Namespaces, Settings};
use crate::fault::explain;

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
        let replaced: Vec<String> = replaced.into_iter().flatten().collect();
        if !replaced.is_empty() {
            words.push(format!("set {} of", replaced.join(", ")));
        }
        f.write_str(&words.join(", "))
    }
}

/// The request that makes a link so.
pub(super) fn change(settings: &Settings) -> LinkChange {
    let port = PortChange {
        hairpin: settings.hairpin.then_some(true),
        isolated: settings.isolated.then_some(true),
    };
    LinkChange {
        up: settings.up.then_some(true),
        port: (settings.hairpin || settings.isolated).then_some(port),
        mac: settings.mac.map(MacAddr::octets),
        mtu: settings.mtu,
        promisc: settings.promisc,
        allmulti: settings.allmulti,
        tx_queue_len: settings.tx_queue_len,
        announced: settings.announced.then_some(true),
        ..LinkChange::default()
    }
}

/// Has the values that are about to be replaced put back when ADD fails.
pub(super) fn remember<'a>(
    link: &LinkRef,
    wanted: &Settings,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let found = namespaces.link(link)?;
    let before = wanted.of(&found);
    if before == Settings::default() {
        return Ok(());
    }
    let rtnl = namespaces.side(link.place)?.rtnl();
    undo.on_failure(format!("the settings of {link}"), move || {
        match rtnl.change(Change::SetLink(found.index, change(&before))) {
            Err(error) if !error.is_not_found() => Err(explain(error)),
            _ => Ok(()),
        }
    });
    Ok(())
}

/// What of them a link does not have.
pub(super) fn differences(
    link: &LinkRef,
    wanted: &Settings,
    namespaces: &Namespaces,
) -> Result<Vec<Difference>, Error> {
    let Ok(found) = namespaces.link(link) else {
        return Ok(Vec::new());
    };
    let on_off = |on: Option<bool>| if on == Some(true) { "on" } else { "off" };
    let object = format!("the link {link}");
    let is_up = !wanted.up || found.is_up();
    let mut differences = unless(is_up, &object, "switched on", "switched off");
    let hairpin = !wanted.hairpin || found.hairpin == Some(true);
    differences.extend(unless(hairpin, &object, "hairpin mode", "none"));
    let isolated = !wanted.isolated || found.isolated == Some(true);
    differences.extend(unless(
        isolated,
        &object,
        "an isolated port",
        "one that is not",
    ));
    let has = wanted.of(&found);
    let number = |number: Option<u32>| number.map_or("none".to_owned(), |n| n.to_string());
    let mac = |mac: Option<MacAddr>| mac.map_or("none".to_owned(), |mac| mac.to_string());
    let replaced = [
        ("MAC address", mac(wanted.mac), mac(has.mac)),
        ("MTU", number(wanted.mtu), number(has.mtu)),
        (
            "promiscuous mode",
            on_off(wanted.promisc).to_owned(),
            on_off(has.promisc).to_owned(),
        ),
        (
            "all-multicast mode",
            on_off(wanted.allmulti).to_owned(),
            on_off(has.allmulti).to_owned(),
        ),
        (
            "transmit queue length",
            number(wanted.tx_queue_len),
            number(has.tx_queue_len),
        ),
    ];
    for (what, expected, found) in replaced {
        let object = format!("the {what} of {link}");
        differences.extend(unless(expected == found, object, expected, found));
    }
    Ok(differences)
}
