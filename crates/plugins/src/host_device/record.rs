//! Which device an attachment has, kept until it is home again.
//!
//! While the device is in the container its alias tells its name, and the container may write there what it likes: so
//! this tells which link the device is. And when the namespace dies the kernel
//! returns the device by itself, under the name that it had in the container or another; then only this
//! tells whose it was and what it was called (plugins#773, multus#1134).

use std::io;
use std::path::PathBuf;

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::Link;
use linkspan_netfilter::Owner;
use linkspan_plan::{Names, identity};
use linkspan_plugin::spec::{Error, ErrorCode};
use linkspan_state::Folder;
use linkspan_state::origin::{Boot, Origin, Provenance};
use serde::{Deserialize, Serialize};

/// The folder of the records: in memory, like the devices' names, and of one host.
const FOLDER: &str = "host-device";

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
    /// Its other names on the host.
    #[serde(default)]
    pub alt_names: Vec<String>,
    /// Which link it is in the container; `None` until it is there.
    #[serde(default)]
    pub inside: Option<Inside>,
}

/// What tells a device from every other link of the container, and cannot be changed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    index: u32,
    kind: Option<String>,
    permanent_mac: Option<[u8; 6]>,
    /// Its peer, or what it is made on.
    parent: Option<u32>,
    parent_netns: Option<i32>,
}

impl Inside {
    /// The link as it is in the container.
    pub fn of(link: &Link) -> Self {
        Self {
            index: link.index,
            kind: link.kind.clone(),
            permanent_mac: link.permanent_mac,
            parent: link.parent,
            parent_netns: link.parent_netns,
        }
    }
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
            alt_names: Vec::new(),
            inside: None,
        }
    }

    /// What the device is called on the host.
    pub fn names(&self) -> Names<'_> {
        Names {
            name: &self.name,
            alt_names: &self.alt_names,
        }
    }

    /// Whether a link of the container is the device. Its name, its alias and its MAC address are the container's to
    /// change, and tell it only where nothing else was written down: by an earlier version, or an ADD that died.
    pub fn is(&self, link: &Link, ifname: &str) -> bool {
        match &self.inside {
            Some(inside) => *inside == Inside::of(link),
            None => {
                let is_made_with_it = self.mac.is_some() && link.permanent_mac == self.mac;
                let is_called_so = [ifname, &self.name].contains(&link.name.as_str());
                is_made_with_it || (is_called_so && link.permanent_mac.or(link.mac) == self.mac)
            }
        }
    }

    /// Whether the device went into this namespace, as far as that is known.
    pub fn went_to(&self, netns: &Netns) -> bool {
        let origin = self.origin.as_deref().and_then(Origin::parse);
        origin.is_none_or(|origin| origin.may_be_for(netns))
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
        let keep = || -> io::Result<()> {
            let bytes = serde_json::to_vec(self)?;
            folder_or_new()?.write(&identity::file_name(&self.owner()), &bytes)
        };
        keep().map_err(|error| failed("write", &error))
    }

    /// The record of an attachment; `None` when there is none, or one that means nothing.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when it cannot be looked at.
    pub fn of(owner: &Owner) -> Result<Option<Self>, Error> {
        let of = || match folder()? {
            Some(folder) => read(&folder, &identity::file_name(owner)),
            None => Ok(None),
        };
        of().map_err(|error| failed("read", &error))
    }

    /// Every record that means something.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when they cannot be looked at.
    pub fn all() -> Result<Vec<Self>, Error> {
        let all = || -> io::Result<Vec<Self>> {
            let mut records = Vec::new();
            if let Some(folder) = folder()? {
                for name in folder.names()? {
                    records.extend(read(&folder, &name)?);
                }
            }
            Ok(records)
        };
        all().map_err(|error| failed("read", &error))
    }
}

/// Forgets the record of an attachment; it need not be there.
///
/// # Errors
/// [`ErrorCode::IO_FAILURE`] when it cannot be removed.
pub fn forget(owner: &Owner) -> Result<(), Error> {
    let forget = || match folder()? {
        Some(folder) => folder.remove(&identity::file_name(owner)),
        None => Ok(()),
    };
    forget().map_err(|error| failed("remove", &error))
}

/// The folder, if there is one; first what an earlier version kept for all hosts that share /run is taken over, as often as
/// somebody goes back to that version and comes again.
fn folder() -> io::Result<Option<Folder>> {
    if let Some(earlier) = Folder::of_all_if_there(FOLDER)? {
        let own = Folder::of_host(FOLDER)?;
        for name in earlier.names()? {
            match earlier.rename(&name, &own, &name) {
                // Another call has taken it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
        }
        Folder::of_all("")?.remove_folder(FOLDER);
    }
    Folder::of_host_if_there(FOLDER)
}

fn folder_or_new() -> io::Result<Folder> {
    folder()?.map_or_else(|| Folder::of_host(FOLDER), Ok)
}

fn read(folder: &Folder, name: &str) -> io::Result<Option<Record>> {
    let bytes = folder.read(name, MAX_BYTES)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn failed(verb: &str, error: &io::Error) -> Error {
    Error::new(
        ErrorCode::IO_FAILURE,
        format!("cannot {verb} the record of the device: {error}"),
    )
    .with_details(
        "it tells which device is whose, in /run/cni/linkspan; /run must be writable and have space, or \
         /var/lib/cni where /run is read-only",
    )
}
