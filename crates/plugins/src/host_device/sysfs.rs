//! What sysfs knows of devices.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use linkspan_plugin::spec::{Error, ErrorCode};

/// Drivers that hand a device to a program: it has no interface then.
const USER_SPACE: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// A tree as it is mounted at `/sys`.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::at("/sys")
    }
}

/// Where a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bus {
    /// On the PCI bus.
    Pci,
    /// On the auxiliary bus.
    Auxiliary,
}

impl Sysfs {
    /// The tree at another place.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn pci(&self, address: &str) -> PathBuf {
        self.root.join("bus/pci/devices").join(address)
    }

    fn auxiliary(&self, address: &str) -> PathBuf {
        self.root.join("bus/auxiliary/devices").join(address)
    }

    /// On which bus a device with this address is.
    ///
    /// # Errors
    /// When it is on neither.
    pub fn bus_of(&self, address: &str) -> Result<Bus, Error> {
        if self.pci(address).exists() {
            return Ok(Bus::Pci);
        }
        if self.auxiliary(address).exists() {
            return Ok(Bus::Auxiliary);
        }
        Err(unfound(format!(
            "runtime config DeviceID {address} not found or unsupported"
        )))
    }

    /// Whether a PCI device is bound to a driver of user space.
    ///
    /// # Errors
    /// When there is no such device, or none of a driver.
    pub fn is_for_user_space(&self, address: &str) -> Result<bool, Error> {
        let link = self.pci(address).join("driver");
        let driver = fs::canonicalize(&link).map_err(|error| {
            unfound(format!(
                "the driver of the PCI device {address} is not known: {}: {error}",
                link.display()
            ))
        })?;
        let name = driver.file_name().unwrap_or_default();
        Ok(USER_SPACE.iter().any(|driver| name == *driver))
    }

    /// The name of the interface of a PCI device; of a virtio device it is one folder deeper.
    ///
    /// # Errors
    /// When it has none.
    pub fn interface_of_pci(&self, address: &str) -> Result<String, Error> {
        let device = self.pci(address);
        if device.join("net").symlink_metadata().is_ok() {
            return first_interface(&device.join("net"));
        }
        let virtio = entries(&device)
            .unwrap_or_default()
            .into_iter()
            .find(|name| name.starts_with("virtio") && device.join(name).join("net").exists());
        match virtio {
            Some(name) => first_interface(&device.join(name).join("net")),
            None => Err(unfound(format!(
                "no net directory under pci device {address}"
            ))),
        }
    }

    /// The name of the interface of a device on the auxiliary bus.
    ///
    /// # Errors
    /// When it has none.
    pub fn interface_of_auxiliary(&self, address: &str) -> Result<String, Error> {
        first_interface(&self.auxiliary(address).join("net"))
    }

    /// The name of the interface of a device's folder, given as `/sys/devices/…`.
    ///
    /// # Errors
    /// When it has none.
    pub fn interface_at(&self, path: &Path) -> Result<String, Error> {
        let below = path.strip_prefix("/sys").unwrap_or(path);
        first_interface(&self.root.join(below).join("net"))
    }

    /// The folder of an interface's device; `None` when it is made of software alone.
    pub fn device_of(&self, interface: &str) -> Option<PathBuf> {
        let link = self.root.join("class/net").join(interface).join("device");
        fs::canonicalize(link).ok()
    }
}

/// The first interface of a device, by name.
fn first_interface(directory: &Path) -> Result<String, Error> {
    let names = entries(directory).map_err(|error| {
        unfound(format!(
            "failed to read directory {}: {error}",
            directory.display()
        ))
    })?;
    names.into_iter().next().ok_or_else(|| {
        unfound(format!(
            "failed to find network device in path {}",
            directory.display()
        ))
    })
}

