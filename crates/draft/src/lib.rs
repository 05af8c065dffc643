//! Configurations of new networks: what somebody wishes ([`Wish`]) and what the host has ([`Facts`]) become a configuration
//! that works here ([`Draft`]), with a word on each thing that was chosen.
//!
//! [`draft`] is a function of the two and does nothing else. [`Facts::gather`] looks at the host; which plugins are there and
//! which versions they speak is asked by whoever runs plugins, for those of [`candidates`].
//!
//! What is left open is chosen so that it is nobody's: a name, a bridge, and a subnet out of [`POOLS`] that no network, pool,
//! attachment, link and route of the host has; for IPv6 a random one of RFC 4193.
#![forbid(unsafe_code)]

mod addresses;
mod compose;
mod facts;
mod file;
mod names;
mod refusal;
mod subnet;
mod versions;
mod wish;

use linkspan_spec::Value;
use serde::Serialize;

pub use compose::candidates;
pub use facts::{Claim, Facts, Source};
pub use file::{FilePlace, place};
pub use refusal::{Refusal, Why};
pub use subnet::{POOLS, PREFIX};
pub use versions::Speech;
pub use wish::{Kind, Stretch, Wish};

/// A configuration, and how it came about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// The network's name.
    pub name: String,
    /// The plugin that makes the interface.
    pub kind: String,
    /// The bridge, of a network with one.
    pub bridge: Option<String>,
    /// Its subnets; none where a DHCP server gives addresses.
    pub subnets: Vec<ipnet::IpNet>,
    /// The version of its configuration.
    pub cni_version: String,
    /// The plugins that it needs, those for addresses among them.
    pub plugins: Vec<String>,
    /// Those of them that are not there.
    pub missing_plugins: Vec<String>,
    /// What was chosen, and why.
    pub choices: Vec<Choice>,
    /// What is to be known before it is used.
    pub cautions: Vec<String>,
    /// The configuration.
    pub configuration: Value,
}

/// Something that was left open, and what it became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What: `name`, `subnet`, `bridge`, ….
    pub what: &'static str,
    /// What it became.
    pub value: String,
    /// Why.
    pub why: String,
}

impl Choice {
    fn new(what: &'static str, value: impl ToString, why: impl Into<String>) -> Self {
        Self {
            what,
            value: value.to_string(),
            why: why.into(),
        }
    }
}

/// Makes a configuration of what is wished, for a host of which this is known.
///
/// # Errors
/// What cannot be together, or is taken already, with what can be.
pub fn draft(wish: &Wish, facts: &Facts) -> Result<Draft, Refusal> {
    wish.check()?;
    let mut choices = Vec::new();
    let name = names::network(wish, facts, &mut choices)?;
    let bridge = names::bridge(wish, &name, facts, &mut choices)?;
    names::require_master(wish, facts)?;
    let mut cautions = Vec::new();
    let addresses = addresses::choose(wish, facts, &mut choices, &mut cautions)?;
    let chain = compose::chain(wish, facts, &addresses, &mut choices);
    let plugins = compose::plugins(&chain, &addresses);
    let version = versions::choose(wish, &plugins, facts, &mut choices)?;
    let plan = compose::Plan {
        wish,
        name: &name,
        bridge: bridge.as_deref(),
        addresses: &addresses,
        chain: &chain,
        version,
    };
    let is_missing = |plugin: &&String| facts.speech(plugin) == Some(&Speech::Missing);
    Ok(Draft {
        configuration: compose::configuration(&plan),
        kind: wish.kind.plugin().to_owned(),
        subnets: addresses.subnets(),
        cni_version: version.to_string(),
        missing_plugins: plugins.iter().filter(is_missing).cloned().collect(),
        plugins,
        name,
        bridge,
        choices,
        cautions,
    })
}

#[cfg(test)]
mod tests;
