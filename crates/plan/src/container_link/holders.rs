//! Who else has links on a parent. Asked only when the kernel has refused another.

use std::fs;
use std::path::{Path, PathBuf};

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{Link, Rtnl};

use crate::link::{LinkRef, Place};
use crate::namespaces::Namespaces;

/// Where namespaces have names: iproute2's, which runtimes use as well, and Docker's.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// How many namespaces are looked into, at most.
const MOST: usize = 1000;

/// A link on a parent, and where it is, in words.
pub(super) struct Holder {
    pub(super) link: Link,
    pub(super) place: String,
}

/// The links on this parent, those in its own namespace first. What cannot be looked at is left out: the
/// answer goes into an error that stands without it.
pub(super) fn on(parent: &LinkRef, namespaces: &Namespaces) -> Vec<Holder> {
    let (Ok(side), Ok(link)) = (namespaces.side(parent.place), namespaces.link(parent)) else {
        return Vec::new();
    };
    let own = side.rtnl().links().unwrap_or_default().into_iter();
    let here = match parent.place {
        Place::Host => "on the host",
        Place::Container => "in the container",
    };
    let mut holders: Vec<Holder> = own
        .filter(|one| one.parent == Some(link.index) && one.parent_netns.is_none())
        .map(|link| Holder {
            link,
            place: here.to_owned(),
        })
        .collect();
    let current;
    let home = match side.netns() {
        Some(netns) => netns,
        None => match Netns::current() {
            Ok(netns) => {
                current = netns;
                &current
            }
            Err(_) => return holders,
        },
    };
    for path in named() {
        holders.extend(elsewhere(&path, home, link.index).unwrap_or_default());
    }
    holders
}

fn named() -> impl Iterator<Item = PathBuf> {
    let entries = |directory| fs::read_dir(directory).into_iter().flatten().flatten();
    NAMED
        .into_iter()
        .flat_map(entries)
        .map(|entry| entry.path())
        .take(MOST)
}

/// The links in the namespace at this path on the link of this index in `home`.
fn elsewhere(path: &Path, home: &Netns, index: u32) -> Option<Vec<Holder>> {
    let netns = Netns::open(path)
        .ok()
        .filter(|netns| !netns.same_as(home))?;
    let rtnl = Rtnl::open_in(&netns).ok()?;
    let links = rtnl.links().ok()?;
    // Numbered at the latest by the list.
    let home = rtnl.netns_id(home).ok()??;
    let on_parent = links
        .into_iter()
        .filter(|link| link.parent == Some(index) && link.parent_netns == Some(home));
    let holder = |link| Holder {
        link,
        place: format!("in {}", path.display()),
    };
    Some(on_parent.map(holder).collect())
}
