//! The machine of the sandbox as a tree: its interfaces, each with where it leads, and its nftables.

use super::look::{Interface, State};
use crate::tree::Node;

/// The machine of the sandbox.
pub(super) fn host(state: &State) -> Node {
    let mut host = Node::new("host", "");
    let is_top =
        |interface: &Interface| interface.link.master.is_none() && !interface.link.is_loopback();
    let mut tops: Vec<_> = state.of("host", is_top).collect();
    tops.sort_by_key(|interface| (!interface.link.is_kind("bridge"), interface.link.index));
    for interface in tops {
        let mut node = of_interface(state, interface);
        let index = interface.link.index;
        let ports = state.of("host", move |port| port.link.master == Some(index));
        node.children = ports.map(|port| of_interface(state, port)).collect();
        host.children.push(node);
    }
    host.children.extend(of_tables(state));
    host
}

fn of_interface(state: &State, interface: &Interface) -> Node {
    let link = &interface.link;
    let kind = link.kind.as_deref().filter(|kind| *kind == "bridge");
    let mut more: Vec<String> = kind.map(str::to_owned).into_iter().collect();
    more.extend(interface.addresses.iter().map(ToString::to_string));
    let mut more = more.join(", ");
    if let Some(peer) = state.peer(interface) {
        let addresses = peer.addresses.iter().map(ToString::to_string);
        let gateway = peer.gateway.map(|gateway| format!("default via {gateway}"));
        let facts: Vec<_> = addresses.chain(gateway).collect();
        let space = if more.is_empty() { "" } else { " " };
        more.push_str(&format!(
            "{space}─── {} in {}  {}",
            peer.link.name,
            peer.place,
            facts.join(", ")
        ));
    }
    Node::new(&link.name, more)
}

/// Elements of sets and maps, under the table and then under whose they are.
fn of_tables(state: &State) -> Vec<Node> {
    let mut tables: Vec<Node> = Vec::new();
    for element in &state.elements {
        let name = format!("nftables, {}", element.table);
        if tables.last().is_none_or(|last| last.name != name) {
            tables.push(Node::new(name, ""));
        }
        let Some(table) = tables.last_mut() else {
            continue;
        };
        if table
            .children
            .last()
            .is_none_or(|last| last.name != element.owner)
        {
            table.children.push(Node::new(&element.owner, ""));
        }
        if let Some(owner) = table.children.last_mut() {
            owner.children.push(Node::new(&element.set, &element.key));
        }
    }
    tables
}
