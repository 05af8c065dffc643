//! Whose the interface is that DEL finds.
//!
//! The path of a container's namespace may lead to another container's by then: it names a process that has died, whose
//! number another has got (kubernetes#100648). And an ADD that was refused because the name is taken is followed by a DEL.

use linkspan_kernel::rtnl::Link;
use linkspan_netfilter::Owner;
use linkspan_plan::Namespaces;
use linkspan_plan::fault::explain;
use linkspan_plan::identity;
use linkspan_plugin::Call;
use linkspan_plugin::spec::{Error, MacAddr, Success};

use super::{host_end, namespaces_if_there, owner_of};

/// The kinds of links that have the MAC address of the link that they are on, so that it tells none from another.
const WITH_MAC_OF_MASTER: [&str; 2] = ["ipvlan", "vlan"];

/// The namespaces of a DEL that undoes what was done to the container's interface. `None` as in [`namespaces_if_there`],
/// and where the interface of that name is another attachment's: what was done is gone with the container's namespace.
///
/// # Errors
/// As [`namespaces_if_there`], and what the kernel says.
pub fn namespaces_if_own<C>(call: &Call<'_, C>) -> Result<Option<Namespaces>, Error> {
    let Some(namespaces) = namespaces_if_there(call)? else {
        return Ok(None);
    };
    let is_of_another = match namespaces.container()?.rtnl().link(call.ifname()?.as_str()) {
        Ok(link) => is_of_another(call, &owner_of(call)?, &link, &namespaces)?,
        Err(error) if error.is_not_found() => false,
        Err(error) => return Err(explain(error)),
    };
    Ok((!is_of_another).then_some(namespaces))
}

/// Whether a link in the container is that of another attachment.
///
/// Our marks tell first. An alias may have been replaced by anybody, so one that is nobody's says nothing, and one that is
/// another's less than the result of ADD. Where nothing is marked the result has the last word: neither its MAC address
/// nor any of its addresses is there.
///
/// # Errors
/// What the kernel says.
pub fn is_of_another<C>(
    call: &Call<'_, C>,
    owner: &Owner,
    link: &Link,
    namespaces: &Namespaces,
) -> Result<bool, Error> {
    let result = call.prev_result().ok().flatten().unwrap_or_default();
    let (alias, name) = (owner.to_string(), identity::link_name(owner));
    let is_own = |one: &Link| one.name == name || one.alias.as_ref() == Some(&alias);
    if is_own(link) || is_told(&result, link, namespaces)? {
        return Ok(false);
    }
    let other_end = host_end(namespaces, link)?;
    if let Some(end) = &other_end
        && (is_own(end) || is_told(&result, end, namespaces)?)
    {
        return Ok(false);
    }
    let is_marked = |one: &Link| one.alias.as_deref().is_some_and(Owner::is_named_by);
    let has_mark = is_marked(link)
        || other_end.is_some_and(|end| is_marked(&end) || identity::is_link_name(&end.name));
    let is_told_otherwise = || {
        let told = told_macs(&result, link).next();
        Ok(told.is_some() && holds_told(&result, link, namespaces)? != Some(true))
    };
    if has_mark {
        return Ok(true);
    }
    is_told_otherwise()
}

/// Whether the result of ADD has this very link: by its name and MAC address, and by an address where the MAC address is
/// that of several.
fn is_told(result: &Success, link: &Link, namespaces: &Namespaces) -> Result<bool, Error> {
    let mac = link.mac.map(MacAddr::new);
    Ok(told_macs(result, link).any(|told| Some(told) == mac)
        && mac_tells(result, link, namespaces)?)
}

/// Whether the MAC address of a link that the result tells is proof: that of several is none without an address.
///
/// # Errors
/// What the kernel says.
pub fn mac_tells(result: &Success, link: &Link, namespaces: &Namespaces) -> Result<bool, Error> {
    let is_shared = WITH_MAC_OF_MASTER.iter().any(|kind| link.is_kind(kind));
    Ok(!is_shared || holds_told(result, link, namespaces)? != Some(false))
}

/// The MAC addresses that the result tells of interfaces of this name.
fn told_macs<'r>(result: &'r Success, link: &'r Link) -> impl Iterator<Item = MacAddr> + 'r {
    let of_name = result.interfaces.iter().filter(|one| one.name == link.name);
    of_name.filter_map(|one| one.mac.parse().ok())
}

/// Whether a link of the container has one of the addresses that the result tells; `None` when it tells none.
fn holds_told(
    result: &Success,
    link: &Link,
    namespaces: &Namespaces,
) -> Result<Option<bool>, Error> {
    if result.ips.is_empty() {
        return Ok(None);
    }
    let rtnl = namespaces.container()?.rtnl();
    let held = rtnl.addresses(link.index).map_err(explain)?;
    let is_held = |told| held.iter().any(|address| address.net.addr() == told);
    Ok(Some(result.ips.iter().any(|ip| is_held(ip.address.addr()))))
}
