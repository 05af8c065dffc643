//! What netfilter tells of attachments.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use linkspan_netfilter::{Owner, Part, PublishedPorts, Recorded, Trace};
use linkspan_state::origin::Provenance;

use super::{Candidate, Found, Key, Sources};
use crate::Seen;
use crate::attachment::{Attachment, Port};
use crate::life::{Traces, judge};

impl<'s> Sources<'s> {
    /// Notes what the records and the ruleset tell. What tells of nobody known, and of whom in full, is of an attachment, too.
    pub(super) fn rules(&self, found: &mut Found<'s>) {
        for recorded in &self.netfilter.records {
            self.recorded(recorded, found);
        }
        let index = Index::of(found);
        for trace in &self.netfilter.traces {
            let seen = Seen::Netfilter(trace.place.clone());
            let keys = index.of_trace(trace);
            for key in &keys {
                if let Some(known) = found.get_mut(key) {
                    known.attachment.note(seen.clone());
                }
            }
            if let (true, Some(network), Some(container)) =
                (keys.is_empty(), &trace.network, &trace.container)
            {
                let key = (network.clone(), container.clone(), trace.ifname.clone());
                let addresses: Vec<IpAddr> = trace.address.into_iter().collect();
                let traces = Traces {
                    ifname: trace.ifname.as_deref(),
                    addresses: &addresses,
                    ..Traces::default()
                };
                self.known_by_rule(key, traces, found).note(seen);
            }
        }
    }

    fn recorded(&self, recorded: &Recorded, found: &mut Found<'s>) {
        let Some(record) = &recorded.record else {
            return;
        };
        let owner = record.owner();
        let key = (
            owner.network().to_owned(),
            owner.container().to_owned(),
            Some(owner.ifname().to_owned()),
        );
        let provenance = Provenance {
            written: modified(&recorded.path),
            origin: record.made_for(),
        };
        let addresses = record.addresses();
        let traces = Traces {
            path: None,
            provenance: Some(&provenance),
            ifname: Some(owner.ifname()),
            addresses: &addresses,
        };
        let attachment = self.known_by_rule(key, traces, found);
        attachment.note(Seen::Record(recorded.path.clone()));
        if attachment.ports.is_empty() {
            attachment.ports = ports(&record.parts);
        }
    }

    /// The attachment with a key; where nothing else has told of it, its container is looked for by these traces.
    fn known_by_rule<'f>(
        &self,
        key: Key,
        traces: Traces<'_>,
        found: &'f mut Found<'s>,
    ) -> &'f mut Attachment {
        let candidate = found
            .entry(key)
            .or_insert_with_key(|(network, container, ifname)| {
                let (life, home) = judge(traces, self.namespaces, self.boot);
                let attachment = Attachment {
                    network: network.clone(),
                    container: container.clone(),
                    ifname: ifname.clone(),
                    name: self.names.of(container, &[]),
                    ..Attachment::unknown(life)
                };
                Candidate { attachment, home }
            });
        &mut candidate.attachment
    }
}

impl Attachment {
    /// Notes where it was seen, once.
    fn note(&mut self, seen: Seen) {
        if !self.seen.contains(&seen) {
            self.seen.push(seen);
        }
    }
}

/// When a file was written; what cannot be looked at counts as written now.
fn modified(path: &Path) -> SystemTime {
    let modified = std::fs::metadata(path).and_then(|meta| meta.modified());
    modified.unwrap_or_else(|_| SystemTime::now())
}

/// By what rules name attachments.
struct Index {
    by_label: HashMap<String, Key>,
    by_container: HashMap<String, Vec<Key>>,
    by_address: HashMap<IpAddr, Vec<Key>>,
}

impl Index {
    fn of(found: &Found<'_>) -> Self {
        let mut index = Self {
            by_label: HashMap::new(),
            by_container: HashMap::new(),
            by_address: HashMap::new(),
        };
        for (key, candidate) in found {
            let (network, container, ifname) = key;
            if let Some(ifname) = ifname {
                let owner = Owner::from_texts(network, container, ifname);
                index.by_label.insert(owner.to_string(), key.clone());
            }
            let of_container = index.by_container.entry(container.clone()).or_default();
            of_container.push(key.clone());
            let one = &candidate.attachment;
            let assigned = one.assigned.iter().map(ipnet::IpNet::addr);
            for address in assigned.chain(one.reserved.iter().copied()) {
                let of_address = index.by_address.entry(address).or_default();
                if !of_address.contains(key) {
                    of_address.push(key.clone());
                }
            }
        }
        index
    }

    /// The attachments that a trace is of: as it says, or by the address alone where it says nothing.
    fn of_trace(&self, trace: &Trace) -> Vec<Key> {
        if let Some(key) = self.by_label.get(&trace.label) {
            return vec![key.clone()];
        }
        let fits = |key: &&Key| {
            let (network, _, ifname) = key;
            let is_network = trace.network.as_ref().is_none_or(|of| of == network);
            is_network && (trace.ifname.is_none() || *ifname == trace.ifname)
        };
        let none = Vec::new();
        let keys = match (&trace.container, trace.address) {
            (Some(container), _) => self.by_container.get(container),
            (None, Some(address)) => self.by_address.get(&address),
            (None, None) => None,
        };
        keys.unwrap_or(&none).iter().filter(fits).cloned().collect()
    }
}

/// The ports that are published by these, as a runtime asks for them.
fn ports(parts: &[Part]) -> Vec<Port> {
    let published = parts.iter().filter_map(|part| match part {
        Part::PublishedPorts(published) => Some(published),
        _ => None,
    });
    let mut ports = BTreeMap::new();
    for port in published.flat_map(PublishedPorts::single_ports) {
        let host_ip = port.host_address.map(|address| address.to_string());
        let told = Port {
            host_ip: host_ip.clone(),
            host_port: port.host_port,
            container_port: port.container_port,
            protocol: port.protocol.to_string(),
        };
        // Of both families it is published once.
        ports.insert((port.host_port, told.protocol.clone(), host_ip), told);
    }
    ports.into_values().collect()
}
