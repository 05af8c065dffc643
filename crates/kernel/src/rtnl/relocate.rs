//! Moving a link to another namespace, under another name.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::{Change, Link, LinkChange, Rtnl};
use crate::Error;
use crate::netns::Netns;

/// A namespace, and a socket that is in it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The namespace.
    pub netns: &'a Netns,
    /// The socket.
    pub rtnl: &'a Rtnl,
}

/// How a link is to be where it moves to.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its name there.
    pub name: String,
    /// When it gets the name.
    pub rename: Rename,
    /// A text written on it; empty removes it, `None` leaves it.
    pub alias: Option<String>,
    /// Whether it is switched on there; moving switches it off.
    pub up: bool,
}

/// In which namespace a link that moves gets its new name.
///
/// Whoever watches the links of a namespace (udev, NetworkManager) and sees one that is renamed as it
/// appears may rename it again. So it is renamed where fewer look: in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// Where it comes to, in the one request that moves it: into a container.
    OnArrival,
    /// Where it leaves from: out of a container. When the name is taken there, where it comes to after all.
    BeforeLeaving,
}

/// Moves a link (hardware as well) to another namespace and returns it as it is there, with the index
/// that it has there. All or nothing: when a step fails, the link is put back with the name, the alias
/// and the switch that it had.
///
/// Addresses and routes do not survive the journey.
///
/// # Errors
/// [`is_exists`](Error::is_exists) when the name is taken there, [`is_not_found`](Error::is_not_found)
/// when the link is not here; else what the kernel says.
pub fn move_link(
    index: u32,
    from: Place<'_>,
    to: Place<'_>,
    arrival: &Arrival,
) -> Result<Link, Error> {
    let link = from.rtnl.link_at(index)?;
    match to.rtnl.link_by_any_name(&arrival.name) {
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
        // The kernel would find out as well, but after it has moved the link.
        Ok(_) => {
            let error = io::Error::from_raw_os_error(libc::EEXIST);
            return Err(Error::new(
                format!("move link {:?} to another namespace as", link.name),
                format!("{:?}", arrival.name),
                error,
            ));
        }
    }
    match arrival.rename {
        Rename::OnArrival => rename_on_arrival(&link, from, to, arrival),
        Rename::BeforeLeaving => rename_before_leaving(&link, from, to, arrival),
    }
}

fn rename_on_arrival(
    link: &Link,
    from: Place<'_>,
    to: Place<'_>,
    arrival: &Arrival,
) -> Result<Link, Error> {
    // The kernel moves it, then gives it the name and the alias, then switches it on.
    let change = LinkChange {
        netns: Some(to.netns.as_fd().as_raw_fd()),
        name: Some(arrival.name.clone()),
        alias: arrival.alias.clone(),
        up: arrival.up.then_some(true),
        ..LinkChange::default()
    };
    let moved = from.rtnl.change(Change::SetLink(link.index, change));
    moved
        .and_then(|()| to.rtnl.link(&arrival.name))
        .inspect_err(|_| put_back(link, from, to, &[&link.name, &arrival.name]))
}

fn rename_before_leaving(
    link: &Link,
    from: Place<'_>,
    to: Place<'_>,
    arrival: &Arrival,
) -> Result<Link, Error> {
    let renamed = LinkChange {
        name: Some(arrival.name.clone()),
        alias: arrival.alias.clone(),
        ..LinkChange::default()
    };
    // Kernels before 6.2 rename nothing that is switched on.
    let changes = [LinkChange::down(), renamed].map(|change| Change::SetLink(link.index, change));
    let outcomes = from.rtnl.commit(&changes)?;
    let renamed: Result<(), Error> = outcomes.into_iter().collect();
    if renamed.as_ref().is_err_and(Error::is_exists) {
        return rename_on_arrival(link, from, to, arrival);
    }
    let leave = || {
        renamed?;
        let away = LinkChange::default().moved_to(to.netns.as_fd());
        from.rtnl.change(Change::SetLink(link.index, away))?;
        let there = to.rtnl.link(&arrival.name)?;
        if !arrival.up {
            return Ok(there);
        }
        to.rtnl
            .change(Change::SetLink(there.index, LinkChange::up()))?;
        to.rtnl.link_at(there.index)
    };
    leave().inspect_err(|_| put_back(link, from, to, &[&arrival.name]))
}

/// Puts a link back as it was, as far as that can be done: what made the move fail is what is told.
fn put_back(link: &Link, from: Place<'_>, to: Place<'_>, names: &[&str]) {
    let as_it_was = LinkChange {
        name: Some(link.name.clone()),
        alias: Some(link.alias.clone().unwrap_or_default()),
        up: link.is_up().then_some(true),
        ..LinkChange::default()
    };
    // Another link may have got its index here since it has left.
    let is_it = |found: &Link| found.mac == link.mac && found.kind == link.kind;
    let (rtnl, index, change) = match from.rtnl.link_at(link.index) {
        // Switched off and on again, it would lose its addresses and routes for nothing.
        Ok(here) if is_it(&here) && is_as_it_was(&here, link) => return,
        Ok(here) if is_it(&here) => (from.rtnl, link.index, as_it_was),
        _ => {
            let mut found = names.iter().filter_map(|name| to.rtnl.link(name).ok());
            let Some(there) = found.find(is_it) else {
                return;
            };
            let change = as_it_was.moved_to(from.netns.as_fd());
            (to.rtnl, there.index, change)
        }
    };
    let down = Change::SetLink(index, LinkChange::down());
    if rtnl
        .commit(&[down, Change::SetLink(index, change)])
        .is_err()
    {
        // Nothing is left to be tried; the caller reports why the link could not be moved.
    }
}

fn is_as_it_was(now: &Link, before: &Link) -> bool {
    (&now.name, &now.alias, now.is_up()) == (&before.name, &before.alias, before.is_up())
}
