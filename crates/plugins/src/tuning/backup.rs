//! The settings that ADD replaced, kept for DEL in the reference's files.
//!
//! A file names container and interface, but not the network. So beside each of ours, in a directory of our
//! own, a symbolic link named after the whole attachment leads to it: GC finds what belongs to the network,
//! whatever directory the configuration had named.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use linkspan_netfilter::Owner;
use linkspan_plan::Settings;
use linkspan_plan::fault::all;
use linkspan_plugin::spec::{Attachment, Error, ErrorCode};
use serde::{Deserialize, Serialize};

/// Where the links are.
const INDEX: &str = "/run/cni/linkspan/tuning";

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 16;

/// What a file holds: the keys and their order are the reference's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    mac: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    promisc: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allmulti: Option<bool>,
    #[serde(rename = "txQLen", skip_serializing_if = "Option::is_none")]
    tx_queue_len: Option<u32>,
}

impl Content {
    fn of(settings: &Settings) -> Self {
        Self {
            mac: settings.mac.map(|mac| mac.to_string()).unwrap_or_default(),
            promisc: settings.promisc,
            mtu: settings.mtu,
            allmulti: settings.allmulti,
            tx_queue_len: settings.tx_queue_len,
        }
    }

    fn settings(self) -> Settings {
        Settings {
            mac: self.mac.parse().ok(),
            promisc: self.promisc,
            mtu: self.mtu.filter(|mtu| *mtu != 0),
            allmulti: self.allmulti,
            tx_queue_len: self.tx_queue_len,
            ..Settings::default()
        }
    }
}

/// The file of one attachment.
#[derive(Clone, Debug)]
pub(super) struct Backup {
    path: PathBuf,
    link: PathBuf,
}

impl Backup {
    pub(super) fn of(owner: &Owner, data_dir: &Path) -> Self {
        let name = format!("{}_{}.json", owner.container(), owner.ifname());
        // A relative directory is one below where the plugin is run, which GC may not be.
        let directory = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        Self {
            path: directory.join(name),
            link: Path::new(INDEX).join(link_name(&owner.to_string())),
        }
    }

    /// Keeps settings, all of them or nothing.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when a directory cannot be written.
    pub(super) fn keep(&self, settings: &Settings) -> Result<(), Error> {
        self.write(&Content::of(settings)).map_err(|error| {
            Error::new(
                ErrorCode::IO_FAILURE,
                format!("cannot write {}: {error}", self.path.display()),
            )
            .with_details(
                "it keeps the settings that DEL puts back; \"dataDir\" must name a directory that can be \
                 written and has space",
            )
        })
    }

    fn write(&self, content: &Content) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        for directory in [directory, Path::new(INDEX)] {
            fs::create_dir_all(directory)?;
        }
        // Found by GC from now on, whether the file is there yet or not.
        match symlink(&self.path, &self.link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&self.link)?;
                symlink(&self.path, &self.link)?;
            }
            outcome => outcome?,
        }
        let half = half(&self.path);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        file.write_all(&indented(content)?)?;
        drop(file);
        fs::rename(&half, &self.path)
    }

    /// The settings that were kept; `None` when there are none, or none that mean something.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when the file cannot be looked at.
    pub(super) fn settings(&self) -> Result<Option<Settings>, Error> {
        let read = || {
            let mut bytes = Vec::new();
            let file = fs::File::open(&self.path)?;
            file.take(MAX_BYTES).read_to_end(&mut bytes)?;
            Ok(serde_json::from_slice::<Content>(&bytes).ok())
        };
        match read() {
            Ok(content) => Ok(content.map(Content::settings)),
            Err(error) if is_nothing(&error) => Ok(None),
            Err(error) => Err(Error::new(
                ErrorCode::IO_FAILURE,
                format!("cannot read {}: {error}", self.path.display()),
            )),
        }
    }

    /// Forgets them; they need not be there.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when a file cannot be removed.
    pub(super) fn remove(&self) -> Result<(), Error> {
        // The link last: as long as there is a file, it is found.
        [half(&self.path), self.path.clone(), self.link.clone()]
            .iter()
            .try_for_each(|path| remove(path))
    }
}

/// Forgets what is kept for attachments of the network that are not valid.
///
/// # Errors
/// All that could not be removed, after all others were.
pub(super) fn collect(network: &str, valid: &[Attachment]) -> Result<(), Error> {
    let valid: Vec<String> = valid
        .iter()
        .map(|one| Owner::from_texts(network, &one.container_id, &one.ifname).to_string())
        .collect();
    let failed = |error: io::Error| {
        Error::new(
            ErrorCode::IO_FAILURE,
            format!("cannot read {INDEX}: {error}"),
        )
    };
    let entries = match fs::read_dir(INDEX) {
        Err(error) if is_nothing(&error) => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    let is_stale = |link: &Path| {
        let name = link.file_name().unwrap_or_default();
        let owner = owner_of(&name.to_string_lossy());
        Owner::is_of_network(&owner, network) && !valid.contains(&owner)
    };
    all(entries.map(|entry| {
        let link = entry.map_err(failed)?.path();
        match fs::read_link(&link) {
            Ok(path) if is_stale(&link) => Backup { path, link }.remove(),
            _ => Ok(()),
        }
    }))
}

/// The name of the link of an attachment. None of its parts can hold a slash or a colon.
fn link_name(owner: &str) -> String {
    owner.replace('/', ":")
}

fn owner_of(link: &str) -> String {
    link.replace(':', "/")
}

/// Whether there is no such file. What is too long for the name of a file is the name of none.
fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

/// Where a file is before it is whole.
fn half(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if !is_nothing(&error) => Err(Error::new(
            ErrorCode::IO_FAILURE,
            format!("cannot remove {}: {error}", path.display()),
        )),
        _ => Ok(()),
    }
}

/// As the reference writes it: indented by one space, no newline at the end.
fn indented(content: &Content) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    content.serialize(&mut serializer)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use linkspan_plugin::spec::MacAddr;

    use super::*;

    fn settings() -> Settings {
        Settings {
            mac: Some(MacAddr::new([2, 0, 0, 0, 0, 1])),
            mtu: Some(1500),
            promisc: Some(false),
            allmulti: Some(true),
            tx_queue_len: Some(0),
            ..Settings::default()
        }
    }

    #[test]
    fn the_format_is_the_references() {
        let bytes = indented(&Content::of(&settings())).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let expected = "{\n \"mac\": \"02:00:00:00:00:01\",\n \"promisc\": false,\n \"mtu\": 1500,\n \
                        \"allmulti\": true,\n \"txQLen\": 0\n}";
        assert_eq!(text, expected);
        let nothing = indented(&Content::default()).unwrap();
        assert_eq!(nothing, b"{}");
        let read: Content = serde_json::from_str(expected).unwrap();
        assert_eq!(read.settings(), settings());
    }

    #[test]
    fn what_another_version_wrote_beside_is_no_obstacle() {
        let read: Content = serde_json::from_str(r#"{ "mtu": 1500, "speed": 10 }"#).unwrap();
        assert_eq!(read.settings().mtu, Some(1500));
    }
}
