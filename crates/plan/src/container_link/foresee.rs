//! Telling the link before it is made.

use linkspan_kernel::rtnl::Link;
use linkspan_spec::{Error, MacAddr};

use super::data::{ContainerLink, LinkKind};
use crate::foresee::Outlook;
use crate::imagined::ETHERNET_MTU;
use crate::link::Place;
use crate::namespaces::Namespaces;

/// What making the link would come to; it is imagined.
pub(super) fn foresee(
    wanted: &ContainerLink,
    namespaces: &Namespaces,
) -> Result<Vec<Outlook>, Error> {
    let parent = match &wanted.parent {
        Some(parent) => Some(namespaces.link(parent)?),
        None => None,
    };
    namespaces.refuse_taken_name(&wanted.name)?;
    let of_parent = parent.as_ref().map(|parent| parent.mtu);
    let inherited = match wanted.kind {
        LinkKind::Macvlan { .. } | LinkKind::Dummy => None,
        LinkKind::Ipvlan(_) | LinkKind::Vlan(_) => parent.as_ref().and_then(|parent| parent.mac),
    };
    let link = Link {
        name: wanted.name.clone(),
        kind: Some(wanted.kind.name().to_owned()),
        mtu: wanted.mtu.or(of_parent).unwrap_or(ETHERNET_MTU),
        mac: wanted.mac.map(MacAddr::octets).or(inherited),
        ..Link::default()
    };
    namespaces.imagine(Place::Container, link);
    let details = [
        wanted.mac.map(|mac| format!("with the MAC address {mac}")),
        wanted
            .mtu
            .map(|mtu| format!("packets of {mtu} bytes at most")),
    ];
    let details: Vec<String> = details.into_iter().flatten().collect();
    let words = [vec![wanted.to_string()], details].concat().join("; ");
    let outlook = Outlook::made().words(words);
    Ok(vec![match parent.filter(|parent| !parent.is_up()) {
        Some(parent) => outlook.note(format!(
            "{:?} is switched off: nothing passes until `ip link set {} up`",
            parent.name, parent.name
        )),
        None => outlook,
    }])
}
