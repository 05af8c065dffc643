//! A pair of virtual ethernet links.

use std::os::fd::AsFd;

use linkspan_kernel::rtnl::{Kind, Link, NewLink, Peer};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode};

use super::{LinkRef, Namespaces, VethPair};
use crate::fault::{explain, explain_step};
use crate::identity;

/// How many names for the host's end are tried. The first is made from the attachment; that it is taken
/// means that an earlier attachment of the same identity is alive somewhere.
const ATTEMPTS: usize = 4;

/// Creates the pair, each end where it is to be, in one request.
pub(super) fn create<'a>(
    pair: &VethPair,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let host = create_host_end(pair, namespaces)?;
    let name = host.name.clone();
    let container = container_end(pair, &host);
    namespaces.host().remember(pair.host.name.as_str(), host);
    undo.on_failure(format!("the link {name:?}"), move || {
        match namespaces.host().rtnl().delete_link(&name) {
            Err(error) if !error.is_not_found() => Err(explain(error)),
            _ => Ok(()),
        }
    });
    let inside = pair.container.name.as_str();
    match container {
        Some(container) => namespaces.container()?.remember(inside, container),
        None => namespaces.link(&LinkRef::container(inside))?,
    };
    Ok(())
}

/// The container's end as it was made. What the kernel tells of the host's end has the index of its peer;
/// when both are in one namespace it does not say so.
fn container_end(pair: &VethPair, host: &Link) -> Option<Link> {
    host.parent_netns?;
    Some(Link {
        index: host.parent?,
        name: pair.container.name.to_string(),
        kind: host.kind.clone(),
        mtu: host.mtu,
        mac: Some(pair.container.mac.octets()),
        ..Link::default()
    })
}

fn create_host_end(pair: &VethPair, namespaces: &Namespaces) -> Result<Link, Error> {
    let mut name = pair.host.name.clone();
    for attempt in 1.. {
        match request(pair, name.as_str(), namespaces)? {
            Ok(link) => {
                return Ok(Link {
                    mac: Some(pair.host.mac.octets()),
                    ..link
                });
            }
            Err(error) if error.is_exists() => {
                namespaces.refuse_taken_name(&pair.container.name)?;
                if attempt == ATTEMPTS {
                    return Err(explain(error));
                }
                name = identity::random_link_name();
            }
            Err(error) => return Err(explain_step(&super::Step::VethPair(pair.clone()), &error)),
        }
    }
    Err(Error::new(
        ErrorCode::INTERNAL,
        "no name was free for the host's end of the link",
    ))
}

type Created = Result<Link, linkspan_kernel::Error>;

fn request(pair: &VethPair, name: &str, namespaces: &Namespaces) -> Result<Created, Error> {
    let container = namespaces.container()?;
    let master = match &pair.master {
        Some(master) => Some(namespaces.host().link(master.as_str())?.index),
        None => None,
    };
    let inside = Peer {
        name: pair.container.name.to_string(),
        mtu: pair.mtu,
        mac: Some(pair.container.mac.octets()),
        netns: container.netns().map(AsFd::as_fd),
    };
    let outside = NewLink {
        mtu: pair.mtu,
        mac: Some(pair.host.mac.octets()),
        up: true,
        master,
        alias: Some(pair.alias.clone()),
        ..NewLink::new(name, Kind::Veth(inside))
    };
    Ok(namespaces.host().rtnl().create_link(&outside))
}
