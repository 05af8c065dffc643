//! The keys of `host-device`, and what they come to.

use std::path::{Component, Path, PathBuf};

use linkspan_plugin::config::{Configuration, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Dns, Error, ErrorCode, MacAddr, PluginConfig};

use crate::attach::not_empty;

keys! {
    /// The keys of `host-device` as they stand in a configuration.
    pub struct Keys {
        /// The name of the device.
        "device" => device: Option<String>, read by [Add, Check, Status];
        /// The device's MAC address, when its name is not given.
        "hwaddr" => hwaddr: Option<String>, read by [Add, Check, Status];
        /// The device's folder below /sys/devices/, when neither is given.
        "kernelpath" => kernel_path: Option<String>, read by [Add, Check, Status];
        /// The device's address on the PCI bus, when nothing else is given; one that is bound to a driver
        /// of user space (vfio-pci, uio_pci_generic, igb_uio) has no interface and stays where it is.
        "pciBusID" => pci_bus_id: Option<String>, read by [Add, Check, Status];
        /// The device's address on the PCI or the auxiliary bus, from the runtime (capability deviceID);
        /// it replaces pciBusID.
        "runtimeConfig.deviceID" => device_id: Option<String>, read by [Add, Check, Status];
        /// The DNS settings of the result.
        "dns" => dns: Option<Dns>, read by [Add];
        /// The type of the IPAM plugin; without one the device gets no address.
        "ipam.type" => ipam_type: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

/// A configuration of `host-device`: at least one way to find the device is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// The ways to find the device, the one that counts first.
    pub sources: Vec<Source>,
    /// The DNS settings of the result.
    pub dns: Dns,
}

/// A way to find the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// By its name.
    Name(String),
    /// By its MAC address.
    Mac(MacAddr),
    /// By its folder below `/sys/devices/`.
    KernelPath(PathBuf),
    /// By its address on the PCI bus.
    Pci(String),
    /// By its address on the PCI or the auxiliary bus.
    DeviceId(String),
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        let mut sources = Vec::new();
        sources.extend(not_empty(keys.device).map(Source::Name));
        if let Some(text) = not_empty(keys.hwaddr) {
            let mac = text.parse().map_err(|_unsaid| {
                invalid(format!(
                    "failed to find host device: failed to parse MAC address {text:?}: address {text}: invalid \
                     MAC address"
                ))
            })?;
            sources.push(Source::Mac(mac));
        }
        if let Some(path) = not_empty(keys.kernel_path) {
            sources.push(Source::KernelPath(kernel_path(&path)?));
        }
        if let Some(id) = not_empty(keys.device_id) {
            sources.push(Source::DeviceId(bus_address("deviceID", id)?));
        } else if let Some(id) = not_empty(keys.pci_bus_id) {
            sources.push(Source::Pci(bus_address("pciBusID", id)?));
        }
        if sources.is_empty() {
            return Err(invalid(
                r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#.to_owned(),
            ));
        }
        Ok(Self {
            sources,
            dns: keys.dns.unwrap_or_default(),
        })
    }
}

fn kernel_path(text: &str) -> Result<PathBuf, Error> {
    let path = Path::new(text);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.starts_with("/sys/devices") && text.starts_with("/sys/devices/") && is_plain {
        return Ok(path.to_owned());
    }
    Err(invalid(format!(
        "failed to find host device: kernel device path {text:?} must be absolute and begin with /sys/devices/"
    )))
}

/// An address on a bus is the name of a folder, never a path.
fn bus_address(key: &str, text: String) -> Result<String, Error> {
    if text.contains('/') || text.starts_with('.') {
        return Err(invalid(format!(
            "invalid {key:?} {text:?}: it is an address on a bus, such as 0000:3b:00.1"
        )));
    }
    Ok(text)
}

fn invalid(msg: String) -> Error {
    Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg).with_details(
        "host-device moves one device of the host into the container: name it by \"device\", by its MAC \
         address in \"hwaddr\", by its folder in \"kernelpath\", or by its address on the PCI bus in \"pciBusID\"",
    )
}
