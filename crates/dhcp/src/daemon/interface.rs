//! The container's interface, when what its server gives has changed while the container runs.

use linkspan_kernel::Error;
use linkspan_kernel::netns::Netns;
use linkspan_kernel::packet::{BROADCAST, PacketSocket, Packets};
use linkspan_kernel::rtnl::{Address, Change, Route, Rtnl};
use linkspan_spec::Success;

use super::holder::Holder;
use super::{answer, frame};
use crate::machine::Lease;

/// An open namespace and a link in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interface<'a> {
    /// The namespace.
    pub(super) netns: &'a Netns,
    /// The link's index.
    pub(super) link: u32,
    /// The link's hardware address.
    pub(super) mac: [u8; 6],
    /// The priority of its routes.
    pub(super) priority: Option<u32>,
}

impl Interface<'_> {
    /// Changes the interface of a lease.
    ///
    /// # Errors
    /// When the container cannot be reached, or what the kernel refused, in words.
    pub(super) fn of(
        holder: &Holder,
        change: impl FnOnce(Interface<'_>) -> Result<(), Error>,
    ) -> Result<(), String> {
        let netns = holder.netns()?;
        let interface = Interface {
            netns: &netns,
            link: holder.container.link,
            mac: holder.container.mac,
            priority: holder.wish.priority,
        };
        change(interface).map_err(|error| error.to_string())
    }

    /// Gives the interface what is held now, in the place of what was held before, and tells its neighbours.
    ///
    /// # Errors
    /// What the kernel refused, after everything else was done.
    pub(super) fn change(&self, from: Option<&Lease>, to: &Lease) -> Result<(), Error> {
        let same_address = from.is_some_and(|from| from.address == to.address);
        let mut changes = from.map_or_else(Vec::new, |from| self.removal(from, same_address));
        let wanted = answer::result(to, self.priority);
        if !same_address {
            changes.extend(
                wanted
                    .ips
                    .iter()
                    .map(|ip| Change::AddAddress(self.link, Address::new(ip.address))),
            );
        }
        changes.extend(self.routes(&wanted).map(Change::AddRoute));
        let outcome = self.make(&changes);
        if !same_address {
            // Where it cannot be told just now neighbours find out when they ask.
            let _ = self.announce(to);
        }
        outcome
    }

    /// Takes away what is held no longer.
    ///
    /// # Errors
    /// What the kernel refused, after everything else was done.
    pub(super) fn withdraw(&self, lease: &Lease) -> Result<(), Error> {
        self.make(&self.removal(lease, false))
    }

    /// Routes first: some go with the address, and those that do not would keep it from going.
    fn removal(&self, lease: &Lease, keeps_address: bool) -> Vec<Change> {
        let had = answer::result(lease, self.priority);
        let mut changes: Vec<Change> = self.routes(&had).map(Change::DeleteRoute).collect();
        if !keeps_address {
            changes.extend(
                had.ips
                    .iter()
                    .map(|ip| Change::DeleteAddress(self.link, Address::new(ip.address))),
            );
        }
        changes
    }

    fn routes(&self, result: &Success) -> impl Iterator<Item = Route> {
        let link = self.link;
        result.routes.iter().map(move |route| {
            let plain = Route::new(route.dst.trunc(), route.gw, link);
            Route {
                mtu: route.mtu,
                priority: route.priority.filter(|priority| *priority != 0),
                scope: route.scope.unwrap_or(plain.scope),
                ..plain
            }
        })
    }

    /// What is gone already, or there already, is as good.
    fn make(&self, changes: &[Change]) -> Result<(), Error> {
        let outcomes = Rtnl::open_in(self.netns)?.commit(changes)?;
        let is_so = |outcome: &Result<(), Error>| {
            outcome
                .as_ref()
                .err()
                .is_none_or(|error| error.is_not_found() || error.is_exists())
        };
        outcomes
            .into_iter()
            .find(|outcome| !is_so(outcome))
            .unwrap_or(Ok(()))
    }

    fn announce(&self, lease: &Lease) -> Result<(), Error> {
        let packet = frame::announcement(self.mac, lease.address.addr());
        PacketSocket::open_in(self.netns, self.link, Packets::Arp)?.send(BROADCAST, &packet)
    }
}
