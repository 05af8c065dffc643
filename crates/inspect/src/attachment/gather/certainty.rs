//! What all that was found together tells of whether a container is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Candidate, Found};
use crate::life::Life;
use crate::link::Link;
use crate::namespace::{Namespace, Namespaces};

/// An address that was given back by nobody is given again once somebody has removed its reservation: whoever is found by it alone
/// is gone where another is in that namespace for certain and has it. One that has another address may be there as well: runtimes
/// do not have to agree on an ID for a container.
pub(super) fn tell_apart(found: &mut Found<'_>) {
    let mut owners: BTreeMap<(u64, IpAddr), String> = BTreeMap::new();
    for one in found.values() {
        if let Some(home) = one.home.filter(|home| !home.by_address) {
            let owned = one.addresses().into_iter();
            let owned = owned.map(|address| (home.namespace.inode, address));
            owners.extend(owned.map(|key| (key, one.attachment.container.clone())));
        }
    }
    for one in found.values_mut() {
        let Some(home) = one.home.filter(|home| home.by_address) else {
            continue;
        };
        let inode = home.namespace.inode;
        let mut addresses = one.addresses().into_iter();
        let owner = addresses.find_map(|address| owners.get(&(inode, address)));
        if let Some(owner) = owner.filter(|owner| **owner != one.attachment.container) {
            one.home = None;
            one.attachment.life = Life::Gone(format!("container {owner} has its address by now"));
        }
    }
}

/// One whose address is nowhere may have lost it, as IPv6 does when the interface goes down, while its interface is there in a
/// namespace of which nothing else is known.
pub(super) fn doubt(found: &mut Found<'_>, namespaces: &Namespaces) {
    let homes = found.values().filter_map(|one| one.home);
    let homes: BTreeSet<u64> = homes.map(|home| home.namespace.inode).collect();
    let is_bare = |link: &Link| link.addresses.iter().all(is_link_local);
    let has_bare = |namespace: &Namespace, ifname: &str| {
        let is_unknown = !namespace.host && !homes.contains(&namespace.inode);
        is_unknown && namespace.links().named(ifname).is_some_and(is_bare)
    };
    for Candidate { attachment, .. } in found.values_mut() {
        let Some(ifname) = attachment.ifname.as_deref() else {
            continue;
        };
        let mut all = namespaces.all.iter();
        if attachment.life.is_unseen() && all.any(|one| has_bare(one, ifname)) {
            attachment.life = Life::Unknown(format!(
                "no network namespace has its address, but one has an interface {ifname} without any, which may be its"
            ));
        }
    }
}

fn is_link_local(net: &ipnet::IpNet) -> bool {
    match net.addr() {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

impl Candidate<'_> {
    fn addresses(&self) -> Vec<IpAddr> {
        let one = &self.attachment;
        let assigned = one.assigned.iter().map(ipnet::IpNet::addr);
        assigned.chain(one.reserved.iter().copied()).collect()
    }
}
