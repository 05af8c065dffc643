//! The device that a configuration means.

use linkspan_kernel::rtnl::{Link, Rtnl};
use linkspan_plan::fault::explain;
use linkspan_plugin::spec::{Error, ErrorCode};

use super::config::{Config, Source};
use super::sysfs::{Bus, Sysfs};

/// What a configuration's device is.
#[derive(Clone, Debug)]
pub enum Device {
    /// A link of the host.
    Link(Box<Link>),
    /// A PCI device that a program drives: there is no link.
    UserSpace,
}

/// Finds the device. The first source counts; that a PCI device is driven by a program is told by its
/// address, whatever else is given.
///
/// # Errors
/// When there is none.
pub fn find(config: &Config, rtnl: &Rtnl, sysfs: &Sysfs) -> Result<Device, Error> {
    for source in &config.sources {
        if is_for_user_space(source, sysfs)? {
            return Ok(Device::UserSpace);
        }
    }
    match config.sources.first() {
        Some(source) => find_link(source, rtnl, sysfs).map(|link| Device::Link(Box::new(link))),
        None => Err(unfound("no device is named", "")),
    }
}

fn is_for_user_space(source: &Source, sysfs: &Sysfs) -> Result<bool, Error> {
    match source {
        Source::Pci(address) => sysfs.is_for_user_space(address),
        Source::DeviceId(address) if sysfs.bus_of(address)? == Bus::Pci => {
            sysfs.is_for_user_space(address)
        }
        _ => Ok(false),
    }
}

fn find_link(source: &Source, rtnl: &Rtnl, sysfs: &Sysfs) -> Result<Link, Error> {
    let name = match source {
        Source::Name(name) => name.clone(),
        Source::Mac(mac) => {
            let links = rtnl.links_by_mac(mac.octets()).map_err(explain)?;
            return links.into_iter().next().ok_or_else(|| {
                unfound(
                    "failed to find physical interface",
                    &format!("no interface has the MAC address {mac}; "),
                )
            });
        }
        Source::KernelPath(path) => sysfs.interface_at(path)?,
        Source::Pci(address) => sysfs.interface_of_pci(address)?,
        Source::DeviceId(address) => match sysfs.bus_of(address)? {
            Bus::Pci => sysfs.interface_of_pci(address)?,
            Bus::Auxiliary => sysfs.interface_of_auxiliary(address)?,
        },
    };
    match rtnl.link_by_any_name(&name) {
        Err(error) if error.is_not_found() => Err(unfound(
            "Link not found",
            &format!("no interface is called {name:?}; "),
        )),
        found => found.map_err(explain),
    }
}

fn unfound(why: &str, reason: &str) -> Error {
    Error::new(
        ErrorCode::INTERNAL,
        format!("failed to find host device: {why}"),
    )
    .with_details(format!(
        "{reason}it may be in a container already, or have another name; `ip link` shows the host's interfaces"
    ))
}