fn entries(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn unfound(msg: String) -> Error {
    Error::new(ErrorCode::INTERNAL, msg).with_details(
        "the device is not there, has no driver, or is in a container already; `ls -l /sys/class/net` shows \
         the host's interfaces with their devices",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const PCI: &str = "0000:3b:00.1";

    /// A tree with a PCI device, a virtio device, one that is bound to a driver of user space, and one on
    /// the auxiliary bus.
    fn tree() -> (tempfile::TempDir, Sysfs) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for path in [
            "devices/pci0000:3a/0000:3b:00.1/net/ens1f1",
            "devices/pci0000:00/0000:00:03.0/virtio1/net/ens3",
            "devices/pci0000:3a/0000:3b:00.2",
            "devices/pci0000:3a/0000:3b:00.1/mlx5_core.sf.2/net/sf2",
            "bus/pci/devices",
            "bus/pci/drivers/ixgbe",
            "bus/pci/drivers/vfio-pci",
            "bus/auxiliary/devices",
            "class/net/ens1f1",
        ] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let link = |target: &str, path: &str| symlink(root.join(target), root.join(path)).unwrap();
        link(
            "devices/pci0000:3a/0000:3b:00.1",
            "bus/pci/devices/0000:3b:00.1",
        );
        link(
            "devices/pci0000:3a/0000:3b:00.2",
            "bus/pci/devices/0000:3b:00.2",
        );
        link(
            "devices/pci0000:00/0000:00:03.0",
            "bus/pci/devices/0000:00:03.0",
        );
        link(
            "bus/pci/drivers/ixgbe",
            "devices/pci0000:3a/0000:3b:00.1/driver",
        );
        link(
            "bus/pci/drivers/vfio-pci",
            "devices/pci0000:3a/0000:3b:00.2/driver",
        );
        link(
            "devices/pci0000:3a/0000:3b:00.1/mlx5_core.sf.2",
            "bus/auxiliary/devices/mlx5_core.sf.2",
        );
        link("devices/pci0000:3a/0000:3b:00.1", "class/net/ens1f1/device");
        let sysfs = Sysfs::at(root);
        (directory, sysfs)
    }

    #[test]
    fn interfaces_are_found_by_the_address_of_their_device() {
        let (_directory, sysfs) = tree();
        assert_eq!(sysfs.interface_of_pci(PCI).unwrap(), "ens1f1");
        assert_eq!(sysfs.interface_of_pci("0000:00:03.0").unwrap(), "ens3");
        assert_eq!(
            sysfs.interface_of_auxiliary("mlx5_core.sf.2").unwrap(),
            "sf2"
        );
        let path = Path::new("/sys/devices/pci0000:3a/0000:3b:00.1");
        assert_eq!(sysfs.interface_at(path).unwrap(), "ens1f1");
        let error = sysfs.interface_of_pci("0000:3b:00.2").unwrap_err();
        assert_eq!(error.msg, "no net directory under pci device 0000:3b:00.2");
    }

    #[test]
    fn a_device_id_tells_its_bus() {
        let (_directory, sysfs) = tree();
        assert_eq!(sysfs.bus_of(PCI), Ok(Bus::Pci));
        assert_eq!(sysfs.bus_of("mlx5_core.sf.2"), Ok(Bus::Auxiliary));
        assert!(sysfs.bus_of("0000:ff:00.0").is_err());
    }

    #[test]
    fn devices_of_user_space_are_known_by_their_driver() {
        let (_directory, sysfs) = tree();
        assert_eq!(sysfs.is_for_user_space(PCI), Ok(false));
        assert_eq!(sysfs.is_for_user_space("0000:3b:00.2"), Ok(true));
        assert!(sysfs.is_for_user_space("0000:00:03.0").is_err());
    }

    #[test]
    fn an_interface_tells_its_device() {
        let (_directory, sysfs) = tree();
        assert!(sysfs.device_of("ens1f1").unwrap().ends_with("0000:3b:00.1"));
        assert_eq!(sysfs.device_of("cni0"), None);
    }
}
