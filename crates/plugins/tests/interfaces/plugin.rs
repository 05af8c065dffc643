//! What the plugins differ in, as far as cases that all of them share must know it.

use linkspan_testkit::{Feature, Netns, Sandbox, Setup, needs, with};
use serde_json::{Value, json};

use crate::wire::{MASTER, Peer};
use crate::world::{World, dual_stack};

/// A plugin that makes an interface, and its network in the tests.
#[derive(Clone)]
pub(crate) struct Plugin {
    pub(crate) name: &'static str,
    /// What is needed of the kernel.
    features: &'static [Feature],
    /// Keys of the network beside its version, name and addresses.
    pub(crate) keys: Value,
    /// Lays the cable of a master, which is named, to a peer with addresses; none where there is no master.
    lay: Option<fn(&Sandbox, &Netns, &str) -> Peer>,
    /// By which keys the attachments of one test differ from each other.
    pub(crate) differ: fn(u32) -> Value,
    /// What CHECK calls the link that it expects.
    pub(crate) kind: &'static str,
    /// Whether the interface has the MAC address of its master.
    pub(crate) has_mac_of_master: bool,
}

impl Plugin {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            features: &[],
            keys: json!({}),
            lay: None,
            differ: |_| json!({}),
            kind: "",
            has_mac_of_master: false,
        }
    }

    /// What a test of it asks for.
    pub(crate) fn setup(&self) -> Setup {
        needs(self.features)
    }

    /// Runs a test on a host with its network.
    #[track_caller]
    pub(crate) fn test(&self, body: impl FnOnce(&World<'_>)) {
        self.setup()
            .sandbox(|sandbox| body(&World::new(sandbox, self)));
    }

    /// Lays the cable of a master.
    #[track_caller]
    pub(crate) fn lay(&self, sandbox: &Sandbox, netns: &Netns, master: &str) -> Option<Peer> {
        self.lay.map(|lay| lay(sandbox, netns, master))
    }
}

/// Nothing is behind it, so that routes lead nowhere.
pub(crate) fn dummy() -> Plugin {
    let ipam = with(&dual_stack(), json!({ "routes": [] }));
    Plugin {
        features: &[Feature::Dummy],
        keys: json!({ "ipam": ipam }),
        kind: "a dummy",
        ..Plugin::new("dummy")
    }
}

pub(crate) fn ipvlan() -> Plugin {
    Plugin {
        features: &[Feature::Ipvlan],
        keys: json!({ "master": MASTER }),
        lay: Some(Peer::behind),
        kind: "an ipvlan in mode l2",
        has_mac_of_master: true,
        ..Plugin::new("ipvlan")
    }
}

pub(crate) fn macvlan() -> Plugin {
    Plugin {
        keys: json!({ "master": MASTER }),
        lay: Some(Peer::behind),
        kind: "a macvlan in mode bridge",
        ..Plugin::new("macvlan")
    }
}

pub(crate) fn ptp() -> Plugin {
    Plugin::new("ptp")
}

/// With what it keeps beside links.
pub(crate) fn ptp_with_masquerading() -> Plugin {
    Plugin {
        keys: json!({ "ipMasq": true }),
        ..ptp()
    }
}

/// The peer has its addresses in VLAN 100. A VLAN is free again some time after the namespace that had it has gone.
pub(crate) fn vlan() -> Plugin {
    Plugin {
        features: &[Feature::Vlan],
        keys: json!({ "master": MASTER, "vlanId": 100 }),
        lay: Some(Peer::in_vlan_100),
        differ: |number| json!({ "vlanId": 100 + number }),
        kind: "VLAN 100",
        ..Plugin::new("vlan")
    }
}
