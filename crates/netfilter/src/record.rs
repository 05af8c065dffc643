//! What each attachment has in netfilter, kept where the kernel's own state is: in memory.
//!
//! A record is written before the first change and removed after the last, so whatever an interrupted
//! plugin left behind has a record. With it, DEL needs neither the previous result nor the container's
//! namespace, removes exactly what was made by the backend that made it, and does nothing at all where
//! there is none. It lies below /run, so that it is gone after a boot, like the ruleset.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linkspan_kernel::lock::{self, Lock};
use linkspan_kernel::netns::Netns;
use linkspan_spec::{Error, ErrorCode};
use linkspan_state::nameless;
use linkspan_state::origin::{Boot, Origin, Provenance};
use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::owner::{Owner, hex_sha512};
use super::part::Part;

/// Where the records are.
pub(super) const DIRECTORY: &str = "/run/cni/linkspan/netfilter";

/// The format of a record; one of another version is read as if there were none.
const VERSION: u32 = 1;

/// The longest record in bytes that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The longest file name.
const MAX_NAME: usize = 255;

/// What one plugin made for one attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    plugin: String,
    network: String,
    container: String,
    ifname: String,
    /// From which boot and for which network namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// What made it.
    pub backend: Backend,
    /// What it consists of.
    pub parts: Vec<Part>,
}

impl Record {
    /// `origin` is as [`origin`] tells it.
    pub(super) fn new(
        plugin: &str,
        owner: &Owner,
        origin: Option<String>,
        backend: Backend,
        parts: &[Part],
    ) -> Self {
        Self {
            version: VERSION,
            plugin: plugin.to_owned(),
            network: owner.network().to_owned(),
            container: owner.container().to_owned(),
            ifname: owner.ifname().to_owned(),
            origin,
            backend,
            parts: parts.to_vec(),
        }
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        Owner::from_texts(&self.network, &self.container, &self.ifname)
    }

    /// The plugin that made it.
    pub fn plugin(&self) -> &str {
        &self.plugin
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
pub(super) enum Found {
    Record(Record),
    /// It is there and cannot be read: something was made, who knows what.
    Unreadable,
    Nothing,
}

/// The directory of the records.
#[derive(Clone, Debug)]
pub(super) struct Records {
    directory: PathBuf,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            directory: DIRECTORY.into(),
        }
    }
}

impl Records {
    #[cfg(test)]
    pub(super) fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Where they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, plugin: &str, owner: &Owner) -> PathBuf {
        self.directory.join(file_name(plugin, owner))
    }

    /// Writes a record, all of it or nothing.
    pub(super) fn write(&self, record: &Record) -> Result<(), Error> {
        let path = self.path(&record.plugin, &record.owner());
        let write = || write_whole(&self.directory, &path, &serde_json::to_vec(record)?);
        let written = match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.directory).and_then(|()| write())
            }
            written => written,
        };
        written.map_err(|error| failed("write", &path, &error))
    }

    /// Keeps others from removing, or putting back, what the record says; `None` when there is no record.
    pub(super) fn hold(&self, plugin: &str, owner: &Owner) -> Result<Option<Lock>, Error> {
        let path = self.path(plugin, owner);
        match File::open(&path) {
            Ok(file) => Lock::take(file, lock::Mode::Alone, LOCK_DEADLINE)
                .map(Some)
                .map_err(|error| failed("lock", &path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &path, &error)),
        }
    }

    pub(super) fn read(&self, plugin: &str, owner: &Owner) -> Found {
        read(&self.path(plugin, owner))
    }

    /// Forgets a record; it need not be there.
    pub(super) fn remove(&self, plugin: &str, owner: &Owner) -> Result<(), Error> {
        let path = self.path(plugin, owner);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }

    /// Whether there is no record. Reads no more than the beginning of the directory.
    pub(super) fn is_empty(&self) -> bool {
        self.paths().next().is_none()
    }

    /// Every record that can be read.
    pub(super) fn all(&self) -> impl Iterator<Item = Record> {
        self.paths().filter_map(|path| match read(&path) {
            Found::Record(record) => Some(record),
            Found::Unreadable | Found::Nothing => None,
        })
    }

    fn paths(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
    }
}

