//! The settings that ADD replaced, kept for DEL in the reference's files.
//!
//! A file names container and interface, but not the network. So beside each of ours, in a directory of our
//! own, a symbolic link named after the whole attachment leads to it: GC finds what belongs to the network,
//! whatever directory the configuration had named.

use std::io;
use std::path::{Path, PathBuf};

use linkspan_netfilter::Owner;
use linkspan_plan::Settings;
use linkspan_plan::fault::all;
use linkspan_plugin::spec::{Attachment, Error, ErrorCode};
use linkspan_state::Folder;
use serde::{Deserialize, Serialize};

/// The folder of the links.
const INDEX: &str = "tuning";

/// The mode of the directory of the files, which the reference makes without the right to enter it.
const DIRECTORY_MODE: u32 = 0o700;

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
    directory: PathBuf,
    name: String,
    link: String,
}

impl Backup {
    pub(super) fn of(owner: &Owner, data_dir: &Path) -> Self {
        Self {
            // A relative directory is one below where the plugin is run, which GC may not be.
            directory: std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned()),
            name: format!("{}_{}.json", owner.container(), owner.ifname()),
            link: link_name(&owner.to_string()),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Keeps settings, all of them or nothing.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when a directory cannot be written.
    pub(super) fn keep(&self, settings: &Settings) -> Result<(), Error> {
        self.write(&Content::of(settings)).map_err(|error| {
            Error::new(
                ErrorCode::IO_FAILURE,
                format!("cannot write {}: {error}", self.path().display()),
            )
            .with_details(
                "it keeps the settings that DEL puts back; \"dataDir\" must name a directory that can be \
                 written and has space",
            )
        })
    }

    fn write(&self, content: &Content) -> io::Result<()> {
        let files = Folder::at(&self.directory, DIRECTORY_MODE)?;
        // Found by GC from now on, whether the file is there yet or not.
        Folder::of_all(INDEX)?.link(&self.link, self.path())?;
        files.write(&self.name, &indented(content)?)
    }

    /// The settings that were kept; `None` when there are none, none that mean something, or none of this attachment.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when the file cannot be looked at.
    pub(super) fn settings(&self) -> Result<Option<Settings>, Error> {
        let read = || -> io::Result<Option<Settings>> {
            let bytes = match at_if_there(&self.directory)? {
                Some(files) if !self.is_of_another()? => files.read(&self.name, MAX_BYTES)?,
                _ => None,
            };
            let content = bytes.and_then(|bytes| serde_json::from_slice::<Content>(&bytes).ok());
            Ok(content.map(Content::settings))
        };
        read().map_err(|error| {
            Error::new(
                ErrorCode::IO_FAILURE,
                format!("cannot read {}: {error}", self.path().display()),
            )
        })
    }

    /// Whether the file, whose name is without a network, is that of another network's attachment: this one's was
    /// refused, since the container has such an interface already.
    fn is_of_another(&self) -> io::Result<bool> {
        let Some(index) = Folder::of_all_if_there(INDEX)? else {
            return Ok(false);
        };
        if index.has(&self.link)? {
            return Ok(false);
        }
        let path = self.path();
        for link in index.names()? {
            if index.link_target(&link)?.as_ref() == Some(&path) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets them; they need not be there.
    ///
    /// # Errors
    /// [`ErrorCode::IO_FAILURE`] when a file cannot be removed.
    pub(super) fn remove(&self) -> Result<(), Error> {
        let remove = || -> io::Result<()> {
            if !self.is_of_another()?
                && let Some(files) = at_if_there(&self.directory)?
            {
                files.remove(&self.name)?;
            }
            // The link last: as long as there is a file, it is found.
            match Folder::of_all_if_there(INDEX)? {
                Some(index) => index.remove(&self.link),
                None => Ok(()),
            }
        };
        remove().map_err(|error| {
            Error::new(
                ErrorCode::IO_FAILURE,
                format!("cannot remove {}: {error}", self.path().display()),
            )
        })
    }
}

/// The directory; `None` when there is none, nor can there be one.
fn at_if_there(directory: &Path) -> io::Result<Option<Folder>> {
    match Folder::at_if_there(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        there => there,
    }
}

/// Forgets what is kept for attachments of the network that are not valid.
///
/// # Errors
/// All that could not be removed, after all others were.
pub(super) fn collect(network: &str, valid: &[Attachment]) -> Result<(), Error> {
    let failed = |error: io::Error| {
        Error::new(
            ErrorCode::IO_FAILURE,
            format!("cannot read the folder {INDEX:?} below /run/cni/linkspan: {error}"),
        )
    };
    let Some(index) = Folder::of_all_if_there(INDEX).map_err(failed)? else {
        return Ok(());
    };
    let valid: Vec<String> = valid
        .iter()
        .map(|one| Owner::from_texts(network, &one.container_id, &one.ifname).to_string())
        .collect();
    let links = index.names().map_err(failed)?.into_iter();
    let stale = links.filter(|link| {
        let owner = owner_of(link);
        Owner::is_of_network(&owner, network) && !valid.contains(&owner)
    });
    all(stale.map(|link| {
        let path = index.link_target(&link).map_err(failed)?;
        let file = path
            .as_deref()
            .and_then(|path| Some((path.parent()?, path.file_name()?)));
        let Some((directory, name)) = file else {
            return Ok(());
        };
        Backup {
            directory: directory.to_owned(),
            name: name.to_string_lossy().into_owned(),
            link,
        }
        .remove()
    }))
}

/// The name of the link of an attachment. None of its parts can hold a slash or a colon.
fn link_name(owner: &str) -> String {
    owner.replace('/', ":")
}

fn owner_of(link: &str) -> String {
    link.replace(':', "/")
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
