//! Putting attachments together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use linkspan_netfilter::Owner;
use linkspan_runtime::{CachedAttachment, CachedFile, Runtime};
use linkspan_spec::{PluginConfig, Success};
use linkspan_state::origin::{Boot, Provenance};

use super::{Attachment, arguments};
use crate::containers::Names;
use crate::life::{Life, Traces, judge};
use crate::link::{Link, Links};
use crate::namespace::{Namespace, Namespaces};
use crate::pool::{Pool, Reservation};
use crate::{Problem, Seen, provenance};

/// What attachments are put together from.
pub(crate) struct Sources<'s> {
    pub(crate) cache_dirs: &'s [PathBuf],
    pub(crate) pools: &'s [Pool],
    pub(crate) namespaces: &'s Namespaces,
    pub(crate) names: &'s Names,
    pub(crate) boot: Option<&'s Boot>,
}

/// By what an attachment is told from others.
type Key = (String, String, Option<String>);

/// Every attachment, in the order of networks, containers and interfaces; files that cannot be read are problems.
pub(crate) fn gather(sources: &Sources<'_>, problems: &mut Vec<Problem>) -> Vec<Attachment> {
    let mut found: BTreeMap<Key, Attachment> = BTreeMap::new();
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
    if let Some(host) = sources.namespaces.host() {
        for link in &host.links().links {
            sources.mark(link, &mut found);
        }
    }
    found.into_values().collect()
}

impl Sources<'_> {
    /// What a runtime has kept.
    fn keep(
        &self,
        file: CachedFile,
        found: &mut BTreeMap<Key, Attachment>,
        problems: &mut Vec<Problem>,
    ) {
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
            Some(known) => known.seen.push(seen),
            None => {
                let mut attachment = self.kept(&cached, &file.path);
                attachment.seen.insert(0, seen);
                found.insert(key, attachment);
            }
        }
    }

    fn kept(&self, cached: &CachedAttachment, file: &Path) -> Attachment {
        let endpoint = &cached.endpoint;
        let result = cached.success().ok().flatten().unwrap_or_default();
        let provenance = provenance::of(file).ok();
        let addresses: Vec<IpAddr> = result.ips.iter().map(|ip| ip.address.addr()).collect();
        let ifname = endpoint.ifname.as_str();
        let traces = Traces {
            path: endpoint.netns.as_deref(),
            provenance: provenance.as_ref(),
            ifname: Some(ifname),
            addresses: &addresses,
        };
        let (life, namespace) = judge(traces, self.namespaces, self.boot);
        let mut attachment = Attachment {
            network: cached.network.to_string(),
            container: endpoint.container_id.to_string(),
            ifname: Some(ifname.to_owned()),
            name: self
                .names
                .of(endpoint.container_id.as_str(), &endpoint.args),
            netns: endpoint.netns.clone(),
            ports: arguments::ports(&endpoint.capability_args),
            limits: limits(cached),
            since: provenance.as_ref().and_then(seconds),
            assigned: result.ips.iter().map(|ip| ip.address).collect(),
            ..Attachment::unknown(life)
        };
        attachment.addresses.clone_from(&attachment.assigned);
        attachment.told_by(&result, ifname);
        if let Some(namespace) = namespace {
            attachment.look_inside(namespace, self.namespaces.host());
        }
        attachment
    }

    /// What host-local has reserved.
    fn reserve(
        &self,
        pool: &Pool,
        reservation: &Reservation,
        found: &mut BTreeMap<Key, Attachment>,
    ) {
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
        let of_container = |one: &&mut Attachment| one.network == key.0 && one.container == key.1;
        let known = match found.get_mut(&key) {
            None if older => found.values_mut().find(of_container),
            known => known,
        };
        if let Some(known) = known {
            known.reserved.insert(reservation.address);
            known.seen.push(seen);
            return;
        }
        let addresses = [reservation.address];
        let traces = Traces {
            path: None,
            provenance: reservation.provenance.as_ref(),
            ifname: reservation.ifname.as_deref(),
            addresses: &addresses,
        };
        let (life, namespace) = judge(traces, self.namespaces, self.boot);
        let mut attachment = Attachment {
            network: pool.network.clone(),
            container: container.clone(),
            ifname: reservation.ifname.clone(),
            name: self.names.of(container, &[]),
            reserved: BTreeSet::from(addresses),
            since: reservation.since,
            seen: vec![seen],
            ..Attachment::unknown(life)
        };
        if let Some(namespace) = namespace {
            attachment.look_inside(namespace, self.namespaces.host());
        }
        found.insert(key, attachment);
    }

    /// What Linkspan has written on a link of the host.
    fn mark(&self, link: &Link, found: &mut BTreeMap<Key, Attachment>) {
        let alias = link.alias.as_deref().unwrap_or_default();
        let Ok(owner) = alias.parse::<Owner>() else {
            return;
        };
        let key = (
            owner.network().to_owned(),
            owner.container().to_owned(),
            Some(owner.ifname().to_owned()),
        );
        let seen = Seen::Link(link.name.clone());
        let host = self.namespaces.host();
        let attachment = found.entry(key).or_insert_with(|| {
            let name = self.names.of(owner.container(), &[]);
            let mut attachment = Attachment {
                network: owner.network().to_owned(),
                container: owner.container().to_owned(),
                ifname: Some(owner.ifname().to_owned()),
                name,
                ..Attachment::unknown(Life::Unknown(
                    "only a link of the host tells of it".to_owned(),
                ))
            };
            if let Some(namespace) = self.behind(link) {
                attachment.life = Life::Alive;
                attachment.look_inside(namespace, host);
            }
            attachment
        });
        if attachment.host_link.is_none() {
            attachment.leads_to(link, host.map(Namespace::links));
        }
        attachment.seen.push(seen);
    }

    /// The namespace in which the other end of a link is.
    fn behind(&self, link: &Link) -> Option<&Namespace> {
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

impl Attachment {
    /// One of which nothing is known yet.
    fn unknown(life: Life) -> Self {
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
            since: None,
            seen: Vec::new(),
        }
    }

    /// What the result of ADD tells of its interface.
    fn told_by(&mut self, result: &Success, ifname: &str) {
        let own = |interface: &&linkspan_spec::Interface| {
            interface.name == ifname && !interface.sandbox.is_empty()
        };
        if let Some(own) = result.interfaces.iter().find(own) {
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
