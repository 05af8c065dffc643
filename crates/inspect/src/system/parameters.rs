//! Kernel parameters.

use std::collections::BTreeMap;

use linkspan_kernel::sysctl;
use serde::Serialize;

use crate::Host;

/// The values of kernel parameters, by their paths below `/proc/sys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parameters(BTreeMap<String, String>);

/// Those of the host as a whole.
const OF_HOST: [&str; 9] = [
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-iptables",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/ip_forward",
    "net/ipv4/neigh/default/gc_thresh3",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/conf/all/forwarding",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
];

/// Those of each link that leads to containers.
const OF_LINK: [&str; 4] = [
    "net/ipv4/conf/LINK/forwarding",
    "net/ipv4/conf/LINK/rp_filter",
    "net/ipv6/conf/LINK/disable_ipv6",
    "net/ipv6/conf/LINK/forwarding",
];

impl Parameters {
    /// Reads those that matter. What is not there is not there; what cannot be read neither.
    pub(super) fn read(host: &Host) -> Self {
        let attachments = host.attachments.iter();
        let mut links: Vec<&str> = attachments
            .flat_map(|one| one.bridge.as_deref().or(one.host_link.as_deref()))
            .collect();
        links.sort_unstable();
        links.dedup();
        let of_links = links
            .into_iter()
            .flat_map(|link| OF_LINK.map(|path| path.replace("LINK", link)));
        let paths = OF_HOST.into_iter().map(str::to_owned).chain(of_links);
        let value = |path: String| Some((sysctl::read(&path).ok()?, path));
        Self(
            paths
                .filter_map(value)
                .map(|(value, path)| (path, value))
                .collect(),
        )
    }

    /// The value of a parameter.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// The same, of one that is a number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.get(path)?.parse().ok()
    }
}

/// How `sysctl` writes the path of a parameter: with dots, and slashes where a name has dots.
pub fn dotted(path: &str) -> String {
    path.chars()
        .map(|letter| match letter {
            '/' => '.',
            '.' => '/',
            other => other,
        })
        .collect()
}

impl<const N: usize> From<[(&str, &str); N]> for Parameters {
    fn from(values: [(&str, &str); N]) -> Self {
        let owned = values.map(|(path, value)| (path.to_owned(), value.to_owned()));
        Self(owned.into_iter().collect())
    }
}
