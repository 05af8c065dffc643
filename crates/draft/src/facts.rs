//! What a host has already, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_inspect::link::Links;
use linkspan_inspect::{Host, Places};
use linkspan_kernel::rtnl::{RouteFilter, Rtnl};
use linkspan_spec::Value;

use crate::versions::Speech;

/// What a host has that a new network must leave alone. Tests write it down; [`Facts::gather`] looks.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whose which addresses are.
    pub claims: Vec<Claim>,
    /// The names of networks that cannot be taken, each with the reason.
    pub names: BTreeMap<String, String>,
    /// The names of links that cannot be taken, each with the reason.
    pub links: BTreeMap<String, String>,
    /// The links of the host; `None` where they cannot be seen.
    pub host: Option<Links>,
    /// What plugins have answered; one that is not in it was not asked.
    pub plugins: BTreeMap<String, Speech>,
    /// Bits that nobody can guess, for addresses of IPv6.
    pub random: u64,
}

/// Addresses that are somebody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The addresses.
    pub net: IpNet,
    /// Whose they are.
    pub source: Source,
}

/// Whose addresses are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A network on disk, by its name.
    Network(String),
    /// A pool on disk, by its network's name.
    Pool(String),
    /// A network that containers are attached to.
    Attachment(String),
    /// A link of the host.
    Link(String),
    /// A route of the host, in a table of this number.
    Route(u32),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(name) => write!(f, "of network {name}"),
            Self::Pool(name) => write!(f, "in the pool of {name}"),
            Self::Attachment(name) => write!(f, "of a container on {name}"),
            Self::Link(name) => write!(f, "of the link {name}"),
            Self::Route(MAIN) => f.write_str("of a route of this host"),
            Self::Route(table) => write!(f, "of a route of this host, in table {table}"),
        }
    }
}

/// `RT_TABLE_MAIN`, linux/rtnetlink.h.
const MAIN: u32 = 254;

/// A route to a whole half of all addresses, or to all of them, says nothing of any.
const LEAST_PREFIX: u8 = 2;

impl Claim {
    /// Whether it has addresses of a net.
    pub fn is_on(&self, net: IpNet) -> bool {
        self.net.contains(&net) || net.contains(&self.net)
    }
}

impl Facts {
    /// Looks at a host, of which `host` was seen. What cannot be seen is not known.
    pub fn gather(host: &Host, places: &Places) -> Self {
        let rtnl = Rtnl::open().ok();
        let links = rtnl.as_ref().and_then(|rtnl| Links::read(rtnl).ok());
        let mut facts = Self {
            random: random(),
            host: links,
            ..Self::default()
        };
        facts.add_networks(host, places);
        facts.add_addresses(host);
        let routes = rtnl.and_then(|rtnl| rtnl.routes(RouteFilter::default()).ok());
        for route in routes.unwrap_or_default() {
            facts.claim(route.destination, Source::Route(route.table));
        }
        facts
    }

    fn add_networks(&mut self, host: &Host, places: &Places) {
        for network in &host.networks {
            let file = network.file.display();
            let name = network.name.clone().unwrap_or_else(|| file.to_string());
            for net in network
                .list
                .iter()
                .flat_map(|list| written_nets(&list.source()))
            {
                self.claim(net, Source::Network(name.clone()));
            }
            for bridge in network.bridges() {
                let why = format!("it is the bridge of network {name}");
                self.links.entry(bridge).or_insert(why);
            }
            self.names
                .entry(name)
                .or_insert_with(|| format!("{file} has it"));
        }
        for pool in host
            .pools
            .iter()
            .filter(|pool| !pool.reservations.is_empty())
        {
            let why = format!("addresses are reserved in {}", pool.directory.display());
            self.names.entry(pool.network.clone()).or_insert(why);
        }
        for attachment in &host.attachments {
            let why = "something is attached to a network of that name, or left of it".to_owned();
            self.names.entry(attachment.network.clone()).or_insert(why);
        }
        for folder in places.config_dirs.iter().flat_map(|path| folders(path)) {
            let why =
                "a folder of that name holds plugins, which would become part of it".to_owned();
            self.names.entry(folder).or_insert(why);
        }
    }

