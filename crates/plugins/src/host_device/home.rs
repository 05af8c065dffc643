//! The way home of a device.

use linkspan_kernel::rtnl::Link;
use linkspan_netfilter::Owner;
use linkspan_plan::fault::explain;
use linkspan_plan::{Namespaces, move_out, rename};
use linkspan_plugin::spec::Error;

use super::record::{self, Record};
use super::sysfs::Sysfs;

/// Brings the device of an attachment home, from the container or from wherever the kernel has put it.
pub(super) fn bring(
    namespaces: Option<Namespaces>,
    ifname: &str,
    owner: &Owner,
) -> Result<(), Error> {
    let record = Record::of(owner)?;
    if let Some(namespaces) = &namespaces
        && let Some((inside, name)) = find_inside(namespaces, ifname, record.as_ref())?
    {
        let returned = move_out(namespaces, &inside, &name, "", false)?;
        // Under another name it is to be found by GC, once its own is free.
        return if returned.name == name {
            record::forget(owner)
        } else {
            Ok(())
        };
    }
    match record {
        // Not there any more, and made of software alone: somebody has deleted it inside.
        Some(record) if namespaces.is_some() && record.device.is_none() => {
            give_name_back(&record)?;
            record::forget(owner)
        }
        Some(record) => collect(&record),
        // Half of one may be there, of an ADD that died.
        None => record::forget(owner),
    }
}

/// The container's link, and the name that it had on the host; `None` when there is no such link, or it is
/// none of ours. The record tells the name: an alias may have been replaced, and tells it where there is no record.
/// A DEL that died may have given the link its name back already.
fn find_inside(
    namespaces: &Namespaces,
    ifname: &str,
    record: Option<&Record>,
) -> Result<Option<(String, String)>, Error> {
    let names = [Some(ifname), record.map(|record| record.name.as_str())];
    for inside in names.into_iter().flatten() {
        let link = match namespaces.container()?.rtnl().link(inside) {
            Ok(link) => link,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(explain(error)),
        };
        let name = match record {
            Some(record) => {
                let has_mac = record.mac == link.permanent_mac.or(link.mac);
                (has_mac || is_it(&link, record)).then(|| record.name.clone())
            }
            None => link.alias.filter(|alias| !alias.is_empty()),
        };
        if let Some(name) = name {
            return Ok(Some((inside.to_owned(), name)));
        }
    }
    match record {
        Some(record) => find_renamed(namespaces, record),
        None => Ok(None),
    }
}

/// The device under whatever name it has in the container by now.
fn find_renamed(
    namespaces: &Namespaces,
    record: &Record,
) -> Result<Option<(String, String)>, Error> {
    let links = namespaces.container()?.rtnl().links().map_err(explain)?;
    let found = links.into_iter().find(|link| is_it(link, record));
    Ok(found.map(|link| (link.name, record.name.clone())))
}

/// Whether a link is the device: it is told by its alias, and by the MAC address that it was made with, which a link
/// on top of it has not.
fn is_it(link: &Link, record: &Record) -> bool {
    link.alias.as_deref() == Some(record.name.as_str())
        || (record.mac.is_some() && link.permanent_mac == record.mac)
}

/// Looks for the device on the host, and forgets it once it is home, or can be nowhere.
pub(super) fn collect(record: &Record) -> Result<(), Error> {
    // Perhaps somebody holds the namespace, and the device comes later.
    if give_name_back(record)? || !record.may_live() {
        record::forget(&record.owner())
    } else {
        Ok(())
    }
}

/// Gives a device that the kernel has returned under another name its own back (multus#1134); whether it is on
/// the host.
fn give_name_back(record: &Record) -> Result<bool, Error> {
    let namespaces = Namespaces::host_only()?;
    let Some(link) = returned(record, &namespaces)? else {
        return Ok(false);
    };
    if link.name != record.name {
        rename(&link, &record.name, &namespaces)?;
    }
    Ok(true)
}

/// The device on the host: by its MAC address, and by its folder where it is hardware.
fn returned(record: &Record, namespaces: &Namespaces) -> Result<Option<Link>, Error> {
    let Some(mac) = record.mac else {
        return Ok(None);
    };
    let sysfs = Sysfs::default();
    let is_it = |link: &Link| match &record.device {
        Some(device) => sysfs.device_of(&link.name).as_ref() == Some(device),
        None => link.name == record.name || link.alias.as_deref() == Some(record.name.as_str()),
    };
    let links = namespaces
        .host()
        .rtnl()
        .links_by_mac(mac)
        .map_err(explain)?;
    Ok(links.into_iter().find(is_it))
}
