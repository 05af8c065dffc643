//! What netfilter has that concerns containers, for whoever only wants to know: nothing is changed, made or locked.

mod forwarding;
mod missing;
mod trace;

use std::path::PathBuf;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::xtables;
use linkspan_nft::InstalledRule;
use linkspan_spec::Error;
use linkspan_state::origin::Origin;

use super::attachment::Attachment;
use super::fault::{ask, explain};
use super::iptables::{NAT, Protocol};
use super::owner::Owner;
use super::part::{Kind, Part, Record};
use super::records::Records;

pub use forwarding::{Filter, Keeper, filters};
pub use missing::missing;
pub use trace::{Trace, traces};

/// A record, and its file.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// What it says; `None` where it cannot be read.
    pub record: Option<Record>,
}

/// The records of this host.
///
/// # Errors
/// When they cannot be looked at.
pub fn recorded() -> Result<Vec<Recorded>, Error> {
    let Some(records) = Records::if_there()? else {
        return Ok(Vec::new());
    };
    let Some(folder) = records.folder()? else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for name in records.names()? {
        let found = Record::read(&records, &name)?;
        all.push(Recorded {
            path: folder.path().join(&name),
            record: found.record(),
        });
    }
    Ok(all)
}

/// Removes all that names an attachment whose container is gone: what its records say, and whatever else of ours or of the
/// reference plugins bears its name.
///
/// # Errors
/// What could not be removed, and why.
pub fn forget(owner: &Owner) -> Result<(), Error> {
    let records = recorded()?.into_iter().filter_map(|one| one.record);
    for record in records.filter(|record| record.owner() == *owner) {
        Attachment::new(owner.clone(), record.plugin()).remove()?;
    }
    let unrecorded = Attachment::new(owner.clone(), "");
    let all = Kind::ALL.into_iter();
    all.fold(unrecorded, Attachment::expect).remove()
}

/// Which filter and nat tables of iptables have rules of others than plugins: those of the newer one, in nf_tables, and those of
/// the older one.
///
/// # Errors
/// When the kernel does not tell.
pub fn iptables_in_use() -> Result<[bool; 2], Error> {
    let mut in_use = [false; 2];
    for protocol in Protocol::BOTH {
        in_use[0] |= ask(|kernel| has_rules(kernel, protocol))?;
        for name in ["filter", NAT] {
            let table = xtables::table(protocol.into(), name).map_err(explain)?;
            in_use[1] |= table.is_some_and(|table| table.has_rules(&|chain| is_ours(chain)));
        }
    }
    Ok(in_use)
}

/// Whether the newer iptables has rules of others than plugins.
fn has_rules(kernel: &Nftables, protocol: Protocol) -> Result<bool, KernelError> {
    for chain in kernel.chains(protocol.family())? {
        let is_iptables = ["filter", NAT].contains(&chain.table.as_str()) && !is_ours(&chain.name);
        if !is_iptables || chain.references.unwrap_or_default() == 0 {
            continue;
        }
        let leads_to_ours = |rule: &InstalledRule| rule.target.as_deref().is_some_and(is_ours);
        if !kernel.rules(&chain)?.iter().all(leads_to_ours) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a chain is one that plugins make, of whichever iptables they find.
fn is_ours(chain: &str) -> bool {
    ["CNI-", "LINKSPAN-"]
        .iter()
        .any(|first| chain.starts_with(first))
}

impl Record {
    /// For which network namespace it was made, and in which boot.
    pub fn made_for(&self) -> Option<Origin> {
        self.origin().and_then(|origin| Origin::parse(origin))
    }

    /// The container's addresses that it is about.
    pub fn addresses(&self) -> Vec<std::net::IpAddr> {
        let mut addresses: Vec<_> = self.parts.iter().filter_map(Part::address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}
