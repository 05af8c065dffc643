//! Comparing the link with the kernel's.

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{Link, LinkData};
use linkspan_spec::Error;

use super::data::{ContainerLink, LinkKind, ipvlan_mode, macvlan_mode};
use crate::difference::{self, Difference, unless};
use crate::fault::explain;
use crate::link::{LinkRef, Place};
use crate::namespaces::Namespaces;

/// What the kernel has otherwise.
pub(super) fn differences(
    wanted: &ContainerLink,
    namespaces: &Namespaces,
) -> Result<Vec<Difference>, Error> {
    let link = LinkRef::container(&wanted.name);
    let mut differences = Vec::new();
    let parent = match &wanted.parent {
        Some(parent) => namespaces.master_if_there(parent)?,
        None => None,
    };
    if let (Some(name), None) = (&wanted.parent, &parent) {
        differences.extend(unless(false, format!("the master {name}"), "it", "nothing"));
    }
    let Some(found) = namespaces.link_if_there(&link)? else {
        differences.extend(difference::missing(&link));
        return Ok(differences);
    };
    let is_right = found.is_kind(wanted.kind.name());
    let object = format!("the link {link}");
    differences.extend(unless(is_right, object, wanted.kind, kind_of(&found)));
    if is_right {
        differences.extend(kind_differences(&link, wanted.kind, &found));
        differences.extend(parent_differences(
            &link,
            wanted,
            parent.as_deref(),
            &found,
            namespaces,
        )?);
    }
    differences.extend(difference::mac(&link, wanted.mac, &found));
    differences.extend(difference::mtu(&link, wanted.mtu, &found));
    Ok(differences)
}

fn kind_of(link: &Link) -> String {
    link.kind.as_ref().map_or("a device".to_owned(), |kind| {
        format!("a link of the kind {kind}")
    })
}

/// Mode or VLAN ID.
fn kind_differences(link: &LinkRef, wanted: LinkKind, found: &Link) -> Vec<Difference> {
    let other = "another".to_owned();
    let (what, expected, found) = match (wanted, &found.data) {
        (LinkKind::Macvlan { mode, .. }, LinkData::Macvlan(found)) => {
            let found = found.map_or(other, |mode| macvlan_mode(mode).to_owned());
            ("mode", macvlan_mode(mode).to_owned(), found)
        }
        (LinkKind::Ipvlan(mode), LinkData::Ipvlan(found)) => {
            let found = found.map_or(other, |mode| ipvlan_mode(mode).to_owned());
            ("mode", ipvlan_mode(mode).to_owned(), found)
        }
        (LinkKind::Vlan(id), LinkData::Vlan { id: found }) => {
            ("VLAN ID", id.to_string(), found.to_string())
        }
        _ => return Vec::new(),
    };
    unless(
        expected == found,
        format!("the {what} of {link}"),
        expected,
        found,
    )
}

/// The parent is known by its index in its namespace, and the namespace by its number.
fn parent_differences(
    link: &LinkRef,
    wanted: &ContainerLink,
    parent: Option<&Link>,
    found: &Link,
    namespaces: &Namespaces,
) -> Result<Vec<Difference>, Error> {
    let (Some(name), Some(parent)) = (&wanted.parent, parent) else {
        return Ok(Vec::new());
    };
    let netns = match name.place {
        Place::Container => None,
        Place::Host => {
            let host = Netns::current().map_err(explain)?;
            let number = namespaces.container()?.rtnl().netns_id(&host);
            number.map_err(explain)?
        }
    };
    let is_right = found.parent == Some(parent.index) && found.parent_netns == netns;
    let object = format!("the master of {link}");
    Ok(unless(is_right, object, name, "another"))
}
