//! Which device an attachment has, kept until it is home again.
//!
//! While the device is in the container its alias tells its name. But when the namespace dies the kernel
//! returns the device by itself, under the name that it had in the container or another; then only this
//! tells whose it was and what it was called (plugins#773, multus#1134).

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use linkspan_kernel::netns::Netns;
use linkspan_netfilter::Owner;
use linkspan_plan::identity;
use linkspan_plugin::spec::{Error, ErrorCode};
use linkspan_state::origin::{Boot, Origin, Provenance};
use serde::{Deserialize, Serialize};

/// Where the records are: in memory, like the devices' names.
const DIRECTORY: &str = "/run/cni/linkspan/host-device";

/// The longest record that is read, in bytes.
const MAX_BYTES: u64 = 1 << 16;

/// The device of an attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    network: String,
    container: String,
    ifname: String,
    /// From which boot and for which network namespace.
    origin: Option<String>,
    /// Its name on the host.
    pub name: String,
    /// Its MAC address, the permanent one where it has one.
    pub mac: Option<[u8; 6]>,
    /// Its folder in sysfs, where it is hardware.
    pub device: Option<PathBuf>,
}

impl Record {
    /// The record of a device that is about to be moved into this namespace.
    pub fn new(owner: &Owner, netns: Option<&Netns>, name: &str) -> Self {
        let origin = Boot::current().map(|boot| Origin::now(&boot, netns).to_text());
        Self {
            network: owner.network().to_owned(),
            container: owner.container().to_owned(),
            ifname: owner.ifname().to_owned(),
            origin: origin.ok(),
            name: name.to_owned(),
            mac: None,
            device: None,
        }
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        Owner::from_texts(&self.network, &self.container, &self.ifname)
    }

    /// Whether the namespace that the device went to can still be there.
    pub fn may_live(&self) -> bool {
        let origin = self.origin.as_deref().and_then(Origin::parse);
        let provenance = Provenance {
            written: std::time::SystemTime::now(),
            origin,
        };
        Boot::current().map_or(true, |boot| provenance.reason_to_live(&boot).is_some())
    }

    /// Keeps it, all of it or nothing.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when the directory cannot be written.
    pub fn keep(&self) -> Result<(), Error> {
        let path = path(&self.owner());
        let keep = || -> io::Result<()> {
            fs::create_dir_all(DIRECTORY)?;
            let half = path.with_extension("new");
            fs::write(&half, serde_json::to_vec(self)?)?;
            fs::rename(&half, &path)
        };
        keep().map_err(|error| failed("write", &path, &error))
    }

    /// The record of an attachment; `None` when there is none, or one that means nothing.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when it cannot be looked at.
    pub fn of(owner: &Owner) -> Result<Option<Self>, Error> {
        let path = path(owner);
        read(&path).map_err(|error| failed("read", &path, &error))
    }

    /// Every record that means something.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when they cannot be looked at.
    pub fn all() -> Result<Vec<Self>, Error> {
        let read_all = || -> io::Result<Vec<Self>> {
            let mut records = Vec::new();
            for entry in fs::read_dir(DIRECTORY)? {
                records.extend(read(&entry?.path())?);
            }
            Ok(records)
        };
        match read_all() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            records => records.map_err(|error| failed("read", Path::new(DIRECTORY), &error)),
        }
    }
}

/// Forgets the record of an attachment; it need not be there.
///
/// # Errors
/// [`ErrorCode::IO_FAILURE`] when it cannot be removed.
pub fn forget(owner: &Owner) -> Result<(), Error> {
    let path = path(owner);
    for path in [path.with_extension("new"), path] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn path(owner: &Owner) -> PathBuf {
    Path::new(DIRECTORY).join(identity::file_name(owner))
}

fn read(path: &Path) -> io::Result<Option<Record>> {
    let mut bytes = Vec::new();
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes).ok())
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(
        ErrorCode::IO_FAILURE,
        format!("cannot {verb} {}: {error}", path.display()),
    )
    .with_details("it tells which device is whose; /run must be writable and have space")
}
