//! Tables of others that drop by default, where a rule of ours would be out of place.

use linkspan_kernel::nftables::Nftables;
use linkspan_nft::{Chain, Family, Hook};
use linkspan_spec::Error;

use super::place::FORWARD;
use crate::fault::{explain, unless_unsupported};

/// Chains of others that drop what is forwarded by default: a sentence each, with what to do about it. Looks at
/// every chain.
///
/// # Errors
/// When it cannot be found out.
pub fn obstacles() -> Result<Vec<String>, Error> {
    let list = || {
        let kernel = Nftables::open()?;
        let mut found = Vec::new();
        for family in [Family::Inet, Family::Ip, Family::Ip6] {
            let chains = kernel.chains(family)?.into_iter();
            found.extend(chains.filter(drops).map(|chain| advice(&chain)));
        }
        Ok(found)
    };
    list()
        .or_else(|error| unless_unsupported(error).map(|()| Vec::new()))
        .map_err(explain)
}

fn drops(chain: &Chain) -> bool {
    let is_iptables =
        chain.family != Family::Inet && chain.table == "filter" && chain.name == FORWARD;
    let base = chain.base.as_ref();
    base.is_some_and(|base| base.hook == Hook::Forward && base.drops_by_default) && !is_iptables
}

fn advice(chain: &Chain) -> String {
    let Chain {
        family,
        table,
        name,
        ..
    } = chain;
    let add = format!("nft add rule {family} {table} {name}");
    format!(
        "the chain {family} {table} {name} drops what is forwarded by default, and no rule elsewhere can override that; \
         unless it accepts containers' traffic already, add to it, with their subnet: \
         `{add} ct state established,related accept` and `{add} ip saddr SUBNET accept`"
    )
}
