//! What is connected to what, as nodes and edges: the outside, the host's links, its routing, and the containers.

use std::collections::BTreeMap;
use std::fs;

use ipnet::IpNet;
use serde::Serialize;

use crate::Host;
use crate::attachment::Attachment;
use crate::link::{Link, Links};

/// What is connected to what.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Topology {
    /// The host's name.
    pub host: String,
    /// The nodes: the outside first, containers last.
    pub nodes: Vec<Node>,
    /// What connects them, each from the node that is nearer to the outside.
    pub edges: Vec<Edge>,
}

/// Something that is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "node")]
pub enum Node {
    /// All that is behind the host's uplinks.
    Outside,
    /// A link of the host.
    #[serde(rename_all = "camelCase")]
    Link {
        /// Its name.
        name: String,
        /// `bridge`, `vlan`, …; `None` for hardware.
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// Its addresses, but for those of IPv6 that every link has.
        addresses: Vec<IpNet>,
        /// It carries traffic.
        running: bool,
    },
    /// The host's routing, by which networks reach each other and the outside.
    Routing,
    /// A container.
    #[serde(rename_all = "camelCase")]
    Container {
        /// Its ID.
        #[serde(rename = "containerID")]
        container: String,
        /// Its name, or otherwise the ID.
        label: String,
    },
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Where it begins: the number of a node.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// By what they are connected.
    #[serde(flatten)]
    pub by: By,
}

/// By what two nodes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "by", content = "attachment")]
pub enum By {
    /// Frames pass from one to the other.
    Wire,
    /// The host routes.
    Route,
    /// The host routes, and what goes to the outside has the host's address.
    Masquerade,
    /// The attachment with this number among those that were asked for.
    Attachment(usize),
}

impl Topology {
    /// What connects attachments with each other and with the outside.
    pub fn of(host: &Host, attachments: &[&Attachment]) -> Self {
        let mut builder = Builder {
            host,
            links: host.links().unwrap_or(&NOTHING),
            topology: Self {
                host: host_name(),
                ..Self::default()
            },
            by_link: BTreeMap::new(),
        };
        builder.outside();
        let anchors: Vec<_> = attachments.iter().map(|one| builder.anchor(one)).collect();
        builder.attach(attachments, &anchors);
        builder.topology
    }

    /// The edge of the attachment with this number; `None` where it leads nowhere on the host.
    pub fn edge_of(&self, attachment: usize) -> Option<&Edge> {
        let is_wanted = |edge: &&Edge| edge.by == By::Attachment(attachment);
        self.edges.iter().find(is_wanted)
    }

    /// The nodes that a node leads to, towards the containers, with what connects them.
    pub fn below(&self, node: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == node)
    }
}

static NOTHING: Links = Links {
    links: Vec::new(),
    routes: Vec::new(),
};

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().to_owned()
}

struct Builder<'h> {
    host: &'h Host,
    links: &'h Links,
    topology: Topology,
    /// The nodes of links, by their numbers.
    by_link: BTreeMap<u32, usize>,
}

impl<'h> Builder<'h> {
    fn node(&mut self, node: Node) -> usize {
        let nodes = &mut self.topology.nodes;
        nodes
            .iter()
            .position(|known| *known == node)
            .unwrap_or_else(|| {
                nodes.push(node);
                nodes.len() - 1
            })
    }

    fn edge(&mut self, from: usize, to: usize, by: By) {
        let edge = Edge { from, to, by };
        if !self.topology.edges.contains(&edge) {
            self.topology.edges.push(edge);
        }
    }

    /// The links by which the host reaches everything that is not near.
    fn outside(&mut self) {
        let routes = self.links.routes.iter();
        let default = routes.filter(|route| route.destination.prefix_len() == 0);
        let links: Vec<_> = default
            .filter_map(|route| self.links.at(route.link?))
            .collect();
        for link in links {
            self.link(link);
        }
    }

