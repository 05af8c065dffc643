//! Putting attachments together.

mod certainty;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use linkspan_netfilter::Owner;
use linkspan_runtime::{CachedAttachment, CachedFile, Runtime};
use linkspan_spec::{Interface, PluginConfig, Success};
use linkspan_state::origin::{Boot, Provenance};

use super::{Attachment, arguments};
use crate::containers::Names;
use crate::life::{Home, Life, Traces, judge};
use crate::link::{Link, Links};
use crate::namespace::{Namespace, Namespaces};
use crate::netfilter::Netfilter;
use crate::pool::{Pool, Reservation};
use crate::{Problem, Seen, provenance};

/// What attachments are put together from.
pub(crate) struct Sources<'s> {
    pub(crate) cache_dirs: &'s [PathBuf],
    pub(crate) pools: &'s [Pool],
    pub(crate) namespaces: &'s Namespaces,
    pub(crate) netfilter: &'s Netfilter,
    pub(crate) names: &'s Names,
    pub(crate) boot: Option<&'s Boot>,
}

/// By what an attachment is told from others.
type Key = (String, String, Option<String>);

/// An attachment, and where its container is.
struct Candidate<'s> {
    attachment: Attachment,
    home: Option<Home<'s>>,
}

type Found<'s> = BTreeMap<Key, Candidate<'s>>;

/// Every attachment, in the order of networks, containers and interfaces; files that cannot be read are problems.
pub(crate) fn gather(sources: &Sources<'_>, problems: &mut Vec<Problem>) -> Vec<Attachment> {
    let mut found = Found::new();
    for directory in sources.cache_dirs {
        let runtime = Runtime::builder().cache_dir(directory).build();
        match runtime.cached_files() {
            Ok(files) => files.into_iter().for_each(|file| {
                sources.keep(file, &mut found, problems);
            }),
            Err(error) => problems.push(Problem::from(&error).at(directory)),
        }
    }
    for pool in sources.pools {
        for reservation in &pool.reservations {
            sources.reserve(pool, reservation, &mut found);
        }
    }
    sources.rules(&mut found);
    certainty::tell_apart(&mut found);
    certainty::doubt(&mut found, sources.namespaces);
    let host = sources.namespaces.host();
    for Candidate { attachment, home } in found.values_mut() {
        if let Some(home) = home {
            attachment.look_inside(home.namespace, host);
        }
    }
    sources.marks(&mut found);
    found.into_values().map(|one| one.attachment).collect()
}

impl<'s> Sources<'s> {
    /// What a runtime has kept.
    fn keep(&self, file: CachedFile, found: &mut Found<'s>, problems: &mut Vec<Problem>) {
        let cached = match file.attachment {
            Ok(cached) => cached,
            Err(error) => return problems.push(Problem::from(&error).at(&file.path)),
        };
        let endpoint = &cached.endpoint;
        let key = (
            cached.network.to_string(),
            endpoint.container_id.to_string(),
            Some(endpoint.ifname.to_string()),
        );
        let seen = Seen::Cache(file.path.clone());
        match found.get_mut(&key) {
            Some(known) => known.attachment.seen.push(seen),
            None => {
                let mut candidate = self.kept(&cached, &file.path);
                candidate.attachment.seen.push(seen);
                found.insert(key, candidate);
            }
        }
    }

