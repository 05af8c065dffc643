//! Netfilter: what decides on forwarded packets, and what attachments should have in it and do not.

use linkspan_netfilter::Filter;

use crate::netfilter::Netfilter;
use crate::{Host, Problem};

/// What was read of netfilter for its state as a whole.
#[derive(Clone, Debug, Default)]
pub struct Firewall {
    /// The chains that every forwarded packet meets.
    pub filters: Vec<Filter>,
    /// What attachments should have, as their records say, and do not.
    pub missing: Vec<Missing>,
    /// The newer iptables has rules, in nf_tables; and so has the older one.
    pub in_use: [bool; 2],
    /// Why netfilter cannot be used; for who may ask.
    pub unusable: Option<Problem>,
}

/// What one plugin made for one attachment and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The network.
    pub network: String,
    /// The container's ID.
    pub container: String,
    /// The plugin.
    pub plugin: String,
    /// What is missing, a sentence each.
    pub sentences: Vec<String>,
}

impl Firewall {
    /// Reads it. What nobody may read is not there: the look at the host has said so.
    pub(super) fn read(host: &Host) -> Self {
        let Netfilter { records, traces } = &host.netfilter;
        let missing = linkspan_netfilter::missing(records, traces).unwrap_or_default();
        let missing = missing.into_iter().filter_map(|(record, sentences)| {
            Some(Missing {
                network: record.owner().network().to_owned(),
                container: record.owner().container().to_owned(),
                plugin: record.plugin().to_owned(),
                sentences: sentences.ok()?,
            })
        });
        Self {
            missing: missing.collect(),
            filters: linkspan_netfilter::filters().unwrap_or_default(),
            in_use: linkspan_netfilter::iptables_in_use().unwrap_or_default(),
            unusable: unusable(),
        }
    }
}

/// That who asks may not use it says nothing of it.
fn unusable() -> Option<Problem> {
    let error = linkspan_netfilter::status(None).err()?;
    let may_ask = rustix::thread::capabilities(None).is_ok_and(|sets| {
        sets.effective
            .contains(rustix::thread::CapabilitySet::NET_ADMIN)
    });
    may_ask.then(|| Problem::new("netfilter cannot be used", &error))
}
