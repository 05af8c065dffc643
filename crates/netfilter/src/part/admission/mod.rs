//! Admission: what `firewall` lets pass through a host that forwards nothing by default.
//!
//! It is said in the filter tables of iptables ([`forward`]), whatever the backend; firewalld is told beside.

mod filter;
mod firewalld;
mod reference;

pub(super) use filter::missing;

use std::fmt;
use std::net::IpAddr;

use linkspan_nft::Table;
use linkspan_spec::Error;
use serde::{Deserialize, Serialize};

use super::{Backend, Beyond, Group, Holder, Installed, Owner, Part, Placed, Want};
use crate::forward;
use crate::inet;
use crate::iptables::Protocol;

/// The host forwards what the container sends from this address, replies to it, and connections to a
/// port that is published for it. Everything else is left to the rules of the host.
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
    fn told(&self) -> String {
        format!(
            "have the host forward what {} sends, and what is sent back",
            self.address
        )
    }

    fn elements(&self) -> Vec<Placed> {
        Vec::new()
    }

    fn groups(&self) -> Vec<Group> {
        Vec::new()
    }

    fn hand_over(&self, holder: &Holder<'_>, backend: Backend) -> Result<(), Error> {
        // They know the zone alone, where firewalld runs.
        if backend == Backend::Firewalld
            && crate::firewalld::is_running()?
            && !forward::may_refuse(self.address)?
        {
            return forward::dismiss_address(holder.owner, self.address);
        }
        // What published ports have they do not know: where the policy drops, they are reached by it alone.
        match forward::may_drop(self.address)? {
            true => Ok(()),
            false => forward::close_address(holder.owner, self.address),
        }
    }
}

/// What is so of all admissions.
pub(super) struct Nature;

impl super::Nature for Nature {
    fn table(&self) -> Table {
        inet::table()
    }

    fn owns(&self, _set: &str) -> bool {
        false
    }

    fn beyond(&self, backend: Backend) -> Option<&dyn Beyond> {
        Some(match backend {
            Backend::Firewalld => &firewalld::Firewalld,
            Backend::Nftables | Backend::Iptables => &filter::Filter,
        })
    }

    fn has_reference(&self, owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
        reference::is_there(owner, parts)
    }

    fn remove_reference(&self, owner: &Owner, parts: &[Part]) -> Result<(), Error> {
        reference::remove(owner, parts)
    }

    fn restore_others(&self, owner: &Owner) -> Result<(), Error> {
        filter::restore_others(owner)
    }

    fn replace_former(&self) -> Result<(), Error> {
        filter::replace_former()
    }

    fn collect_reference(&self, network: &str, valid: &[Owner]) -> Result<(), Error> {
        let valid: Vec<String> = valid.iter().map(Owner::to_string).collect();
        forward::sweep(&|owner| {
            Owner::is_of_network(owner, network) && !valid.iter().any(|one| one == owner)
        })
    }

    fn restore(&self) -> Result<(), Error> {
        forward::tidy()
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
