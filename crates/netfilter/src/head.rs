//! What every record says first, and in its name: whose it is.

use std::io;
use std::time::SystemTime;

use linkspan_kernel::netns::Netns;
use linkspan_state::Folder;
use linkspan_state::origin::{Boot, Origin, Provenance};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::owner::{Owner, hex_sha512};

/// The folder of the records.
pub(super) const FOLDER: &str = "netfilter";

/// From the folder of a thing that a record has to the records: see [`register`](super::register).
pub(super) const UP: &str = "../..";

/// The longest record in bytes that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The longest file name.
const MAX_NAME: usize = 255;

/// How the names of records end.
pub(super) const ENDING: &str = ".json";

/// What every record says first, whichever version wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) version: u32,
    plugin: String,
    network: String,
    container: String,
    ifname: String,
    /// From which boot and for which network namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

impl Head {
    /// `origin` is as [`origin`] tells it.
    pub(super) fn new(version: u32, plugin: &str, owner: &Owner, origin: Option<String>) -> Self {
        Self {
            version,
            plugin: plugin.to_owned(),
            network: owner.network().to_owned(),
            container: owner.container().to_owned(),
            ifname: owner.ifname().to_owned(),
            origin,
        }
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> Owner {
        Owner::from_texts(&self.network, &self.container, &self.ifname)
    }

    /// The plugin that made it.
    pub(super) fn plugin(&self) -> &str {
        &self.plugin
    }

    pub(super) fn origin(&self) -> Option<&String> {
        self.origin.as_ref()
    }

    /// Why the attachment may still be there; `None` when its network namespace is certainly gone.
    pub(super) fn reason_to_live(&self) -> Option<String> {
        let origin = self.origin.as_deref().and_then(Origin::parse);
        let provenance = Provenance {
            // What has no origin counts as made now: its namespace may exist.
            written: SystemTime::now(),
            origin,
        };
        match Boot::current() {
            Ok(boot) => provenance.reason_to_live(&boot),
            Err(error) => Some(format!("it cannot be told which boot this is: {error}")),
        }
    }
}

/// The origin of an attachment of this network namespace, in text.
pub(super) fn origin(netns: Option<&Netns>) -> Option<String> {
    let boot = Boot::current().ok()?;
    Some(Origin::now(&boot, netns).to_text())
}

/// What was found where a record would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<T> {
    Record(T),
    /// It is there and cannot be read: something was made, who knows what.
    Unreadable,
    Nothing,
}

impl<T> Found<T> {
    pub(super) fn record(self) -> Option<T> {
        match self {
            Self::Record(one) => Some(one),
            Self::Unreadable | Self::Nothing => None,
        }
    }

    pub(super) fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> Found<U> {
        match self {
            Self::Record(one) => read(one).map_or(Found::Unreadable, Found::Record),
            Self::Unreadable => Found::Unreadable,
            Self::Nothing => Found::Nothing,
        }
    }
}

/// What the record of this name holds.
///
/// # Errors
/// When it could not be looked at just now, which says nothing of what it holds.
pub(super) fn bytes(folder: &Folder, name: &str) -> io::Result<Found<Vec<u8>>> {
    match folder.read(name, MAX_BYTES) {
        Ok(Some(bytes)) => Ok(Found::Record(bytes)),
        Ok(None) => Ok(Found::Nothing),
        Err(error) if is_passing(&error) => Err(error),
        Err(_) => Ok(Found::Unreadable),
    }
}

/// Whether an error is about the machine or the caller, and not about the file.
fn is_passing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(
            Errno::MFILE
                | Errno::NFILE
                | Errno::NOMEM
                | Errno::NOBUFS
                | Errno::IO
                | Errno::ACCESS
                | Errno::PERM
                | Errno::INTR
        )
    )
}

/// Network, container, interface and plugin, apart by a character that none of them can hold; a hash of them
/// where they are too long for a file's name.
pub(super) fn file_name(plugin: &str, owner: &Owner) -> String {
    let (network, container, ifname) = (owner.network(), owner.container(), owner.ifname());
    let name = format!("{network}:{container}:{ifname}:{plugin}");
    if name.len() + ENDING.len() <= MAX_NAME {
        name + ENDING
    } else {
        hex_sha512(&name) + ENDING
    }
}

/// Whose record has a name, and which plugin's, where the name tells.
pub(super) fn owner_of(name: &str) -> Option<(Owner, &str)> {
    let parts: Vec<&str> = name.strip_suffix(ENDING)?.split(':').collect();
    match parts[..] {
        [network, container, ifname, plugin] => {
            Some((Owner::from_texts(network, container, ifname), plugin))
        }
        _ => None,
    }
}