/// Writes a file that appears under its name when it is complete: a kill leaves all of it or nothing, no
/// half beside it either. Only one plugin at a time works on an attachment, so the name is not contended.
fn write_whole(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let Some(mut file) = nameless::create(CWD, directory, mode)? else {
        let half = path.with_extension("new");
        fs::write(&half, bytes)?;
        return fs::rename(&half, path);
    };
    file.write_all(bytes)?;
    let publish = || nameless::link(&file, CWD, path);
    match publish() {
        Err(Errno::EXIST) => {
            fs::remove_file(path)?;
            Ok(publish()?)
        }
        published => Ok(published?),
    }
}

/// Reads the record at a path.
pub(super) fn read(path: &Path) -> Found {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(_) => return Found::Unreadable,
    };
    let reader = io::Read::take(io::BufReader::new(file), MAX_BYTES);
    match serde_json::from_reader::<_, Record>(reader) {
        Ok(record) if record.version == VERSION => Found::Record(record),
        _ => Found::Unreadable,
    }
}

/// Container, interface and plugin, apart by a character that none of them can hold; a hash of them
/// where they are too long for a file's name.
pub(super) fn file_name(plugin: &str, owner: &Owner) -> String {
    const ENDING: &str = ".json";
    let name = format!("{}:{}:{plugin}", owner.container(), owner.ifname());
    if name.len() + ENDING.len() <= MAX_NAME {
        name + ENDING
    } else {
        hex_sha512(&name) + ENDING
    }
}

/// How long to wait for others who work on the same directory, which takes microseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// Makes a directory beside the records if need be, and locks it.
pub(super) fn lock(directory: &Path) -> Result<Lock, Error> {
    fs::create_dir_all(directory)
        .and_then(|()| File::open(directory))
        .and_then(|file| Lock::take(file, lock::Mode::Alone, LOCK_DEADLINE))
        .map_err(|error| failed("lock", directory, &error))
}

/// Something in the records' directory could not be done.
pub(super) fn failed(verb: &str, path: &Path, error: &io::Error) -> Error {
    let msg = format!("cannot {verb} {}: {error}", path.display());
    Error::new(ErrorCode::IO_FAILURE, msg)
        .with_details("it records what DEL removes; /run must be writable and have space")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::Masquerade;
    use std::os::unix::fs::symlink;

    fn record(container: &str) -> Record {
        let owner = Owner::from_texts("mynet", container, "eth0");
        let part = Part::Masquerade(Masquerade {
            address: "10.22.0.2/16".parse().expect("an address"),
        });
        Record::new("bridge", &owner, None, Backend::Nftables, &[part])
    }

    #[test]
    fn a_record_is_read_back_and_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let records = Records::at(&directory.path().join("not/yet"));
        assert!(records.is_empty());
        for container in ["c1".to_owned(), "c".repeat(300)] {
            let record = record(&container);
            records.write(&record).expect("written");
            let found = records.read("bridge", &record.owner());
            assert_eq!(found, Found::Record(record.clone()));
            assert_eq!(records.read("portmap", &record.owner()), Found::Nothing);
            assert_eq!(
                records.all().collect::<Vec<_>>(),
                std::slice::from_ref(&record)
            );
            records.remove("bridge", &record.owner()).expect("removed");
            records
                .remove("bridge", &record.owner())
                .expect("removed again");
            assert!(records.is_empty());
        }
    }

    #[test]
    fn a_record_that_is_damaged_is_told_from_one_that_is_missing() {
        let directory = tempfile::tempdir().expect("a directory");
        let records = Records::at(directory.path());
        let record = record("c1");
        let path = records.path("bridge", &record.owner());
        let whole = serde_json::to_string(&record).expect("JSON");
        for damaged in [
            "",
            "{}",
            "null",
            &whole[..whole.len() / 2],
            &whole.replace(":1,", ":9,"),
        ] {
            fs::write(&path, damaged).expect("written");
            assert_eq!(
                records.read("bridge", &record.owner()),
                Found::Unreadable,
                "{damaged}"
            );
            assert_eq!(records.all().count(), 0);
            assert!(!records.is_empty());
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_no_record() {
        let directory = tempfile::tempdir().expect("a directory");
        let records = Records::at(directory.path());
        let record = record("c1");
        symlink("/nowhere", records.path("bridge", &record.owner())).expect("a link");
        assert_eq!(records.read("bridge", &record.owner()), Found::Nothing);
    }
}
