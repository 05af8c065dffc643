//! A host with a link to somebody outside, which containers get interfaces on.

use linkspan_testkit::{Netns, Sandbox};

/// The host's link: `ens1`, whose name no interface of a container has, and `eth0`, which one may have too.
pub(crate) const MASTER: &str = "ens1";

/// Who is on the other side of the link, in both families.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) netns: Netns,
}

impl Peer {
    pub(crate) const V4: &str = "10.22.0.200";
    pub(crate) const V6: &str = "fd00:22::200";

    /// Lays a cable between the link `master` of a namespace and a peer that has addresses in the networks of the tests.
    #[track_caller]
    pub(crate) fn behind(sandbox: &Sandbox, netns: &Netns, master: &str) -> Self {
        Self::connect(sandbox, netns, master, "eth0")
    }

    /// The same with the addresses in VLAN 100.
    #[track_caller]
    pub(crate) fn in_vlan_100(sandbox: &Sandbox, netns: &Netns, master: &str) -> Self {
        Self::connect(sandbox, netns, master, "eth0.100")
    }

    #[track_caller]
    fn connect(sandbox: &Sandbox, master_netns: &Netns, master: &str, link: &str) -> Self {
        let netns = sandbox.netns("peer");
        master_netns.connect(master, &netns, "eth0");
        if let Some((below, id)) = link.split_once('.') {
            netns.run(&format!(
                "ip link add link {below} name {link} type vlan id {id}; ip link set {link} up"
            ));
        }
        netns.address(link, &format!("{}/16", Self::V4));
        netns.address(link, &format!("{}/64", Self::V6));
        Self { netns }
    }

    /// The MAC address that the peer knows for an address, after an echo.
    #[track_caller]
    pub(crate) fn knows(&self, address: &str) -> String {
        self.netns.ping(address);
        let known = self.netns.ip_json(&format!("neigh show {address}"));
        known[0]["lladdr"].as_str().unwrap().to_owned()
    }
}
