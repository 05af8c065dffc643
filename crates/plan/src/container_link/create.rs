//! Making the link.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Change, Kind, Link, LinkChange, NewLink, Place as At, Rtnl};
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use super::data::{ContainerLink, LinkKind};
use super::refusal::refused;
use crate::fault::{explain_step, gone};
use crate::link::{LinkRef, Place};
use crate::lost::undone;
use crate::namespaces::Namespaces;

/// Makes the link in the container, in one request.
pub(super) fn create<'a>(
    wanted: &ContainerLink,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let container = namespaces.container()?;
    if !is_on_the_host(wanted) {
        // Made where it stays, its alias travels with it, and would be written on a link that has its name.
        namespaces.refuse_taken_name(&wanted.name)?;
    }
    let made = match request(wanted, &wanted.name, namespaces)? {
        Err(error) if error.is_exists() => {
            namespaces.refuse_taken_name(&wanted.name)?;
            if !is_taken_on_the_host(wanted, namespaces) {
                return Err(refused(wanted, namespaces, &error));
            }
            request(wanted, &wanted.interim_name(), namespaces)?
        }
        outcome => outcome,
    };
    let made = made.map_err(|error| refused(wanted, namespaces, &error))?;
    let (index, rtnl) = (made.index, container.rtnl());
    let link = LinkRef::container(&wanted.name);
    undo.on_failure(format!("the link {link}"), move || {
        gone(rtnl.change(Change::DeleteLink(index)))
    });
    if made.name != wanted.name {
        rename(index, wanted, rtnl)?;
    }
    let name = wanted.name.clone();
    container.remember(&wanted.name, Link { name, ..made });
    Ok(())
}

/// Whether the link's name is that of a link on the host, where its parent is.
///
/// # Kernel
/// Before Linux 6.14 a new link's name is also looked for where the request comes from (`rtnl_newlink`), which
/// must be where the parent is. There the link is made under another name, and then given its own.
fn is_taken_on_the_host(wanted: &ContainerLink, namespaces: &Namespaces) -> bool {
    is_on_the_host(wanted) && namespaces.host().rtnl().link(&wanted.name).is_ok()
}

/// Whether its parent is on the host.
fn is_on_the_host(wanted: &ContainerLink) -> bool {
    let parent = wanted.parent.as_ref();
    parent.is_some_and(|parent| parent.place == Place::Host)
}

type Created = Result<Link, KernelError>;

fn request(wanted: &ContainerLink, name: &str, namespaces: &Namespaces) -> Result<Created, Error> {
    let container = namespaces.container()?;
    let parent = wanted
        .parent
        .as_ref()
        .map(|parent| namespaces.link(parent))
        .transpose()?;
    let new = NewLink {
        mtu: wanted.mtu,
        mac: wanted.mac.map(|mac| mac.octets()),
        parent: parent.map(|parent| parent.index),
        alias: Some(wanted.owner.to_string()),
        ..NewLink::new(name, kernel_kind(wanted.kind))
    };
    let rtnl = container.rtnl();
    let made = match (&wanted.parent, container.netns()) {
        (Some(parent), Some(netns)) if parent.place == Place::Host => {
            let host = namespaces.host().rtnl();
            host.create_link_in(&new, At { netns, rtnl })
        }
        _ => rtnl.create_link(&new),
    };
    // It is marked after it is made, and switched on after that, as those of others are.
    let is_ours = |found: &Link| {
        let is_marked = found.alias == new.alias;
        let is_unmarked = found.alias.is_none() && !found.is_up();
        found.is_kind(new.kind.name()) && (is_marked || is_unmarked)
    };
    Ok(made.map_err(|error| undone(error, name, rtnl, is_ours)))
}

fn kernel_kind(kind: LinkKind) -> Kind<'static> {
    match kind {
        LinkKind::Macvlan {
            mode,
            broadcast_queue_len,
        } => Kind::Macvlan {
            mode,
            broadcast_queue_len,
        },
        LinkKind::Ipvlan(mode) => Kind::Ipvlan(mode),
        LinkKind::Vlan(id) => Kind::Vlan(id),
        LinkKind::Dummy => Kind::Dummy,
    }
}

fn rename(index: u32, wanted: &ContainerLink, rtnl: &Rtnl) -> Result<(), Error> {
    let change = LinkChange {
        name: Some(wanted.name.clone()),
        ..LinkChange::default()
    };
    rtnl.change(Change::SetLink(index, change))
        .map_err(|error| explain_step(wanted, &error))
}
