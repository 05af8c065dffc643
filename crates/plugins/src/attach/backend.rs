//! The keys that choose between nf_tables and iptables.

use linkspan_netfilter::Backend;
use linkspan_plugin::config::{FromKey, Wrong};
use linkspan_plugin::spec::Value;

/// What such a key holds, in words.
pub const BACKENDS: &str = "\"nftables\" or \"iptables\"";

/// The [`Backend`] that masquerades, as a configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MasqueradeBackend(pub Backend);

impl FromKey for MasqueradeBackend {
    const KIND: &'static str = BACKENDS;

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        backend(json, "unknown ipmasq backend").map(Self)
    }
}

/// The backend that a key names.
///
/// # Errors
/// That it is none: `unknown` and the name, since scripts know these words.
pub fn backend(json: &Value, unknown: &str) -> Result<Backend, Wrong> {
    let name = json
        .as_str()
        .ok_or_else(|| Wrong::Type(BACKENDS.to_owned()))?;
    name.parse()
        .map_err(|_unknown| Wrong::Whole(format!("{unknown} {name:?}")))
}
