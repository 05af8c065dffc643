//! The guard against forged MAC addresses: macspoofchk of bridge.
//!
//! ```text
//! set guarded { type ifname; elements = { "veth1a2b" comment "mynet/c1/eth0" } }
//! set genuine { type ifname . ether_addr; elements = { "veth1a2b" . 02:00:00:00:00:01 comment "mynet/c1/eth0" } }
//! chain prerouting { type filter hook prerouting priority -300; iifname @guarded iifname . ether saddr != @genuine drop }
//! ```
//!
//! One rule however many containers there are; a frame from a port that is not guarded costs one lookup.

use linkspan_nft::{Chain, DataType, Element, Family, Field, Hook, Rule, Set, Table, Value};

use super::part::{Group, Placed};

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
pub(super) fn elements(interface: &str, mac: [u8; 6]) -> Vec<Placed> {
    let port = Value::IfName(interface.to_owned());
    // What is allowed comes first: within one transaction the order does not matter to packets, but a
    // person who reads a list of differences is told first what is missing.
    vec![
        Placed {
            set: genuine(),
            element: Element::new([port.clone(), Value::Ether(mac)]),
        },
        Placed {
            set: guarded(),
            element: Element::new(port),
        },
    ]
}

/// What all ports share.
pub(super) fn group() -> Group {
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
