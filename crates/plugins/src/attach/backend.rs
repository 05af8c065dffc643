//! The key that chooses between nf_tables and iptables.

use linkspan_netfilter::Backend;
use linkspan_plugin::config::{FromKey, Wrong};
use linkspan_plugin::spec::Value;

/// A [`Backend`] that translates addresses, as a configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendKey(pub Backend);

impl FromKey for BackendKey {
    const KIND: &'static str = "\"nftables\" or \"iptables\"";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        json.as_str()
            .ok_or_else(|| Wrong::Type(Self::KIND.to_owned()))?
            .parse()
            .map(Self)
            .map_err(Wrong::value)
    }
}
