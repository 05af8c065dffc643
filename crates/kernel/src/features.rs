//! What this kernel can make, told by making it.

use std::io;

use rustix::thread::UnshareFlags;

use crate::Error;
use crate::rtnl::{IpvlanMode, Kind, MacvlanMode, NewLink, Peer, Rtnl};
use crate::sandbox::leave_namespaces;
use crate::thread::apart;

/// Those of these kinds of links that the kernel cannot make. They are made in a network namespace that nobody else sees, and that is
/// gone a moment later; a module that is missing is loaded, as it would be by whoever needs it. Of a kind that is not known here
/// nothing is said.
///
/// # Errors
/// `EPERM` when the caller may make no namespace.
pub fn missing_link_kinds<'k>(kinds: &[&'k str]) -> Result<Vec<&'k str>, Error> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error| Error::new("make", "a network namespace to try links in", error);
    apart(|| {
        leave_namespaces(UnshareFlags::NEWNET)?;
        let rtnl = Rtnl::open().map_err(io::Error::other)?;
        let is_missing = |kind: &&&'k str| is_missing(&rtnl, kind);
        Ok(kinds.iter().filter(is_missing).copied().collect())
    })
    .map_err(failed)
}

fn is_missing(rtnl: &Rtnl, kind: &str) -> bool {
    let Some(wanted) = of_name(kind) else {
        return false;
    };
    let needs_parent = matches!(
        wanted,
        Kind::Macvlan { .. } | Kind::Ipvlan(_) | Kind::Vlan(_)
    );
    let mut link = NewLink::new(format!("{kind}-try"), wanted);
    if needs_parent {
        link.parent = parent(rtnl);
    }
    rtnl.create_link(&link)
        .is_err_and(|error| error.is_unsupported())
}

/// A link that others are made on.
fn parent(rtnl: &Rtnl) -> Option<u32> {
    const NAME: &str = "parent";
    if let Ok(there) = rtnl.link(NAME) {
        return Some(there.index);
    }
    let pair = Kind::Veth(Peer::new("parent-peer"));
    Some(rtnl.create_link(&NewLink::new(NAME, pair)).ok()?.index)
}

fn of_name(kind: &str) -> Option<Kind<'static>> {
    Some(match kind {
        "bridge" => Kind::Bridge {
            vlan_filtering: false,
        },
        "veth" => Kind::Veth(Peer::new("veth-peer")),
        "macvlan" => Kind::Macvlan {
            mode: MacvlanMode::Bridge,
            broadcast_queue_len: None,
        },
        "ipvlan" => Kind::Ipvlan(IpvlanMode::L2),
        "vlan" => Kind::Vlan(2),
        "dummy" => Kind::Dummy,
        "vrf" => Kind::Vrf { table: 2 },
        "ifb" => Kind::Ifb,
        _ => return None,
    })
}
