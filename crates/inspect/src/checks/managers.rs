//! Others who manage containers' links, or the ruleset.

use super::{Check, listed};
use crate::finding::Finding;
use crate::system::{Managed, Manager};
use crate::{Host, System};

pub(super) const NETWORK_MANAGER: Check = Check {
    id: "networkmanager-manages",
    title: "NetworkManager leaves containers' links alone",
    looks_at: "what NetworkManager notes of each link in /run/NetworkManager/devices",
    find: network_manager,
};

fn network_manager(_: &Host, system: &System) -> Vec<Finding> {
    let links = links_of(system, Manager::NetworkManager);
    if links.is_empty() {
        return Vec::new();
    }
    vec![
        NETWORK_MANAGER
            .warning("NetworkManager", format!("NetworkManager manages links of containers: {}", listed(&links)))
            .why("It asks for addresses on them, and takes away what it did not give.")
            .run(
                "printf '[keyfile]\\nunmanaged-devices+=interface-name:veth*;interface-name:cni*\\n' > \
                 /etc/NetworkManager/conf.d/99-containers.conf && nmcli general reload",
            ),
    ]
}

pub(super) const NETWORKD: Check = Check {
    id: "networkd-manages",
    title: "systemd-networkd leaves containers' links alone",
    looks_at: "what systemd-networkd notes of each link in /run/systemd/netif/links",
    find: networkd,
};

fn networkd(_: &Host, system: &System) -> Vec<Finding> {
    let links = links_of(system, Manager::Networkd);
    if links.is_empty() {
        return Vec::new();
    }
    let managed = system.managers.managed.iter();
    let mut files: Vec<String> = managed
        .filter_map(|one| one.file.as_ref())
        .map(|file| file.display().to_string())
        .collect();
    files.sort();
    files.dedup();
    let kinds = ["veth", "bridge"].join(" ");
    vec![
        NETWORKD
            .warning("systemd-networkd", format!("systemd-networkd manages links of containers: {}", listed(&links)))
            .why(format!(
                "By {} it takes away addresses and routes that it did not give.",
                listed(&files)
            ))
            .run(format!(
                "printf '[Match]\\nKind={kinds}\\n[Link]\\nUnmanaged=yes\\n' > /etc/systemd/network/05-containers.network && networkctl reload"
            )),
    ]
}

fn links_of(system: &System, manager: Manager) -> Vec<String> {
    let managed = system.managers.managed.iter();
    let of_manager = managed.filter(|one| one.manager == manager);
    of_manager.map(|one: &Managed| one.link.clone()).collect()
}

pub(super) const MAC_POLICY: Check = Check {
    id: "udev-mac-policy",
    title: "udev leaves the hardware addresses of new links alone",
    looks_at: "MACAddressPolicy in the first file of udev that is about a veth, where containers have links that others than Linkspan made",
    find: mac_policy,
};

// plugins#805
fn mac_policy(host: &Host, system: &System) -> Vec<Finding> {
    let Some(file) = &system.managers.mac_policy else {
        return Vec::new();
    };
    // Ours are made with an address that udev takes for meant.
    let is_of_others = |name: &str| {
        let link = host.links().and_then(|links| links.named(name));
        link.is_some_and(|link| link.kind.as_deref() == Some("veth") && link.alias.is_none())
    };
    let attachments = host.attachments.iter().filter(|one| one.life.is_alive());
    let mut links = attachments.filter_map(|one| one.host_link.as_deref());
    if !links.any(is_of_others) {
        return Vec::new();
    }
    vec![
        MAC_POLICY
            .note("udev", format!("udev gives new links of containers another hardware address, by {}", file.display()))
            .why("It does so after ADD has told the address, so that CHECK of the reference's plugins may fail. Linkspan's are spared.")
            .run(
                "printf '[Match]\\nDriver=veth\\n[Link]\\nMACAddressPolicy=none\\n' > /etc/systemd/network/50-veth.link && udevadm control \
                 --reload",
            ),
    ]
}

pub(super) const FLUSHED: Check = Check {
    id: "ruleset-flushed",
    title: "nobody flushes the rules of everybody, or they are put back",
    looks_at: "whether the service nftables is enabled and its file flushes the ruleset, and whether linkspan-reconcile is enabled",
    find: flushed,
};

fn flushed(host: &Host, system: &System) -> Vec<Finding> {
    let Some(file) = system
        .managers
        .flushed_by
        .as_ref()
        .filter(|_| !host.netfilter.records.is_empty())
    else {
        return Vec::new();
    };
    let path = file.display();
    vec![
        FLUSHED
            .note(
                "nftables",
                format!("the service nftables flushes all rules when it is reloaded, by {path}"),
            )
            .why("Running containers lose their masquerading and published ports with it.")
            .run("systemctl enable --now linkspan-reconcile.service"),
    ]
}
