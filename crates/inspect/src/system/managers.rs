//! Who else manages links: NetworkManager, systemd-networkd, udev; and what flushes the ruleset.
//!
//! What each of them takes for its own it notes below /run, by the link's number: that is looked at, and nobody is asked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Host;
use crate::link::Link;

/// A program that manages links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Manager {
    /// NetworkManager.
    NetworkManager,
    /// systemd-networkd.
    #[serde(rename = "systemd-networkd")]
    Networkd,
}

/// A link of containers that somebody else manages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Managed {
    /// The link's name.
    pub link: String,
    /// Who manages it.
    pub manager: Manager,
    /// The configuration by which it does, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// What others do to links and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Managers {
    /// The links that lead to containers and that somebody else manages.
    pub managed: Vec<Managed>,
    /// The file by which udev gives new links another hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_policy: Option<PathBuf>,
    /// The file that the service nftables loads, where that begins with flushing all rules of everybody, and the service is
    /// enabled and `linkspan reconcile` is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flushed_by: Option<PathBuf>,
}

/// Where the programs keep what they know of each link, by its number.
const NETWORK_MANAGER: &str = "/run/NetworkManager/devices";
const NETWORKD: &str = "/run/systemd/netif/links";

/// Where files of udev and systemd-networkd are, the first of a name being the one that counts.
const LINK_FILES: [&str; 4] = [
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
];

/// What shows that udev runs.
const UDEV: &str = "/run/udev/control";

const NFTABLES_CONF: &str = "/etc/nftables.conf";
const UNITS: &str = "/etc/systemd/system";

impl Managers {
    /// Looks for them.
    pub(super) fn read(host: &Host) -> Self {
        let links = host.links().map(|links| links.links.as_slice());
        let of_containers = |link: &&Link| {
            let mut attachments = host.attachments.iter();
            attachments.any(|one| {
                let is_pair = one.kind.as_deref() == Some("veth");
                let is_end = is_pair && one.host_link.as_deref() == Some(link.name.as_str());
                is_end || one.bridge.as_deref() == Some(link.name.as_str())
            })
        };
        let links = links.unwrap_or_default().iter().filter(of_containers);
        Self {
            managed: links.flat_map(managed).collect(),
            mac_policy: Path::new(UDEV).exists().then(mac_policy).flatten(),
            flushed_by: flushed_by(),
        }
    }
}

fn managed(link: &Link) -> Vec<Managed> {
    let read = |folder: &str| fs::read_to_string(Path::new(folder).join(link.index.to_string()));
    let mut found = Vec::new();
    let found_by = |manager, file| Managed {
        link: link.name.clone(),
        manager,
        file,
    };
    if read(NETWORK_MANAGER).is_ok_and(|text| is_managed(&text)) {
        found.push(found_by(Manager::NetworkManager, None));
    }
    if let Some(file) = read(NETWORKD).ok().as_deref().and_then(network_file) {
        found.push(found_by(Manager::Networkd, Some(file)));
    }
    found
}

/// Whether NetworkManager's file of a link says that it manages it.
fn is_managed(text: &str) -> bool {
    values(text, "managed").any(|value| value == "true")
}

/// The configuration by which systemd-networkd manages a link, as its file of the link says.
fn network_file(text: &str) -> Option<PathBuf> {
    let is_managed = values(text, "ADMIN_STATE").any(|state| state != "unmanaged");
    let file = values(text, "NETWORK_FILE").next();
    file.filter(|_| is_managed).map(PathBuf::from)
}

fn values<'t>(text: &'t str, key: &'t str) -> impl Iterator<Item = &'t str> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .filter(move |(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
}

/// The file by which udev gives a new pair another hardware address; `None` when it leaves it alone.
fn mac_policy() -> Option<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in LINK_FILES {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let is_link = path.extension().is_some_and(|ending| ending == "link");
            let is_hidden = files
                .iter()
                .any(|known| known.file_name() == path.file_name());
            if is_link && !is_hidden {
                files.push(path);
            }
        }
    }
    files.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    let first = files.into_iter().find_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        matches_pairs(&text).then_some((path, text))
    });
    let (path, text) = first?;
    let mut policies = values(&text, "MACAddressPolicy");
    policies.any(|policy| policy != "none").then_some(path)
}

/// Whether a file of udev is about a new `veth`, as far as what it asks for is known at once.
fn matches_pairs(text: &str) -> bool {
    let fits = |key: &str, name: &str| {
        let mut wanted = values(text, key).flat_map(str::split_whitespace).peekable();
        wanted.peek().is_none()
            || wanted.any(|pattern| pattern == "*" || pattern == name || pattern == "veth*")
    };
    let asks_more = [
        "MACAddress",
        "PermanentMACAddress",
        "Path",
        "Property",
        "Type",
        "Architecture",
        "Host",
    ];
    fits("OriginalName", "veth0")
        && fits("Driver", "veth")
        && fits("Kind", "veth")
        && asks_more
            .iter()
            .all(|key| values(text, key).next().is_none())
}

fn flushed_by() -> Option<PathBuf> {
    let text = fs::read_to_string(NFTABLES_CONF).ok()?;
    let flushes = text.lines().any(|line| line.trim() == "flush ruleset");
    let is_enabled = |unit: &str| -> io::Result<bool> {
        let mut wants = fs::read_dir(UNITS)?.flatten();
        Ok(wants.any(|entry| entry.path().join(unit).symlink_metadata().is_ok()))
    };
    let is_service = is_enabled("nftables.service").unwrap_or_default();
    let is_watched = is_enabled("linkspan-reconcile.service").unwrap_or_default();
    (flushes && is_service && !is_watched).then(|| NFTABLES_CONF.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_manage_stands_in_their_files() {
        for (text, expected) in [
            ("[device]\nmanaged=true\n", true),
            ("[device]\nmanaged=false\nnm-owned=false\n", false),
            ("[device]\n", false),
        ] {
            assert_eq!(is_managed(text), expected, "{text}");
        }
        for (text, expected) in [
            (
                "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/a.network\n",
                Some("/etc/systemd/network/a.network"),
            ),
            ("ADMIN_STATE=unmanaged\nNETWORK_FILE=/etc/x\n", None),
            ("ADMIN_STATE=configuring\n", None),
            ("OPER_STATE=routable\n", None),
        ] {
            assert_eq!(network_file(text), expected.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn files_of_udev_are_about_pairs_or_not() {
        for (text, expected) in [
            (
                "[Match]\nOriginalName=*\n\n[Link]\nMACAddressPolicy=persistent\n",
                true,
            ),
            (
                "[Match]\nDriver=veth\n[Link]\nMACAddressPolicy=none\n",
                true,
            ),
            ("[Match]\nOriginalName=en*\n", false),
            ("[Match]\nMACAddress=00:11:22:33:44:55\n", false),
            ("[Match]\nKind=bridge bond\n", false),
        ] {
            assert_eq!(matches_pairs(text), expected, "{text}");
        }
    }
}
