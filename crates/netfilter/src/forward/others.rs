//! Tables of others that drop by default, where a rule of ours would be out of place.

use linkspan_kernel::nftables::Nftables;
use linkspan_nft::{Chain, Family, Hook};
use linkspan_spec::Error;

use super::{FORWARD, MARK};
use crate::fault::{explain, unless_unsupported};

/// A chain of others that drops what it does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropping {
    chain: Chain,
}

impl Dropping {
    /// What it does, and what to do about it.
    pub(crate) fn advice(&self) -> String {
        let Chain {
            family,
            table,
            name,
            ..
        } = &self.chain;
        format!(
            "the chain {family} {table} {name} drops what is forwarded by default, and no rule elsewhere can \
             override that; unless it accepts containers' traffic already, add to it: \
             nft insert rule {family} {table} {name} meta mark and {MARK:#x} == {MARK:#x} accept"
        )
    }
}

/// All of them. Looks at every chain.
pub(crate) fn dropping() -> Result<Vec<Dropping>, Error> {
    let list = || {
        let kernel = Nftables::open()?;
        let mut found = Vec::new();
        for family in [Family::Inet, Family::Ip, Family::Ip6] {
            let chains = kernel.chains(family)?.into_iter();
            found.extend(chains.filter(drops).map(|chain| Dropping { chain }));
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
