//! Where a fact was seen.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

/// Where a fact was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Seen {
    /// What a runtime has kept of ADD.
    Cache(PathBuf),
    /// A reservation of host-local.
    Reservation(PathBuf),
    /// An interface in the container's network namespace.
    Interface {
        /// Its name.
        name: String,
        /// The namespace's inode.
        namespace: u64,
    },
    /// A link of the host.
    Link(String),
    /// A record of Linkspan about netfilter.
    Record(PathBuf),
    /// An element of a set, or a rule, that says whose it is.
    Netfilter(String),
}

impl Seen {
    /// The reservation of an address in a pool's directory.
    pub fn reservation(directory: &std::path::Path, address: IpAddr) -> Self {
        Self::Reservation(directory.join(address.to_string()))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cache(path) => write!(f, "kept result {}", path.display()),
            Self::Reservation(path) => write!(f, "reservation {}", path.display()),
            Self::Interface { name, namespace } => {
                write!(f, "interface {name} in namespace {namespace}")
            }
            Self::Link(name) => write!(f, "link {name}"),
            Self::Record(path) => write!(f, "record {}", path.display()),
            Self::Netfilter(words) => write!(f, "netfilter: {words}"),
        }
    }
}
