//! Why the kernel refused a link, in words that name the interfaces and say what to do.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Link, LinkData, MacvlanMode};
use linkspan_spec::Error;
use rustix::io::Errno;

use super::data::{ContainerLink, LinkKind};
use super::holders::{self, Holder};
use crate::fault::explain_step;
use crate::link::LinkRef;
use crate::namespaces::Namespaces;

/// The error that the plugin prints.
pub(super) fn refused(
    wanted: &ContainerLink,
    namespaces: &Namespaces,
    error: &KernelError,
) -> Error {
    let plain = explain_step(wanted, error);
    let errno = error.errno().map(Errno::from_raw_os_error);
    let kind = wanted.kind.name();
    let details = match (errno, &wanted.parent) {
        (Some(Errno::OPNOTSUPP), None) => Some(format!(
            "this kernel has no links of the kind {kind}: {}",
            module(kind)
        )),
        (Some(Errno::OPNOTSUPP), Some(parent)) => Some(format!(
            "either this kernel has no links of the kind {kind} ({}), or {parent} cannot carry them",
            module(kind)
        )),
        (Some(Errno::NODEV), Some(parent)) => Some(format!(
            "the master {parent} has vanished just now; `ip link` shows what is there"
        )),
        (_, Some(parent)) => about_parent(errno, wanted.kind, parent, namespaces),
        _ => None,
    };
    match details {
        Some(details) => plain.with_details(details),
        None => plain,
    }
}

fn module(kind: &str) -> String {
    let module = if kind == "vlan" { "8021q" } else { kind };
    format!("`modprobe {module}` loads them, where they were built")
}

/// What of the parent's state explains the error.
fn about_parent(
    errno: Option<Errno>,
    kind: LinkKind,
    parent: &LinkRef,
    namespaces: &Namespaces,
) -> Option<String> {
    let holders = || holders::on(parent, namespaces);
    match (errno?, kind) {
        (Errno::EXIST, LinkKind::Vlan(id)) => Some(same_vlan(id, parent, &holders())),
        (Errno::BUSY, _) => Some(held(parent, namespaces, &holders())),
        (Errno::INVAL, LinkKind::Macvlan { mode, .. }) => {
            passthru(mode, parent, &holders()).or_else(|| no_ethernet(parent, namespaces))
        }
        (Errno::INVAL, LinkKind::Ipvlan(_)) => no_ethernet(parent, namespaces),
        (Errno::ADDRINUSE | Errno::ADDRNOTAVAIL, _) => Some(format!(
            "another link on {parent}, or the master itself, has this MAC address, or no interface can have \
             it; choose another, or let the kernel choose one"
        )),
        _ => None,
    }
}

/// Each VLAN of a link has one interface in the whole system (plugins#243).
fn same_vlan(id: u16, parent: &LinkRef, holders: &[Holder]) -> String {
    let is_same =
        |holder: &&Holder| matches!(holder.link.data, LinkData::Vlan { id: found } if found == id);
    let who = match holders.iter().find(is_same) {
        Some(holder) => format!("it is {}", told(holder)),
        None => "it is in a namespace that has no name".to_owned(),
    };
    format!(
        "{parent} has an interface in VLAN {id} already, and Linux allows one for each VLAN of a link: {who}. \
         Several containers in one VLAN need a shared interface on the host below them: make one, as in `ip \
         link add link NAME name NAME.{id} type vlan id {id}`, and attach the containers to it with the plugin \
         macvlan, ipvlan or bridge"
    )
}

/// One receiver has all frames of a link: bridges, bonds, macvlans and ipvlans keep each other out
/// (multus#1339).
fn held(parent: &LinkRef, namespaces: &Namespaces, holders: &[Holder]) -> String {
    let receives = |holder: &&Holder| {
        let kinds = ["macvlan", "macvtap", "ipvlan", "ipvtap"];
        kinds.iter().any(|kind| holder.link.is_kind(kind))
    };
    let who = match (port_of(parent, namespaces), holders.iter().find(receives)) {
        (Some(master), _) => format!(
            "it is part of {:?}, {}; use {:?} as the master, or take {parent} out of it",
            master.name,
            a_kind(&master),
            master.name
        ),
        (None, Some(holder)) => format!(
            "{} is on it, and macvlans and ipvlans cannot share a link: use one plugin for all containers on \
             this master, or another master, such as a VLAN of it",
            told(holder)
        ),
        (None, None) => {
            "`ip -d link` and, in other namespaces, `lsns -t net` help to find what it is"
                .to_owned()
        }
    };
    format!("something else receives what comes in by {parent}: {who}")
}

/// The bridge, bond or similar that the parent is part of.
fn port_of(parent: &LinkRef, namespaces: &Namespaces) -> Option<Link> {
    let index = namespaces.link(parent).ok()?.master?;
    namespaces
        .side(parent.place)
        .ok()?
        .rtnl()
        .link_at(index)
        .ok()
}

/// In mode passthru a macvlan has its parent for itself.
fn passthru(mode: MacvlanMode, parent: &LinkRef, holders: &[Holder]) -> Option<String> {
    let has = |holder: &&Holder, wanted: fn(MacvlanMode) -> bool| matches!(holder.link.data, LinkData::Macvlan(Some(mode)) if wanted(mode));
    let passthru = holders
        .iter()
        .find(|holder| has(holder, |mode| mode == MacvlanMode::Passthru));
    if let Some(holder) = passthru {
        return Some(format!(
            "{}, in mode passthru, has {parent} for itself; detach it, or use another master",
            told(holder)
        ));
    }
    let other = holders.iter().find(|holder| has(holder, |_| true))?;
    (mode == MacvlanMode::Passthru).then(|| {
        format!(
            "mode passthru wants {parent} for itself, and {} is on it; detach it, or use another mode",
            told(other)
        )
    })
}

fn no_ethernet(parent: &LinkRef, namespaces: &Namespaces) -> Option<String> {
    let link = namespaces.link(parent).ok()?;
    (link.is_loopback() || link.mac.is_none())
        .then(|| format!("{parent} is no Ethernet link; choose another \"master\""))
}

fn told(holder: &Holder) -> String {
    format!(
        "{:?} {}, {}",
        holder.link.name,
        holder.place,
        a_kind(&holder.link)
    )
}

fn a_kind(link: &Link) -> String {
    match link.kind.as_deref() {
        Some(kind) if kind.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {kind}"),
        Some(kind) => format!("a {kind}"),
        None => "a device".to_owned(),
    }
}
