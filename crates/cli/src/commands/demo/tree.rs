//! What there is as a tree, in words and box-drawing characters.

use super::look::{Interface, State};

/// A line of the tree, and what hangs from it.
pub(super) struct Node {
    /// What it is called.
    pub(super) name: String,
    /// What else there is to say.
    pub(super) more: String,
    children: Vec<Node>,
}

/// A line as it is drawn.
pub(super) struct Line<'a> {
    /// `│   ├── `
    pub(super) branches: String,
    pub(super) node: &'a Node,
}

impl Node {
    fn new(name: impl Into<String>, more: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            more: more.into(),
            children: Vec::new(),
        }
    }

    /// The machine of the sandbox: its interfaces, each with where it leads, and its nftables.
    pub(super) fn of(state: &State) -> Self {
        let mut host = Self::new("host", "");
        let is_top = |interface: &Interface| {
            interface.link.master.is_none() && !interface.link.is_loopback()
        };
        let mut tops: Vec<_> = state.of("host", is_top).collect();
        tops.sort_by_key(|interface| (!interface.link.is_kind("bridge"), interface.link.index));
        for interface in tops {
            let mut node = Self::of_interface(state, interface);
            let index = interface.link.index;
            let ports = state.of("host", move |port| port.link.master == Some(index));
            node.children = ports.map(|port| Self::of_interface(state, port)).collect();
            host.children.push(node);
        }
        host.children.extend(Self::of_tables(state));
        host
    }

    fn of_interface(state: &State, interface: &Interface) -> Self {
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
        Self::new(&link.name, more)
    }

    /// Elements of sets and maps, under the table and then under whose they are.
    fn of_tables(state: &State) -> Vec<Self> {
        let mut tables: Vec<Self> = Vec::new();
        for element in &state.elements {
            let name = format!("nftables, {}", element.table);
            if tables.last().is_none_or(|last| last.name != name) {
                tables.push(Self::new(name, ""));
            }
            let Some(table) = tables.last_mut() else {
                continue;
            };
            if table
                .children
                .last()
                .is_none_or(|last| last.name != element.owner)
            {
                table.children.push(Self::new(&element.owner, ""));
            }
            if let Some(owner) = table.children.last_mut() {
                owner.children.push(Self::new(&element.set, &element.key));
            }
        }
        tables
    }

    /// The lines of the tree from the top.
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        let mut lines = vec![Line {
            branches: String::new(),
            node: self,
        }];
        self.draw_children("", &mut lines);
        lines
    }

    fn draw_children<'a>(&'a self, before: &str, lines: &mut Vec<Line<'a>>) {
        let last = self.children.len().saturating_sub(1);
        for (number, node) in self.children.iter().enumerate() {
            let (branch, below) = match number == last {
                true => ("└── ", "    "),
                false => ("├── ", "│   "),
            };
            lines.push(Line {
                branches: format!("{before}{branch}"),
                node,
            });
            node.draw_children(&format!("{before}{below}"), lines);
        }
    }
}