    fn add_addresses(&mut self, host: &Host) {
        for pool in &host.pools {
            for reservation in &pool.reservations {
                self.claim(
                    reservation.address.into(),
                    Source::Pool(pool.network.clone()),
                );
            }
        }
        for attachment in &host.attachments {
            let addresses: BTreeSet<&IpNet> = attachment
                .addresses
                .iter()
                .chain(&attachment.assigned)
                .collect();
            for net in addresses {
                self.claim(*net, Source::Attachment(attachment.network.clone()));
            }
        }
        for link in self.host.clone().unwrap_or_default().links {
            let why = "a link of this host has that name".to_owned();
            self.links.entry(link.name.clone()).or_insert(why);
            for net in link.addresses {
                self.claim(net, Source::Link(link.name.clone()));
            }
        }
    }

    /// Notes whose a net is, unless it is what every host has.
    fn claim(&mut self, net: IpNet, source: Source) {
        let net = net.trunc();
        let is_everywhere = match net {
            IpNet::V4(net) => net.addr().is_loopback(),
            IpNet::V6(net) => net.addr().is_unicast_link_local() || net.addr().is_multicast(),
        };
        if net.prefix_len() >= LEAST_PREFIX && !is_everywhere {
            self.claims.push(Claim { net, source });
        }
    }

    /// The claims that have addresses of a net, those of networks first.
    pub(crate) fn claims_on(&self, net: IpNet) -> impl Iterator<Item = &Claim> {
        self.claims.iter().filter(move |claim| claim.is_on(net))
    }

    /// What a plugin has answered.
    pub(crate) fn speech(&self, plugin: &str) -> Option<&Speech> {
        self.plugins.get(plugin)
    }

    /// The gateway of the host's default route by a link, of a family.
    pub(crate) fn gateway_by(&self, link: &str, net: IpNet) -> Option<IpAddr> {
        let links = self.host.as_ref()?;
        let index = links.named(link)?.index;
        let routes = links
            .routes
            .iter()
            .filter(|route| route.destination.prefix_len() == 0);
        let by = routes.filter(|route| route.link == Some(index));
        by.filter_map(|route| route.gateway)
            .find(|gateway| net.contains(gateway))
    }

    /// The link of the host's default route, which is what containers usually are to be on.
    pub fn default_link(&self) -> Option<String> {
        let links = self.host.as_ref()?;
        let mut routes = links.routes.iter();
        let default = routes.find(|route| route.destination.prefix_len() == 0)?;
        Some(links.at(default.link?)?.name.clone())
    }

    /// The addresses that the host itself has in a net.
    pub(crate) fn own_addresses(&self, net: IpNet) -> Vec<IpAddr> {
        let links = self.host.iter().flat_map(|links| &links.links);
        let addresses = links.flat_map(|link| link.addresses.iter().map(IpNet::addr));
        addresses.filter(|address| net.contains(address)).collect()
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // As good as any: the subnet is looked for among those that are claimed.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

/// Every net that is written in a configuration, but for where routes lead to: ranges of any IPAM plugin, and addresses.
fn written_nets(source: &[u8]) -> Vec<IpNet> {
    let mut nets = Vec::new();
    if let Ok(value) = serde_json::from_slice(source) {
        collect_nets(&value, &mut nets);
    }
    nets
}

fn collect_nets(value: &Value, nets: &mut Vec<IpNet>) {
    match value {
        Value::String(text) => nets.extend(text.parse::<IpNet>()),
        Value::Array(values) => values.iter().for_each(|value| collect_nets(value, nets)),
        Value::Object(map) => {
            let others = map
                .iter()
                .filter(|(key, _)| !key.eq_ignore_ascii_case("routes"));
            others.for_each(|(_, value)| collect_nets(value, nets));
        }
        _ => {}
    }
}

/// The folders of a directory of configurations in which there are plugins.
fn folders(directory: &std::path::Path) -> Vec<String> {
    let holds_plugins = |path: &std::path::Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .into_iter()
            .any(|entry| entry.path().extension().is_some_and(|ext| ext == "conf"))
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let found = entries.filter(|entry| holds_plugins(&entry.path()));
    found
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