    fn kept(&self, cached: &CachedAttachment, file: &Path) -> Candidate<'s> {
        let endpoint = &cached.endpoint;
        let result = cached.success().ok().flatten().unwrap_or_default();
        let provenance = provenance::of(file).ok();
        let addresses: Vec<IpAddr> = result.ips.iter().map(|ip| ip.address.addr()).collect();
        let ifname = endpoint.ifname.as_str();
        let netns = netns_of(cached, &result);
        let traces = Traces {
            path: netns.as_deref(),
            provenance: provenance.as_ref(),
            ifname: Some(ifname),
            addresses: &addresses,
        };
        let (life, home) = judge(traces, self.namespaces, self.boot);
        let mut attachment = Attachment {
            network: cached.network.to_string(),
            container: endpoint.container_id.to_string(),
            ifname: Some(ifname.to_owned()),
            name: self
                .names
                .of(endpoint.container_id.as_str(), &endpoint.args),
            ports: arguments::ports(&endpoint.capability_args),
            limits: limits(cached),
            since: provenance.as_ref().and_then(seconds),
            assigned: result.ips.iter().map(|ip| ip.address).collect(),
            netns,
            incomplete: !cached.is_complete,
            ..Attachment::unknown(life)
        };
        attachment.addresses.clone_from(&attachment.assigned);
        attachment.told_by(&result, ifname);
        Candidate { attachment, home }
    }

    /// What host-local has reserved.
    fn reserve(&self, pool: &Pool, reservation: &Reservation, found: &mut Found<'s>) {
        let Some(container) = &reservation.container else {
            return;
        };
        let key = (
            pool.network.clone(),
            container.clone(),
            reservation.ifname.clone(),
        );
        let seen = Seen::reservation(&pool.directory, reservation.address);
        // Of before 2018, which belongs to whatever interface the container has on the network.
        let older = reservation.ifname.is_none();
        let of_container = |one: &&mut Candidate<'_>| {
            one.attachment.network == key.0 && one.attachment.container == key.1
        };
        let known = match found.get_mut(&key) {
            None if older => found.values_mut().find(of_container),
            known => known,
        };
        if let Some(known) = known {
            known.attachment.reserved.insert(reservation.address);
            known.attachment.seen.push(seen);
            return;
        }
        let addresses = [reservation.address];
        let traces = Traces {
            path: None,
            provenance: reservation.provenance.as_ref(),
            ifname: reservation.ifname.as_deref(),
            addresses: &addresses,
        };
        let (life, home) = judge(traces, self.namespaces, self.boot);
        let attachment = Attachment {
            network: pool.network.clone(),
            container: container.clone(),
            ifname: reservation.ifname.clone(),
            name: self.names.of(container, &[]),
            reserved: BTreeSet::from(addresses),
            since: reservation.since,
            seen: vec![seen],
            ..Attachment::unknown(life)
        };
        found.insert(key, Candidate { attachment, home });
    }

    /// What Linkspan has written on links of the host.
    fn marks(&self, found: &mut Found<'s>) {
        let Some(host) = self.namespaces.host() else {
            return;
        };
        // What is too long for a link is written as hashes.
        let told = |(key, one): (&Key, &Candidate<'_>)| {
            let one = &one.attachment;
            let ifname = one.ifname.as_deref()?;
            let owner = Owner::from_texts(&one.network, &one.container, ifname);
            Some((owner.to_string(), key.clone()))
        };
        let known: BTreeMap<String, Key> = found.iter().filter_map(told).collect();
        for link in &host.links().links {
            let alias = link.alias.as_deref().unwrap_or_default();
            // On other kinds of links anybody may have written what has this form.
            let may_be_ours = ["veth", "ifb"].contains(&link.kind.as_deref().unwrap_or_default());
            let key = known.get(alias).cloned().or_else(|| key_in(alias));
            if let Some(key) = key.filter(|_| may_be_ours) {
                self.mark(host, link, key, found);
            }
        }
    }

    /// What Linkspan has written on a link of the host.
    fn mark(&self, host: &Namespace, link: &Link, key: Key, found: &mut Found<'s>) {
        let seen = Seen::Link(link.name.clone());
        let (network, container, ifname) = key.clone();
        let candidate = found.entry(key).or_insert_with(|| {
            let mut attachment = Attachment {
                name: self.names.of(&container, &[]),
                network,
                container,
                ifname,
                ..Attachment::unknown(Life::Unknown(
                    "only a link of the host tells of it".to_owned(),
                ))
            };
            if let Some(namespace) = self.behind(link) {
                attachment.life = Life::Alive;
                attachment.look_inside(namespace, Some(host));
            }
            Candidate {
                attachment,
                home: None,
            }
        });
        let attachment = &mut candidate.attachment;
        // The other kind, ifb, limits what it sends and leads nowhere.
        let leads = link.kind.as_deref() == Some("veth") || attachment.seen.is_empty();
        if leads && attachment.host_link.is_none() {
            attachment.leads_to(link, Some(host.links()));
        }
        attachment.seen.push(seen);
    }

    /// The namespace in which the other end of a link is.
    fn behind(&self, link: &Link) -> Option<&'s Namespace> {
        let leads_back = |namespace: &&Namespace| {
            namespace.host_number.is_some()
                && namespace.links().links.iter().any(|inside| {
                    inside.parent == Some(link.index)
                        && inside.parent_netns == namespace.host_number
                        && link.parent == Some(inside.index)
                })
        };
        self.namespaces.all.iter().find(leads_back)
    }
}

