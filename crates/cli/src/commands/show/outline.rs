//! The topology as a tree: the host, its bridges and links, and what is attached to each.

use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::life::Life;
use linkspan_inspect::topology::{By, Node, Topology};

use super::table::{addresses, container};
use crate::style::Style;
use crate::text::one_word;
use crate::tree;

/// The lines of the tree; as many columns as a terminal has.
pub(super) fn text(style: Style, topology: &Topology, attachments: &[&Attachment]) -> String {
    let outline = Outline {
        style,
        topology,
        attachments,
    };
    let lines = outline.host().draw(style, style.columns());
    lines.join("\n") + "\n"
}

struct Outline<'t> {
    style: Style,
    topology: &'t Topology,
    attachments: &'t [&'t Attachment],
}

impl Outline<'_> {
    fn host(&self) -> tree::Node {
        let mut host = tree::Node::new(one_word(&self.topology.host), "");
        let nodes = self.topology.nodes.iter().enumerate();
        let mut tops: Vec<_> = nodes
            .filter(|(_, node)| !matches!(node, Node::Container { .. } | Node::Outside))
            .collect();
        tops.sort_by_key(|(_, node)| rank(node));
        for (number, node) in tops {
            let mut drawn = self.node(number, node);
            drawn.children = self.attached(number);
            // Without attachments the host's routing is told by its uplinks.
            if *node != Node::Routing || !drawn.children.is_empty() {
                host.children.push(drawn);
            }
        }
        let numbers = 0..self.attachments.len();
        let loose: Vec<_> = numbers
            .filter(|number| self.topology.edge_of(*number).is_none())
            .collect();
        if !loose.is_empty() {
            let mut drawn = tree::Node::new("not connected", "");
            drawn.children = loose
                .into_iter()
                .map(|number| self.attachment(number))
                .collect();
            host.children.push(drawn);
        }
        host
    }

    /// A node of the host, with what it is connected with towards the outside.
    fn node(&self, number: usize, node: &Node) -> tree::Node {
        let mut more = words(node);
        for edge in self.topology.edges.iter().filter(|edge| edge.to == number) {
            let from = name(&self.topology.nodes[edge.from]);
            more.push(match edge.by {
                By::Wire => format!("wired to {from}"),
                By::Masquerade => "routed, masqueraded".to_owned(),
                By::Route | By::Attachment(_) if *node == Node::Routing => format!("by {from}"),
                By::Route | By::Attachment(_) => "routed".to_owned(),
            });
        }
        tree::Node::new(one_word(&name(node)), one_word(&more.join(", ")))
    }

    fn attached(&self, node: usize) -> Vec<tree::Node> {
        let edges = self.topology.below(node);
        let numbers = edges.filter_map(|edge| match edge.by {
            By::Attachment(number) => Some(number),
            By::Wire | By::Route | By::Masquerade => None,
        });
        numbers.map(|number| self.attachment(number)).collect()
    }

    fn attachment(&self, number: usize) -> tree::Node {
        let one = self.attachments[number];
        let ifname = one.ifname.as_deref().unwrap_or("?");
        let far = format!("{ifname} in {}", container(self.style, one));
        let mut facts = addresses(one);
        facts.extend(one.ports.iter().map(ToString::to_string));
        let why = match &one.life {
            Life::Alive | Life::Unknown(_) if one.incomplete => Some("begun".to_owned()),
            Life::Alive => None,
            Life::Gone(why) => Some(format!("gone: {why}")),
            Life::Unknown(why) => Some(format!("unknown: {why}")),
        };
        let facts: Vec<_> = facts.into_iter().chain(why).collect();
        let facts = one_word(&facts.join(", ")).into_owned();
        // A macvlan has no end on the host but the link that it is made on.
        let near = one
            .host_link
            .as_ref()
            .filter(|_| one.kind.as_deref().is_none_or(|kind| kind == "veth"));
        match near.or(one.kind.as_ref()) {
            Some(near) => {
                tree::Node::new(one_word(near), format!("─── {}  {facts}", one_word(&far)))
            }
            None => tree::Node::new(one_word(&far), facts),
        }
    }
}

/// Bridges first, then other links, then routing.
fn rank(node: &Node) -> u8 {
    match node {
        Node::Link { kind, .. } if kind.as_deref() == Some("bridge") => 0,
        Node::Link { .. } => 1,
        _ => 2,
    }
}

/// What a node of the host is called.
pub(super) fn name(node: &Node) -> String {
    match node {
        Node::Outside => "the outside".to_owned(),
        Node::Routing => "routing".to_owned(),
        Node::Link { name, .. } => name.clone(),
        Node::Container { label, .. } => label.clone(),
    }
}

/// What else there is to say of a node of the host.
pub(super) fn words(node: &Node) -> Vec<String> {
    match node {
        Node::Link {
            kind,
            addresses,
            running,
            ..
        } => {
            let kind = kind.clone().filter(|kind| kind != "veth");
            let down = (!running).then(|| "without a carrier".to_owned());
            kind.into_iter()
                .chain(addresses.iter().map(ToString::to_string))
                .chain(down)
                .collect()
        }
        _ => Vec::new(),
    }
}
