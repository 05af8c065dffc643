//! A host with a link to somebody outside, which containers get interfaces on.

use linkspan_testkit::{Netns, Sandbox};

/// The host's link: `ens1`, whose name no interface of a container has, and `eth0`, which one may have too.
pub(crate) const MASTER: &str = "ens1";

/// Who is on the other side of the link, in both families.
pub(crate) struct Peer {
    pub(crate) netns: Netns,
}

impl Peer {
    pub(crate) const V4: &str = "10.22.0.200";
    pub(crate) const V6: &str = "fd00:22::200";

    /// Lays a cable between the host's `master` and a peer that has addresses in the networks of the tests.
    #[track_caller]
    pub(crate) fn behind(sandbox: &Sandbox, master: &str) -> Self {
        let netns = sandbox.netns("peer");
        sandbox.host().connect(master, &netns, "eth0");
        let peer = Self { netns };
        peer.has_addresses_on("eth0");
        peer
    }

    #[track_caller]
    pub(crate) fn has_addresses_on(&self, link: &str) {
        self.netns.address(link, &format!("{}/16", Self::V4));
        self.netns.address(link, &format!("{}/64", Self::V6));
    }

    /// The MAC address that the peer knows for an address, after an echo.
    #[track_caller]
    pub(crate) fn knows(&self, address: &str) -> String {
        self.netns.ping(address);
        let known = self.netns.ip_json(&format!("neigh show {address}"));
        known[0]["lladdr"].as_str().unwrap().to_owned()
    }
}