    /// The node of a link of the host, connected with the links below it as far as the outside.
    fn link(&mut self, link: &'h Link) -> usize {
        if let Some(known) = self.by_link.get(&link.index) {
            return *known;
        }
        let lasting = |net: &&IpNet| !is_link_local(net);
        let node = self.node(Node::Link {
            name: link.name.clone(),
            kind: link.kind.clone(),
            addresses: link.addresses.iter().filter(lasting).copied().collect(),
            running: link.running,
        });
        self.by_link.insert(link.index, node);
        let is_cable =
            |port: &&Link| !["veth", "tun"].contains(&port.kind.as_deref().unwrap_or_default());
        let all = self.links.links.iter();
        let carriers: Vec<&Link> = match link.kind.as_deref() {
            Some("bridge" | "bond" | "team") => all
                .filter(|port| port.master == Some(link.index))
                .filter(is_cable)
                .collect(),
            Some("vlan" | "macvlan" | "ipvlan") => link
                .parent
                .filter(|_| link.parent_netns.is_none())
                .and_then(|parent| self.links.at(parent))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        };
        for carrier in &carriers {
            let carrier = self.link(carrier);
            self.edge(carrier, node, By::Wire);
        }
        // A bridge without a cable leads to the host alone.
        if carriers.is_empty()
            && !["bridge", "vrf", "dummy"].contains(&link.kind.as_deref().unwrap_or_default())
        {
            let outside = self.node(Node::Outside);
            self.edge(outside, node, By::Wire);
        }
        node
    }

    /// The node that an attachment hangs from.
    fn anchor(&mut self, one: &Attachment) -> Option<usize> {
        let named = |name: &Option<String>| self.links.named(name.as_deref()?);
        if let Some(bridge) = named(&one.bridge) {
            let node = self.link(bridge);
            if bridge.addresses.iter().any(|net| !is_link_local(net)) {
                let masqueraded = self.is_masqueraded(&one.network);
                self.route(Some(node), masqueraded);
            }
            return Some(node);
        }
        let link = named(&one.host_link)?;
        let kind = one.kind.as_deref().or(link.kind.as_deref());
        match kind {
            // A pair of links for itself.
            Some("veth" | "tun") => {
                let masqueraded = self.is_masqueraded(&one.network);
                Some(self.route(None, masqueraded))
            }
            _ => Some(self.link(link)),
        }
    }

    /// The host's routing, between its uplinks and a bridge.
    fn route(&mut self, bridge: Option<usize>, masqueraded: bool) -> usize {
        let routing = self.node(Node::Routing);
        let by = if masqueraded {
            By::Masquerade
        } else {
            By::Route
        };
        let routes = self.links.routes.iter();
        let default = routes.filter(|route| route.destination.prefix_len() == 0);
        let uplinks: Vec<_> = default
            .filter_map(|route| self.by_link.get(&route.link?).copied())
            .collect();
        for uplink in uplinks {
            // What one network masquerades leaves by the same way as what another does not.
            self.edge(uplink, routing, By::Route);
        }
        if let Some(bridge) = bridge {
            self.edge(routing, bridge, by);
        }
        routing
    }

    /// Whether a plugin of the network's configuration masquerades.
    fn is_masqueraded(&self, network: &str) -> bool {
        let list = self
            .host
            .network(network)
            .and_then(|network| network.list.as_ref());
        let plugins = list.iter().flat_map(|list| &list.plugins);
        let mut asked = plugins.filter_map(|plugin| plugin.as_map().get("ipMasq")?.as_bool());
        asked.any(|asked| asked)
    }

    fn attach(&mut self, attachments: &[&Attachment], anchors: &[Option<usize>]) {
        for (number, (one, anchor)) in attachments.iter().zip(anchors).enumerate() {
            let container = self.node(Node::Container {
                container: one.container.clone(),
                label: one.label(),
            });
            if let Some(anchor) = anchor {
                self.edge(*anchor, container, By::Attachment(number));
            }
        }
    }
}

fn is_link_local(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local())
}
