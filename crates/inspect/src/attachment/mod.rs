//! What is attached to what: put together from all that tells of an attachment.
//!
//! An attachment is told by network, container and interface. The kept results of the runtimes tell most; a reservation without
//! one, or what Linkspan wrote on a link, is an attachment too, of which less is known. What is inside comes from the kernel where
//! the namespace can be looked into, and from the result of ADD otherwise.

mod arguments;
mod called;
mod gather;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Serialize;

use crate::Seen;
use crate::containers::Name;
use crate::life::Life;

pub use arguments::{Limits, Port};
pub use called::{called, words_near};
pub(crate) use gather::{Sources, gather};

/// A container's interface on a network.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The network's name.
    pub network: String,
    /// The container's ID.
    #[serde(rename = "containerID")]
    pub container: String,
    /// The interface in the container; `None` where nothing tells it: in reservations of before 2018.
    pub ifname: Option<String>,
    /// What people call the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Whether the container is still there.
    #[serde(flatten)]
    pub life: Life,
    /// The path of the container's network namespace at ADD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<PathBuf>,
    /// The inode of the container's network namespace, where it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<u64>,
    /// The addresses that the interface has, or was given where it cannot be looked at.
    pub addresses: Vec<IpNet>,
    /// The addresses that ADD answered.
    pub assigned: Vec<IpNet>,
    /// The hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The largest packet, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The kind of the interface: `veth`, `macvlan`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The link of the host that it leads to: the other end, or the link that it is made on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_link: Option<String>,
    /// The bridge, bond or vrf that the host's link is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Addresses that are reserved for it.
    pub reserved: BTreeSet<IpAddr>,
    /// Whether it was only begun: its ADD failed, was killed or is under way, or it could not be detached.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// When it was attached, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Where it was seen.
    pub seen: Vec<Seen>,
}

impl Attachment {
    /// What to call the container: its name, or otherwise its ID.
    pub fn label(&self) -> String {
        let name = self.name.as_ref().map(ToString::to_string);
        name.unwrap_or_else(|| self.container.clone())
    }

    /// Whether a runtime has kept that it was attached.
    pub fn is_kept(&self) -> bool {
        self.seen.iter().any(|seen| matches!(seen, Seen::Cache(_)))
    }
}
