//! Confinement: the ingress policies `same-bridge` and `isolated` of `firewall`.
//!
//! ```text
//! table inet linkspan {
//!     set confined { type ifname; elements = { "cni0" comment "shared" } }
//!     set within { type ifname . ifname; elements = { "cni0" . "cni0" comment "shared" } }
//!     set isolated { type ifname . ifname; ... }
//!     chain between { iifname . oifname @within return; iifname @confined oifname @confined drop }
//!     chain confinement { type filter hook forward priority -11;
//!         iifname . oifname @isolated drop; iifname @confined jump between } }
//! table bridge linkspan {
//!     set isolated { type ifname; elements = { "veth1a2b" comment "mynet/c1/eth0" } }
//!     chain forward { type filter hook forward priority -200; iifname @isolated oifname @isolated drop } }
//! ```
//!
//! As in the reference, a policy is one of the bridge: nothing passes from one bridge with a policy to
//! another, and nothing from an isolated bridge back to it, published ports included. The elements of a
//! bridge belong to no attachment, and stay until the last attachment of the host is collected; those of the
//! reference stay for ever.
//!
//! What one port of a bridge sends to another is not forwarded by the host but by the bridge. The
//! reference's rules see it on hosts with br_netfilter only; here the table of the family bridge does, on
//! all, ARP included.

use std::fmt;

use linkspan_nft::{Chain, DataType, Element, Field, Hook, Rule, Set, Table, Value};
use linkspan_spec::Error;
use serde::{Deserialize, Serialize};

use super::{Group, Owner, Part, Placed, Want};
use crate::inet;
use crate::iptables::{Protocol, has_chain};

/// The containers of a bridge are out of reach of other bridges that have a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The bridge.
    pub bridge: String,
    /// Out of reach of each other, too.
    pub isolated: bool,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = if self.isolated {
            "isolated"
        } else {
            "same-bridge"
        };
        write!(f, "keep {:?} to the policy {policy}", self.bridge)
    }
}

impl Want for Confinement {
    fn told(&self) -> String {
        let bridge = &self.bridge;
        match self.isolated {
            false => format!("let containers of other bridges not reach those of {bridge:?}"),
            true => format!(
                "let containers of other bridges not reach those of {bridge:?}, nor those of {bridge:?} each other"
            ),
        }
    }

    fn elements(&self) -> Vec<Placed> {
        let bridge = || Value::IfName(self.bridge.clone());
        let mut elements = vec![
            Placed::shared(within(), Element::new([bridge(), bridge()])),
            Placed::shared(confined(), Element::new(bridge())),
        ];
        if self.isolated {
            let twice = Element::new([bridge(), bridge()]);
            elements.push(Placed::shared(isolated(), twice));
        }
        elements
    }

    fn groups(&self) -> Vec<Group> {
        vec![group()]
    }
}

/// What is so of all confinements.
pub(super) struct Nature;

impl super::Nature for Nature {
    fn table(&self) -> Table {
        inet::table()
    }

    fn owns(&self, set: &str) -> bool {
        ["confined", "within", "isolated"].contains(&set)
    }

    fn has_reference(&self, _owner: &Owner, _parts: &[Part]) -> Result<bool, Error> {
        has_chain(Protocol::Ipv4, REFERENCE_CHAIN)
    }

    /// The reference's rules are of the bridge and stay for ever.
    fn remove_reference(&self, _owner: &Owner, _parts: &[Part]) -> Result<(), Error> {
        Ok(())
    }
}

/// A bridge lets nothing pass from the container's port to other isolated ports, nor back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortIsolation {
    /// The host's end of the container's link, a port of the bridge.
    pub interface: String,
}

impl fmt::Display for PortIsolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "isolate {:?} from other ports", self.interface)
    }
}

impl Want for PortIsolation {
    fn told(&self) -> String {
        format!(
            "let {:?} exchange nothing with other isolated ports",
            self.interface
        )
    }

