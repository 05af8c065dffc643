//! Masquerading: ipMasq of the interface plugins.

mod iptables;
mod nftables;
mod reference;

use std::fmt;

use ipnet::IpNet;
use linkspan_nft::Table;
use linkspan_spec::Error;
use serde::{Deserialize, Serialize};

use super::{Backend, Beyond, Group, Installed, Owner, Part, Placed, Want};
use crate::inet;

/// What the container sends from this address beyond the address's own subnet, multicast excepted,
/// leaves with an address of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// The address with its subnet.
    pub address: IpNet,
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "masquerade {}", self.address)
    }
}

impl Want for Masquerade {
    fn told(&self) -> String {
        let (address, subnet) = (self.address.addr(), self.address.trunc());
        format!("hide {address} behind the host's address where it sends beyond {subnet}")
    }

    fn elements(&self) -> Vec<Placed> {
        nftables::elements(self.address)
    }

    fn groups(&self) -> Vec<Group> {
        nftables::groups(self.address)
    }
}

/// What is so of all masquerading.
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

    fn has_reference(&self, owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
        reference::is_there(owner, parts)
    }

    fn remove_reference(&self, owner: &Owner, _parts: &[Part]) -> Result<(), Error> {
        reference::remove(owner)
    }

    fn collect_reference(&self, network: &str, valid: &[Owner]) -> Result<(), Error> {
        reference::collect(network, valid)
    }
}

/// The addresses of those of the parts that masquerade.
fn addresses(parts: &[Part]) -> Vec<IpNet> {
    let address = |part: &Part| match part {
        Part::Masquerade(part) => Some(part.address),
        _ => None,
    };
    parts.iter().filter_map(address).collect()
}