/// The attachment that a link's alias names.
fn key_in(alias: &str) -> Option<Key> {
    let owner: Owner = alias.parse().ok()?;
    let texts = [owner.network(), owner.container(), owner.ifname()];
    let [network, container, ifname] = texts.map(str::to_owned);
    Some((network, container, Some(ifname)))
}

impl Attachment {
    /// One of which nothing is known yet.
    pub(crate) fn unknown(life: Life) -> Self {
        Self {
            network: String::new(),
            container: String::new(),
            ifname: None,
            name: None,
            life,
            netns: None,
            namespace: None,
            addresses: Vec::new(),
            assigned: Vec::new(),
            mac: None,
            mtu: None,
            kind: None,
            host_link: None,
            bridge: None,
            ports: Vec::new(),
            limits: None,
            reserved: BTreeSet::new(),
            incomplete: false,
            since: None,
            seen: Vec::new(),
        }
    }

    /// What the result of ADD tells of its interface.
    fn told_by(&mut self, result: &Success, ifname: &str) {
        if let Some(own) = interface_in(result, ifname) {
            self.mac = Some(own.mac.clone()).filter(|mac| !mac.is_empty());
            self.mtu = own.mtu;
        }
    }

    /// What the kernel tells.
    fn look_inside(&mut self, namespace: &Namespace, host: Option<&Namespace>) {
        self.namespace = Some(namespace.inode);
        let reserved = &self.reserved;
        let has_reserved = |link: &&Link| reserved.iter().any(|address| link.has(*address));
        let inside = match &self.ifname {
            Some(ifname) => namespace.links().named(ifname),
            None => namespace.links().links.iter().find(has_reserved),
        };
        let Some(inside) = inside else { return };
        self.seen.push(Seen::Interface {
            name: inside.name.clone(),
            namespace: namespace.inode,
        });
        let lasting = |net: &&ipnet::IpNet| match net.addr() {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        };
        self.addresses = inside.addresses.iter().filter(lasting).copied().collect();
        self.mac.clone_from(&inside.mac);
        self.mtu = Some(inside.mtu);
        self.kind.clone_from(&inside.kind);
        let is_outside =
            inside.parent_netns.is_some() && inside.parent_netns == namespace.host_number;
        let outside = inside
            .parent
            .filter(|_| is_outside)
            .and_then(|index| host?.links().at(index));
        if let Some(outside) = outside {
            self.leads_to(outside, host.map(Namespace::links));
        }
    }

    /// Which link of the host it leads to.
    fn leads_to(&mut self, link: &Link, host: Option<&Links>) {
        self.host_link = Some(link.name.clone());
        let master = link.master.and_then(|master| host?.at(master));
        self.bridge = master.map(|master| master.name.clone());
    }
}

/// The path of the container's namespace. libcni of before 2024 keeps it in the result alone, where that has interfaces (since 0.3.0).
fn netns_of(cached: &CachedAttachment, result: &Success) -> Option<PathBuf> {
    let in_result = || {
        let own = interface_in(result, cached.endpoint.ifname.as_str())?;
        Some(PathBuf::from(&own.sandbox))
    };
    cached.endpoint.netns.clone().or_else(in_result)
}

/// The container's interface in the result of ADD.
fn interface_in<'r>(result: &'r Success, ifname: &str) -> Option<&'r Interface> {
    let mut interfaces = result.interfaces.iter();
    interfaces.find(|one| one.name == ifname && !one.sandbox.is_empty())
}

/// Limits that the runtime asks for, or otherwise the configuration.
fn limits(cached: &CachedAttachment) -> Option<super::Limits> {
    let asked = cached.endpoint.capability_args.get("bandwidth");
    let asked = asked.and_then(|asked| arguments::limits(asked.as_object()?));
    let configured = || {
        let list = cached.network_list().ok()?;
        let is_bandwidth = |plugin: &&PluginConfig| {
            plugin
                .plugin_type()
                .is_ok_and(|kind| kind.as_str() == "bandwidth")
        };
        arguments::limits(list.plugins.iter().find(is_bandwidth)?.as_map())
    };
    asked.or_else(configured)
}

fn seconds(provenance: &Provenance) -> Option<u64> {
    Some(
        provenance
            .written
            .duration_since(UNIX_EPOCH)
            .ok()?
            .as_secs(),
    )
}
