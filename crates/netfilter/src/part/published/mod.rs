//! Published ports: ports of the host that lead to a container.

mod claims;
mod conditions;
mod iptables;
mod localnet;
mod nftables;
mod others;
mod port;
mod reference;
mod stale;

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_nft::{Chain, Table};
use linkspan_spec::Error;
use serde::{Deserialize, Serialize};

pub(crate) use claims::PORT_TAKEN;
pub use conditions::{Conditions, NotUnderstood};
#[cfg(feature = "fuzzing")]
pub(crate) use others::published_in;
pub use port::{Port, PortRange, Transport};

use super::{Backend, Beyond, Group, Holder, Installed, Owner, Part, Placed, Reserved, Want};
use crate::foresee::Foreseen;
use crate::head::Head;
use crate::inet;
use crate::iptables::{NAT, Protocol};
use crate::records::Records;

/// Ports of the host that lead to one address of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPorts {
    /// The container's address with its subnet.
    pub container: IpNet,
    /// The ports.
    pub ports: Vec<PortRange>,
    /// Whose connections are masqueraded.
    pub source: SourceNat,
    /// The bit of the packet's mark that says so.
    pub mark_bit: u8,
    /// The chain of iptables that sets the mark, instead of our own; only with the backend iptables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_mark_chain: Option<String>,
    /// Only what meets these conditions is led to the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// The host's interface on the way to the container, by which 127.0.0.1 is to reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub localnet: Option<String>,
}

/// Whose connections to published ports are masqueraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceNat {
    /// Nobody's: the container sees every source as it is, and what does not come back through the host
    /// gets no answer.
    Keep,
    /// Those of the container itself, its neighbours and the host's loopback.
    Hairpin,
    /// Everybody's.
    All,
}

impl PublishedPorts {
    /// The mark's bit unless the configuration says another.
    pub const DEFAULT_MARK_BIT: u8 = nftables::DEFAULT_MARK_BIT;

    /// Every single port.
    pub fn single_ports(&self) -> impl Iterator<Item = Port> + '_ {
        self.ports.iter().flat_map(PortRange::ports)
    }
}

impl fmt::Display for PublishedPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        write!(
            f,
            "publish {} at {}",
            ports.join(", "),
            self.container.addr()
        )
    }
}

impl Want for PublishedPorts {
    fn told(&self) -> String {
        let address = match self.container.addr() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let lead = |range: &PortRange| {
            let inside = range.ports().next().map(|port| port.container_port);
            let inside = inside.unwrap_or_default();
            match range.count {
                1 => format!("port {range} of the host to {address}:{inside}"),
                _ => format!("ports {range} of the host to {address}:{inside} and up"),
            }
        };
        let leads: Vec<String> = self.ports.iter().map(lead).collect();
        format!("lead {}", leads.join(", "))
    }

    fn aside(&self) -> Option<String> {
        match self.source {
            SourceNat::Keep => Some("the container sees who connects (snat is off)".to_owned()),
            SourceNat::Hairpin => Some(
                "the container sees who connects, but for itself, its neighbours and the host's 127.0.0.1"
                    .to_owned(),
            ),
            SourceNat::All => Some("every connection seems to come from the host (masqAll)".to_owned()),
        }
    }

    fn beside(&self) -> Option<Foreseen> {
        self.localnet.as_deref().map(localnet::foresee)
    }

    fn refuse_taken(&self, owner: &Owner) -> Result<(), Error> {
        claims::refuse_taken(self, owner)
    }

    fn elements(&self) -> Vec<Placed> {
        nftables::elements(self)
    }

    fn groups(&self) -> Vec<Group> {
        nftables::groups(self)
    }

    fn reserve(&self, holder: &Holder<'_>) -> Result<Reserved, Error> {
        claims::reserve(self, holder)
    }

    fn rivals(&self) -> Vec<Chain> {
        let protocol = Protocol::of(self.container.addr());
        let nat = Table::new(protocol.family(), NAT);
        let by_iptables = Chain::regular(&nat, iptables::DNAT);
        vec![by_iptables, reference::leading_chain(protocol)]
    }

    fn clear_way(&self, holder: &Holder<'_>) -> Result<(), Error> {
        others::clear(self, holder)
    }

    fn obstacles(&self, holder: &Holder<'_>) -> Result<Vec<String>, Error> {
        others::differences(self, holder.owner)
    }

    fn settle(&self, holder: &Holder<'_>) -> Result<(), Error> {
        if let Some(interface) = &self.localnet {
            localnet::enable(interface, holder)?;
        }
        stale::forget_before(self);
        Ok(())
    }

    fn unsettled(&self) -> Vec<String> {
        self.localnet
            .as_deref()
            .and_then(localnet::difference)
            .into_iter()
            .collect()
    }

    fn hand_over(&self, holder: &Holder<'_>, _backend: Backend) -> Result<(), Error> {
        if let Some(interface) = &self.localnet {
            localnet::hand_over(interface, holder)?;
        }
        claims::release(self, holder).map(drop)
    }

    fn unreserved(&self, holder: &Holder<'_>) -> Result<Vec<String>, Error> {
        claims::unclaimed(self, holder)
    }

    fn leave(&self, holder: &Holder<'_>) -> Result<Vec<Head>, Error> {
        stale::forget_after(self);
        if let Some(interface) = &self.localnet {
            localnet::disable(interface, holder)?;
        }
        claims::release(self, holder)
    }
}

/// What is so of all published ports.
pub(super) struct Nature;

impl super::Nature for Nature {
    fn table(&self) -> Table {
        inet::table()
    }

    fn owns(&self, set: &str) -> bool {
        nftables::owns(set)
    }

    fn beyond(&self, backend: Backend) -> Option<&dyn Beyond> {
        (backend == Backend::Iptables).then_some(&iptables::Iptables)
    }

    fn is_shared_within_container(&self) -> bool {
        true
    }

    fn has_reference(&self, owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
        reference::is_there(owner, parts)
    }

    fn remove_reference(&self, owner: &Owner, _parts: &[Part]) -> Result<(), Error> {
        reference::remove(owner)
    }

    fn collect_reference(&self, network: &str, valid: &[Owner]) -> Result<(), Error> {
        others::collect(network, valid)
    }

    fn restore(&self) -> Result<(), Error> {
        iptables::remove_guard()
    }

    fn tidy(&self, records: &Records) -> Result<(), Error> {
        claims::sweep(records)?;
        localnet::restore(records)
    }
}

/// Those of the parts that publish ports.
fn published(parts: &[Part]) -> Vec<&PublishedPorts> {
    let mut found = Vec::new();
    for part in parts {
        if let Part::PublishedPorts(part) = part {
            found.push(part);
        }
    }
    found
}
