//! What can be put right without anybody's decision.
//!
//! Each looks again at what it is about to change and leaves alone what is not as it was found: between the look and the repair
//! a container may have been attached.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use linkspan_kernel::sysctl;
use linkspan_netfilter::Owner;
use rustix::fs::OFlags;
use serde::Serialize;

use crate::attachment::Attachment;
use crate::audit::{self, Freed, Item};
use crate::{Host, Problem};

/// Something that is put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Repair {
    /// Sets a kernel parameter.
    Parameter {
        /// Its path below `/proc/sys`.
        path: String,
        /// The value that it gets.
        value: String,
    },
    /// Gives a leaked address back, or removes what a crash has left in a pool.
    Free(Item),
    /// Puts back what others removed from netfilter.
    Reconcile,
    /// Removes what netfilter has of an attachment whose container is certainly gone.
    Forget {
        /// The network.
        network: String,
        /// The container's ID.
        #[serde(rename = "containerID")]
        container: String,
        /// Its interface, where that is known.
        ifname: Option<String>,
    },
    /// Takes from others the right to write.
    Mode {
        /// The directory or file.
        path: PathBuf,
        /// The mode that it gets.
        mode: u32,
    },
    /// Lets a file be executed.
    Executable {
        /// The file.
        path: PathBuf,
    },
}

/// What has become of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was left alone, for a reason: something has changed since it was found.
    LeftAlone(String),
}

impl Repair {
    /// Does it; `host` is a fresh look.
    ///
    /// # Errors
    /// What could not be done, and why.
    pub fn carry_out(&self, host: &Host) -> Result<Outcome, Problem> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Problem::new(format!("cannot {self}"), error)
        };
        let done =
            match self {
                Self::Parameter { path, value } => {
                    sysctl::write(path, value).map_err(|error| failed(&error))
                }
                Self::Free(item) => return free(item, host),
                Self::Reconcile => return reconcile(),
                Self::Forget {
                    network,
                    container,
                    ifname,
                } => return forget(network, container, ifname.as_deref(), host),
                // Rights are only taken away, and not from what a link leads to: that others put it there is what is mended.
                Self::Mode { path, mode } => set_mode(path, OFlags::NOFOLLOW, |now| now & *mode)
                    .map_err(|error| failed(&error)),
                Self::Executable { path } => set_mode(path, OFlags::empty(), |now| now | 0o111)
                    .map_err(|error| failed(&error)),
            };
        done.map(|()| Outcome::Done)
    }
}

/// What is done, as it stands after "will" and "cannot".
impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter { path, value } => {
                write!(f, "set {} to {value}", crate::system::dotted(path))
            }
            Self::Free(item) => match (&item.container, item.address) {
                (Some(container), Some(address)) => {
                    write!(f, "give {address} of {container} back to {}", item.network)
                }
                _ => write!(f, "remove {}", item.file.display()),
            },
            Self::Reconcile => f.write_str("put back what others removed from netfilter"),
            Self::Forget {
                network, container, ..
            } => write!(f, "remove what netfilter has of {container} on {network}"),
            Self::Mode { path, mode } => {
                write!(f, "set the mode of {} to {mode:03o}", path.display())
            }
            Self::Executable { path } => write!(f, "let {} be executed", path.display()),
        }
    }
}

fn free(item: &Item, host: &Host) -> Result<Outcome, Problem> {
    let freed = audit::free(std::slice::from_ref(item), host, false).pop();
    match freed.map(|(_, freed)| freed) {
        Some(Freed::No(why)) => Ok(Outcome::LeftAlone(why)),
        Some(Freed::Failed(problem)) => Err(problem),
        _ => Ok(Outcome::Done),
    }
}

fn reconcile() -> Result<Outcome, Problem> {
    let failed = |error: &linkspan_spec::Error| {
        Problem::new("cannot put back what others removed from netfilter", error)
    };
    let outcomes = linkspan_netfilter::reconcile().map_err(|error| failed(&error))?;
    match outcomes.into_iter().find_map(|(_, outcome)| outcome.err()) {
        Some(error) => Err(failed(&error)),
        None => Ok(Outcome::Done),
    }
}

fn forget(
    network: &str,
    container: &str,
    ifname: Option<&str>,
    host: &Host,
) -> Result<Outcome, Problem> {
    let is_of = |one: &&Attachment| one.network == network && one.container == container;
    if host
        .attachments
        .iter()
        .filter(is_of)
        .any(|one| !one.life.is_gone())
    {
        return Ok(Outcome::LeftAlone("its container may be there".to_owned()));
    }
    let owner = Owner::from_texts(network, container, ifname.unwrap_or_default());
    let forgotten = linkspan_netfilter::forget(&owner);
    forgotten.map(|()| Outcome::Done).map_err(|error| {
        Problem::new(
            format!("cannot remove what netfilter has of {owner}"),
            &error,
        )
    })
}

/// Changes the mode of a file or directory to what it is made of the present one.
///
/// Whoever may write where it lies can put another thing there, between the look and this: what is no file or directory by now is
/// not waited for.
fn set_mode(path: &Path, flags: OFlags, mode: impl Fn(u32) -> u32) -> io::Result<()> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() && !meta.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is neither a file nor a directory",
        ));
    }
    let now = meta.permissions().mode();
    file.set_permissions(fs::Permissions::from_mode(mode(now & 0o7777)))
}
