//! Namespaces that a run makes, and whose they are.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use linkspan_kernel::Error;
use linkspan_kernel::netns::{Netns, OpenError};
use linkspan_kernel::rtnl::{Change, LinkChange, Rtnl};
use rustix::fs::{FlockOperation, flock};

use crate::Run;

/// Where `ip netns` keeps namespaces.
pub(crate) const NAMESPACES: &str = "/run/netns";

/// A namespace that a run has made. Its name goes when this is dropped, unless it is to be kept.
///
/// It is locked as long as this lives: a name of a run whose namespace nobody has locked is of one that was killed.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) netns: Netns,
    kept: bool,
}

impl Place {
    /// Makes a namespace with its loopback interface switched on, as container runtimes do.
    pub(crate) fn make(run: Run, name: &str) -> Result<Self, Error> {
        let path = Path::new(NAMESPACES).join(name);
        let failed = |error| Error::new("make", format!("the folder {NAMESPACES}"), error);
        fs::create_dir_all(NAMESPACES).map_err(failed)?;
        let _turn = turn().map_err(failed)?;
        let place = Self {
            netns: Netns::create(&path)?,
            path,
            kept: run.kept,
        };
        flock(&place.netns, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| Error::new("lock", place.path.display().to_string(), error.into()))?;
        let rtnl = Rtnl::open_in(&place.netns)?;
        rtnl.change(Change::SetLink(rtnl.link("lo")?.index, LinkChange::up()))?;
        Ok(place)
    }

    /// The namespace at a path, if it was left by a run that has ended: then it is this one's. To be called by who has the
    /// [`turn`].
    pub(crate) fn adopt(path: PathBuf) -> Option<Self> {
        let netns = match Netns::open(&path) {
            Ok(netns) => netns,
            // It was killed between the file and the namespace.
            Err(OpenError::NotANamespace) => {
                let _ = Netns::remove(&path);
                return None;
            }
            Err(_) => return None,
        };
        flock(&netns, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(Self {
            path,
            netns,
            kept: false,
        })
    }

    /// Whether nobody has locked the namespace at a path.
    pub(crate) fn is_free(path: &Path) -> bool {
        let opened = Netns::open(path);
        opened.is_ok_and(|netns| flock(&netns, FlockOperation::NonBlockingLockShared).is_ok())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is found by the next run.
            let _ = Netns::remove(&self.path);
        }
    }
}

/// Keeps others from looking at a namespace between its making and its lock; `ip netns add` takes the same lock.
pub(crate) fn turn() -> io::Result<File> {
    let folder = File::open(NAMESPACES)?;
    flock(&folder, FlockOperation::LockExclusive)?;
    Ok(folder)
}
