//! Admission: what `firewall` lets pass through a host that forwards nothing by default.

mod firewalld;
mod iptables;
mod nftables;
mod reference;

use std::fmt;
use std::net::IpAddr;

use linkspan_nft::Table;
use linkspan_spec::Error;
use serde::{Deserialize, Serialize};

use super::{ByIptables, Elsewhere, Group, Holder, Owner, Part, Placed, Want};
use crate::forward;
use crate::inet;
use crate::iptables::Protocol;

/// The host forwards what the container sends from this address, replies to it, and connections to a
/// port that is published for it. Everything else is left to the policy of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The container's address.
    pub address: IpAddr,
    /// The chain of the filter tables of iptables whose rules come first.
    pub admin_chain: String,
    /// The zone that the address is put into where firewalld is the backend.
    #[serde(default)]
    pub zone: String,
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forward for {}", self.address)
    }
}

impl Want for Admission {
    fn elements(&self) -> Vec<Placed> {
        nftables::elements(self.address)
    }

    fn groups(&self) -> Vec<Group> {
        vec![nftables::group()]
    }

    fn hand_over(&self, _holder: &Holder<'_>) -> Result<(), Error> {
        iptables::hand_over(self.address)
    }
}

/// What is so of all admissions.
pub(super) struct Nature;

impl super::Nature for Nature {
    fn table(&self) -> Table {
        inet::table()
    }

    fn owns(&self, set: &str) -> bool {
        nftables::owns(set)
    }

    fn by_iptables(&self) -> Option<&dyn ByIptables> {
        Some(&iptables::Iptables)
    }

    fn by_firewalld(&self) -> Option<&dyn ByIptables> {
        Some(&firewalld::Firewalld)
    }

    fn elsewhere(&self) -> Option<&dyn Elsewhere> {
        Some(&Nature)
    }

    fn has_reference(&self, _owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
        reference::is_there(parts)
    }

    fn remove_reference(&self, owner: &Owner, parts: &[Part]) -> Result<(), Error> {
        reference::remove(owner, parts)
    }

    fn restore(&self) -> Result<(), Error> {
        forward::remove()
    }
}

/// No accept in a table of ours overrides the drop of another.
impl Elsewhere for Nature {
    fn ensure(&self, parts: &[Part]) -> Result<Vec<String>, Error> {
        forward::ensure(&admin_chains(parts))
    }

    fn differences(&self, parts: &[Part]) -> Result<Vec<String>, Error> {
        forward::differences(&admin_chains(parts))
    }

    fn remove(&self) -> Result<(), Error> {
        forward::remove()
    }
}

fn admissions(parts: &[Part]) -> impl Iterator<Item = &Admission> {
    parts.iter().filter_map(|part| match part {
        Part::Admission(part) => Some(part),
        _ => None,
    })
}

/// The addresses that are admitted.
fn addresses(parts: &[Part]) -> Vec<IpAddr> {
    admissions(parts).map(|part| part.address).collect()
}

/// The chains of administrators, for each protocol that has addresses.
fn admin_chains(parts: &[Part]) -> Vec<(Protocol, &str)> {
    let of = |part: &Admission| Protocol::of(part.address);
    super::unique(admissions(parts).map(|part| (of(part), part.admin_chain.as_str())))
}
