//! What a watched directory holds.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use linkspan_spec::NetworkList;

use super::places::Places;
use crate::Error;
use crate::load::{CONFIGURATION, Kind, PLUGIN, by_name, files, folder_of, load_file};

/// The networks of a watched directory, as they were read.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Networks {
    /// The files, in the order of their names.
    pub files: Vec<WatchedFile>,
    /// Why the directory cannot be read, though it is there; the files are then those of before.
    pub fault: Option<Error>,
}

/// A file of a watched directory.
#[derive(Debug)]
#[non_exhaustive]
pub struct WatchedFile {
    /// The file.
    pub path: PathBuf,
    /// The network that it holds; where there is a fault, the last that it has held, if any.
    pub network: Option<NetworkList>,
    /// Why the file cannot be used as it is now.
    pub fault: Option<Error>,
}

impl Networks {
    /// The network for whoever names none: that of the first file by name, as [`load_default`](crate::load_default) takes it.
    /// While that file cannot be used it is the network that it has held last; none when there was none, since the next file's
    /// is another network.
    pub fn default_network(&self) -> Option<&NetworkList> {
        self.files.first()?.network.as_ref()
    }

    /// The network of a name, of the first file that holds it in the order of [`load_network`](crate::load_network).
    pub fn network(&self, name: &str) -> Option<&NetworkList> {
        let of_kind = |kind| {
            self.files
                .iter()
                .filter(move |file| Kind::of(&file.path) == kind)
        };
        let mut files = of_kind(Kind::List).chain(of_kind(Kind::Single));
        files.find_map(|file| {
            file.network
                .as_ref()
                .filter(|network| network.name.as_str() == name)
        })
    }

    /// What is wrong: the directory, or files of it.
    pub fn faults(&self) -> impl Iterator<Item = &Error> {
        let files = self.files.iter().filter_map(|file| file.fault.as_ref());
        self.fault.iter().chain(files)
    }

    /// Reads a directory. All that is read is watched before it is.
    ///
    /// # Errors
    /// When there cannot be a watch.
    pub(super) fn read(directory: &Path, before: &Self, places: &mut Places) -> io::Result<Self> {
        places.directory(directory, CONFIGURATION)?;
        let found = match by_name(directory) {
            Ok(found) => found,
            Err(fault) => return Ok(before.with_fault(fault)),
        };
        let mut read = Vec::new();
        for (path, kind) in found {
            follow(&path, places)?;
            if let Some(folder) = folder_of(&path, kind) {
                places.directory(&folder, PLUGIN)?;
                // One that cannot be read is told of the list.
                for path in files(&folder, PLUGIN).unwrap_or_default() {
                    follow(&path, places)?;
                }
            }
            let loaded = load_file(&path, kind);
            read.extend(before.next(path, loaded));
        }
        Ok(Self {
            files: read,
            fault: None,
        })
    }

    /// What comes of a file, with what it held before.
    fn next(&self, path: PathBuf, loaded: Result<NetworkList, Error>) -> Option<WatchedFile> {
        let (network, fault) = match loaded {
            Ok(network) => (Some(network), None),
            // It has gone in the meantime.
            Err(Error::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound && !path.is_symlink() =>
            {
                return None;
            }
            Err(fault) => (self.held(&path).cloned(), Some(fault)),
        };
        Some(WatchedFile {
            path,
            network,
            fault,
        })
    }

    fn held(&self, path: &Path) -> Option<&NetworkList> {
        let found = self.files.binary_search_by(|file| (*file.path).cmp(path));
        self.files.get(found.ok()?)?.network.as_ref()
    }

    fn with_fault(&self, fault: Error) -> Self {
        let same = |file: &WatchedFile| WatchedFile {
            path: file.path.clone(),
            network: file.network.clone(),
            fault: None,
        };
        Self {
            files: self.files.iter().map(same).collect(),
            fault: Some(fault),
        }
    }

    /// Whether there is nothing to tell: the same networks, and the same faults in the same words.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = |(a, b): (&WatchedFile, &WatchedFile)| {
            a.path == b.path
                && a.network == b.network
                && words(a.fault.as_ref()) == words(b.fault.as_ref())
        };
        words(self.fault.as_ref()) == words(other.fault.as_ref())
            && self.files.len() == other.files.len()
            && self.files.iter().zip(&other.files).all(same)
    }
}

/// Watches what a file is a link to; what is in the directory itself is watched with it.
fn follow(path: &Path, places: &mut Places) -> io::Result<()> {
    match path.is_symlink() {
        true => places.file(path),
        false => Ok(()),
    }
}

/// An error with all that lies behind it.
fn words(error: Option<&Error>) -> Option<String> {
    let error = error?;
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        let _ = write!(words, ": {behind}");
        source = behind.source();
    }
    Some(words)
}
