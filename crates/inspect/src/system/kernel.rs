//! What the networks need of the kernel and of daemons, tried out.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use linkspan_kernel::features;
use linkspan_spec::{Value, decode};

use crate::Host;
use crate::network::Network;

/// The kinds of links that a plugin makes.
fn kinds_of(plugin: &str) -> &'static [&'static str] {
    match plugin {
        "bridge" => &["bridge", "veth"],
        "ptp" => &["veth"],
        "macvlan" => &["macvlan"],
        "ipvlan" => &["ipvlan"],
        "vlan" => &["vlan"],
        "dummy" => &["dummy"],
        "vrf" => &["vrf"],
        "bandwidth" => &["ifb"],
        _ => &[],
    }
}

/// Those that the networks in force need and the kernel cannot make. Where links of a kind are there, and where nobody may try,
/// nothing is said.
pub(super) fn missing_link_kinds(host: &Host) -> Vec<String> {
    let plugins = in_force(host).flat_map(|network| &network.plugins);
    let mut wanted: BTreeSet<&str> = plugins
        .flat_map(|plugin| kinds_of(plugin))
        .copied()
        .collect();
    for namespace in &host.namespaces {
        for link in &namespace.links().links {
            wanted.remove(link.kind.as_deref().unwrap_or_default());
        }
    }
    let wanted: Vec<&str> = wanted.into_iter().collect();
    let missing = features::missing_link_kinds(&wanted).unwrap_or_default();
    missing.into_iter().map(str::to_owned).collect()
}

/// Where the daemon of `dhcp` listens unless a configuration says otherwise.
const DHCP_SOCKET: &str = "/run/cni/dhcp.sock";

/// The sockets on which nobody listens though networks in force need that.
pub(super) fn silent_daemons(host: &Host) -> Vec<PathBuf> {
    let plugins =
        in_force(host).flat_map(|network| network.list.iter().flat_map(|list| &list.plugins));
    let of_dhcp = plugins
        .filter_map(|plugin| plugin.ipam())
        .filter(|ipam| decode::key(ipam, "type").and_then(Value::as_str) == Some("dhcp"));
    let sockets: BTreeSet<PathBuf> = of_dhcp
        .map(|ipam| {
            let path = decode::key(ipam, "daemonSocketPath").and_then(Value::as_str);
            path.filter(|path| !path.is_empty())
                .unwrap_or(DHCP_SOCKET)
                .into()
        })
        .collect();
    let is_silent = |path: &PathBuf| {
        let kind = UnixStream::connect(path).err().map(|error| error.kind());
        // Whoever may not enter the directory cannot tell.
        kind.is_some_and(|kind| kind != std::io::ErrorKind::PermissionDenied)
    };
    sockets.into_iter().filter(is_silent).collect()
}

fn in_force(host: &Host) -> impl Iterator<Item = &Network> {
    host.networks.iter().filter(|network| network.is_in_force())
}