    fn elements(&self) -> Vec<Placed> {
        let port = Value::IfName(self.interface.clone());
        vec![Placed::new(isolated_ports(), Element::new(port))]
    }

    fn groups(&self) -> Vec<Group> {
        vec![port_group()]
    }
}

/// What is so of all isolated ports.
pub(super) struct PortNature;

impl super::Nature for PortNature {
    fn table(&self) -> Table {
        super::spoof_guard::table()
    }

    fn owns(&self, set: &str) -> bool {
        set == isolated_ports().name
    }

    fn has_reference(&self, _owner: &Owner, _parts: &[Part]) -> Result<bool, Error> {
        has_chain(Protocol::Ipv4, REFERENCE_CHAIN)
    }

    fn remove_reference(&self, _owner: &Owner, _parts: &[Part]) -> Result<(), Error> {
        Ok(())
    }
}

/// The chain of the reference's policies, in the filter table of iptables.
const REFERENCE_CHAIN: &str = "CNI-ISOLATION-STAGE-1";

/// Before the filters of others, which then count nothing that is dropped here.
const BEFORE_FILTERS: i32 = -11;

/// Where a bridge's own filters are (`NF_BR_PRI_FILTER_BRIDGED`).
const BRIDGE_FILTER: i32 = -200;

fn confined() -> Set {
    Set::new(&inet::table(), "confined", [DataType::IfName])
        .comment("bridges with an ingress policy")
}

fn within() -> Set {
    let fields = [DataType::IfName, DataType::IfName];
    Set::new(&inet::table(), "within", fields).comment("bridges with an ingress policy, twice")
}

fn isolated() -> Set {
    let fields = [DataType::IfName, DataType::IfName];
    Set::new(&inet::table(), "isolated", fields)
        .comment("bridges whose containers do not reach each other, twice")
}

fn isolated_ports() -> Set {
    Set::new(&super::spoof_guard::table(), "isolated", [DataType::IfName])
        .comment("containers' ports that do not reach each other")
}

/// What all confined bridges share.
fn group() -> Group {
    const CONFINEMENT: &str = "confinement";
    const BETWEEN: &str = "between";
    let table = inet::table();
    let between = Chain::regular(&table, BETWEEN);
    let confinement = Chain::filter(&table, CONFINEMENT, Hook::Forward, BEFORE_FILTERS);
    let rule = |chain| Rule::new(&table, chain);
    let rules = vec![
        rule(CONFINEMENT)
            .in_set([Field::IifName, Field::OifName], isolated().name)
            .drop()
            .comment("within an isolated bridge"),
        rule(CONFINEMENT)
            .in_set([Field::IifName], confined().name)
            .jump(BETWEEN)
            .comment("from a bridge with a policy"),
        rule(BETWEEN)
            .in_set([Field::IifName, Field::OifName], within().name)
            .return_()
            .comment("within the bridge"),
        rule(BETWEEN)
            .in_set([Field::OifName], confined().name)
            .drop()
            .comment("to another bridge with a policy"),
    ];
    Group {
        objects: vec![
            table.clone().into(),
            confined().into(),
            within().into(),
            isolated().into(),
            between.clone().into(),
        ],
        marker: confinement.clone().into(),
        chains: vec![confinement, between],
        rules,
    }
}

/// What all isolated ports share.
fn port_group() -> Group {
    const FORWARD: &str = "forward";
    let table = super::spoof_guard::table();
    let forward = Chain::filter(&table, FORWARD, Hook::Forward, BRIDGE_FILTER);
    let rule = Rule::new(&table, FORWARD)
        .in_set([Field::IifName], isolated_ports().name)
        .in_set([Field::OifName], isolated_ports().name)
        .drop()
        .comment("between isolated ports");
    Group {
        objects: vec![table.into(), isolated_ports().into()],
        marker: forward.clone().into(),
        chains: vec![forward],
        rules: vec![rule],
    }
}
