//! Telling the neighbours of a link where its addresses are.

use std::fmt;
use std::net::IpAddr;

use linkspan_kernel::rtnl::{Change, LinkChange};
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::difference::listed;
use crate::fault::explain_step;
use crate::foresee::Outlook;
use crate::link::On;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// The addresses that neighbours are told of.
///
/// An address that is given to another container has another MAC address; neighbours that remember the
/// old one cannot reach it for many seconds unless they are told.
#[derive(Clone, Debug)]
pub struct Announcement(pub Vec<IpAddr>);

impl fmt::Display for On<Announcement> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, Announcement(addresses)) = self;
        let addresses = listed(addresses.iter().map(ToString::to_string));
        write!(f, "announce {addresses} on {link}")
    }
}

impl Object for On<Announcement> {
    fn foresee(&self, _namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let why = "so that none is misled who knew another container by it";
        Ok(vec![Outlook::made().why(why)])
    }
}

impl Made for On<Announcement> {
    /// Has the kernel do it.
    ///
    /// # Kernel
    /// With `arp_notify` and `ndisc_notify` set, the kernel sends a gratuitous ARP and an unsolicited
    /// neighbour advertisement for each address when the link gets a MAC address, be it the one that it has
    /// (`inetdev_event`, `ndisc_netdev_event`). Frames of our own would need a packet socket, and whoever
    /// closes one waits for an RCU grace period (`packet_release`), 15 ms, ten times what all the rest of an
    /// ADD takes.
    fn make<'a>(&self, namespaces: &'a Namespaces, _undo: &mut Undo<'a>) -> Result<(), Error> {
        let Self(link, _) = self;
        let (Ok(side), Ok(found)) = (namespaces.side(link.place), namespaces.link(link)) else {
            return Ok(());
        };
        let same = LinkChange {
            mac: found.mac,
            ..LinkChange::default()
        };
        let outcome = side.rtnl().change(Change::SetLink(found.index, same));
        outcome.map_err(|error| explain_step(self, &error))
    }
}
