//! `status`, and what is known of namespaces.

use std::fs;
use std::io;
use std::path::Path;

use linkspan_runtime::Outcome;

use crate::args::OneNetwork;
use crate::failure::Failure;
use crate::ui::{Ui, object};

/// Where `ip netns` keeps namespaces, and the older path that leads there.
pub(super) const NAMESPACES: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// What is at the path of a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    /// A namespace.
    There,
    /// Nothing, or a plain file: what was a mount point before the machine was started again.
    Gone,
    /// It cannot be looked at, for this reason.
    Unknown(io::ErrorKind),
}

impl Namespace {
    /// What is at a path.
    pub(super) fn at(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        match (fs::metadata(path), fs::metadata("/proc/self/ns/net")) {
            (Ok(found), Ok(ours)) if found.dev() == ours.dev() => Self::There,
            (Ok(_), Ok(_)) => Self::Gone,
            (Err(error), _) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Gone,
                kind => Self::Unknown(kind),
            },
            (_, Err(error)) => Self::Unknown(error.kind()),
        }
    }
}

/// Asks whether a network is ready.
pub(crate) fn status(ui: Ui, args: &OneNetwork) -> Result<(), Failure> {
    let network = args.places.network(&args.network)?;
    let runtime = args.places.runtime(ui).build();
    let name = &network.name;
    let is_asked = match runtime.status(&network)? {
        Outcome::NotInVersion => {
            runtime.validate(&network)?;
            false
        }
        _ => true,
    };
    let words = match is_asked {
        true => format!("network {name} is ready"),
        false => format!(
            "the plugins of network {name} are there and support its version {}, which has no STATUS",
            network.cni_version
        ),
    };
    let told = object([
        ("network", name.as_str().into()),
        ("ready", true.into()),
        ("asked", is_asked.into()),
    ]);
    ui.done(&words, told)
}
