//! The guard against forged MAC addresses: macspoofchk of bridge.
//!
//! ```text
//! set guarded { type ifname; elements = { "veth1a2b" comment "mynet/c1/eth0" } }
//! set genuine { type ifname . ether_addr; elements = { "veth1a2b" . 02:00:00:00:00:01 comment "mynet/c1/eth0" } }
//! chain prerouting { type filter hook prerouting priority -300; iifname @guarded iifname . ether saddr != @genuine drop }
//! ```
//!
//! One rule however many containers there are; a frame from a port that is not guarded costs one lookup.

use std::fmt;

use linkspan_nft::{Chain, DataType, Element, Family, Field, Hook, Rule, Set, Table, Value};
use linkspan_spec::{Error, MacAddr};
use serde::{Deserialize, Serialize};

use super::{Group, Owner, Part, Placed, Want};
use crate::reference::{has_chain, remove_chains};

/// The container sends from its own MAC address only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoofGuard {
    /// The host's end of the container's link, a port of the bridge.
    pub interface: String,
    /// The container's MAC address.
    pub mac: [u8; 6],
}

impl fmt::Display for SpoofGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = MacAddr::new(self.mac);
        write!(f, "let {:?} send from {mac} only", self.interface)
    }
}

impl Want for SpoofGuard {
    fn told(&self) -> String {
        let mac = MacAddr::new(self.mac);
        format!(
            "drop what comes in by {:?} from another MAC address than {mac}",
            self.interface
        )
    }

    fn elements(&self) -> Vec<Placed> {
        elements(&self.interface, self.mac)
    }

    fn groups(&self) -> Vec<Group> {
        vec![group()]
    }
}

/// What is so of all guards.
pub(super) struct Nature;

impl super::Nature for Nature {
    fn table(&self) -> Table {
        table()
    }

    fn owns(&self, set: &str) -> bool {
        [guarded().name, genuine().name]
            .iter()
            .any(|own| own == set)
    }

    fn has_reference(&self, owner: &Owner, _parts: &[Part]) -> Result<bool, Error> {
        let [interface, _] = reference_chains(owner);
        has_chain(&Chain::regular(&reference_table(), interface))
    }

    fn remove_reference(&self, owner: &Owner, _parts: &[Part]) -> Result<(), Error> {
        remove_chains(&reference_table(), "PREROUTING", &reference_chains(owner))
    }
}

fn reference_table() -> Table {
    Table::new(Family::Bridge, "nat")
}

/// The chains of an attachment, of which the first leads to the second.
fn reference_chains(owner: &Owner) -> [String; 2] {
    let interface = format!("cni-br-iface-{}-{}", owner.container(), owner.ifname());
    let address = format!("{interface}-mac");
    [interface, address]
}

/// Before the bridge's own NAT and any other filter (`NF_BR_PRI_NAT_DST_BRIDGED`).
const FIRST: i32 = -300;

const PREROUTING: &str = "prerouting";

/// The table of everything that concerns bridged frames.
pub(super) fn table() -> Table {
    Table::new(Family::Bridge, "linkspan").comment("Containers attached by Linkspan")
}

fn guarded() -> Set {
    Set::new(&table(), "guarded", [DataType::IfName]).comment("containers' ports")
}

fn genuine() -> Set {
    Set::new(&table(), "genuine", [DataType::IfName, DataType::EtherAddr])
        .comment("containers' ports and MAC addresses")
}

/// The elements of one port.
fn elements(interface: &str, mac: [u8; 6]) -> Vec<Placed> {
    let port = Value::IfName(interface.to_owned());
    // What is allowed comes first: within one transaction the order does not matter to packets, but a
    // person who reads a list of differences is told first what is missing.
    vec![
        Placed::new(genuine(), Element::new([port.clone(), Value::Ether(mac)])),
        Placed::new(guarded(), Element::new(port)),
    ]
}

/// What all ports share.
fn group() -> Group {
    let prerouting = Chain::filter(&table(), PREROUTING, Hook::Prerouting, FIRST);
    let rule = Rule::new(&table(), PREROUTING)
        .in_set([Field::IifName], guarded().name)
        .not_in_set([Field::IifName, Field::EtherSaddr], genuine().name)
        .drop()
        .comment("forged MAC address");
    Group {
        objects: vec![table().into(), guarded().into(), genuine().into()],
        marker: prerouting.clone().into(),
        chains: vec![prerouting],
        rules: vec![rule],
    }
}
