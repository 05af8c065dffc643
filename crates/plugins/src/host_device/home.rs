//! The way home of a device.

use linkspan_kernel::rtnl::Link;
use linkspan_netfilter::Owner;
use linkspan_plan::fault::explain;
use linkspan_plan::{Names, Namespaces, move_out, rename};
use linkspan_plugin::Call;
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode};

use super::config::{Config, Source};
use super::record::{self, Record};
use super::sysfs::Sysfs;

/// Brings the device of an attachment home, from the container or from wherever the kernel has put it.
pub(super) fn bring(
    namespaces: Option<Namespaces>,
    call: &Call<'_, Deferred<Config>>,
    owner: &Owner,
) -> Result<(), Error> {
    let ifname = call.ifname()?.as_str();
    let Some(record) = Record::of(owner)? else {
        if let Some(namespaces) = &namespaces {
            bring_unrecorded(namespaces, ifname, call.config.get().ok())?;
        }
        // Half of one may be there, of an ADD that died.
        return record::forget(owner);
    };
    let netns = namespaces.as_ref().filter(|namespaces| {
        let netns = namespaces.container().ok().and_then(|side| side.netns());
        netns.is_some_and(|netns| record.went_to(netns))
    });
    let Some(namespaces) = netns else {
        return collect(&record);
    };
    match find_inside(namespaces, ifname, &record)? {
        Some(inside) => {
            let returned = move_out(namespaces, inside.index, record.names(), "", false)?;
            // Under another name it is to be found by GC, once its own is free.
            if returned.name == record.name {
                record::forget(owner)
            } else {
                Ok(())
            }
        }
        None => miss(&record),
    }
}

/// The device under whatever name it has in the container by now.
fn find_inside(
    namespaces: &Namespaces,
    ifname: &str,
    record: &Record,
) -> Result<Option<Link>, Error> {
    let rtnl = namespaces.container()?.rtnl();
    match rtnl.link(ifname) {
        Ok(link) if record.is(&link, ifname) => return Ok(Some(link)),
        Err(error) if !error.is_not_found() => return Err(explain(error)),
        _ => {}
    }
    let links = rtnl.links().map_err(explain)?;
    Ok(links.into_iter().find(|link| record.is(link, ifname)))
}

/// The device is not in the container any more. What is made of software alone was deleted, or goes with the
/// namespace that it was moved to; hardware comes back from any.
fn miss(record: &Record) -> Result<(), Error> {
    let Some(device) = &record.device else {
        give_name_back(record)?;
        return record::forget(&record.owner());
    };
    if give_name_back(record)? || !device.exists() {
        return record::forget(&record.owner());
    }
    Err(Error::new(
        ErrorCode::INTERNAL,
        format!(
            "the device {:?} is neither in the container nor on the host",
            record.name
        ),
    )
    .with_details(format!(
        "{} is there, and its interface is in another network namespace, perhaps of a process in the container; it \
         comes home when that ends: repeat DEL then, or leave it to GC",
        device.display()
    )))
}

/// Brings home what something else than Linkspan has moved in: its alias tells its name. The container can write that on
/// any link, so it must be the device that the configuration means, and one that the host misses.
fn bring_unrecorded(
    namespaces: &Namespaces,
    ifname: &str,
    config: Option<&Config>,
) -> Result<(), Error> {
    let link = match namespaces.container()?.rtnl().link(ifname) {
        Ok(link) => link,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(explain(error)),
    };
    let Some(name) = link.alias.as_deref().filter(|alias| !alias.is_empty()) else {
        return Ok(());
    };
    let is_meant = match config.and_then(|config| config.sources.first()) {
        Some(Source::Name(device)) => device == name,
        Some(Source::Mac(mac)) => [link.mac, link.permanent_mac].contains(&Some(mac.octets())),
        Some(Source::KernelPath(_) | Source::Pci(_) | Source::DeviceId(_)) => link.kind.is_none(),
        None => true,
    };
    if !is_meant {
        return Ok(());
    }
    match namespaces.host().rtnl().link_by_any_name(name) {
        Err(error) if error.is_not_found() => {}
        found => return found.map(drop).map_err(explain),
    }
    let names = Names {
        name,
        alt_names: &[],
    };
    move_out(namespaces, link.index, names, "", false).map(drop)
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
    rename(&link, record.names(), &namespaces)?;
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
