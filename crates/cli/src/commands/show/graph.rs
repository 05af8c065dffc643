//! The topology for Mermaid and for Graphviz.

use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::topology::{By, Node, Topology};

use super::outline::{name, words};
use super::table::{addresses, state};
use crate::text::{first_digits, one_word};

/// What is drawn.
pub(super) struct Graph<'t> {
    pub(super) topology: &'t Topology,
    pub(super) attachments: &'t [&'t Attachment],
}

/// How a language writes it.
struct Language {
    /// A text in quotation marks, of several lines.
    quoted: fn(&[String]) -> String,
    /// A node: its name in the graph, its text, and what it is.
    node: fn(&str, &str, Look) -> String,
    /// An edge, with its text.
    edge: fn(&str, &str, &str, By) -> String,
    /// What begins a group of nodes: its name in the graph and its text.
    group: fn(&str, &str) -> String,
    /// What ends it.
    end: &'static str,
}

/// How a node looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Outside,
    Host,
    Alive,
    Gone,
    Unknown,
}

impl Graph<'_> {
    /// As a flowchart of Mermaid (<https://mermaid.js.org>).
    pub(super) fn mermaid(&self) -> String {
        let body = self.body(&MERMAID);
        format!(
            "flowchart LR\n{body}  classDef gone stroke:#cf222e,stroke-dasharray:4\n  \
             classDef unknown stroke:#9a6700,stroke-dasharray:4\n"
        )
    }

    /// In the language of Graphviz (<https://graphviz.org/doc/info/lang.html>).
    pub(super) fn dot(&self) -> String {
        let title = (DOT.quoted)(std::slice::from_ref(&self.topology.host));
        let body = self.body(&DOT);
        format!(
            "graph {title} {{\n  rankdir=LR\n  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11]\n  \
             edge [fontname=\"sans-serif\", fontsize=9]\n{body}}}\n"
        )
    }

    fn body(&self, language: &Language) -> String {
        let quoted = language.quoted;
        let mut text = String::new();
        let nodes = || self.topology.nodes.iter().enumerate();
        for (number, node) in nodes().filter(|(_, node)| **node == Node::Outside) {
            text.push_str(&(language.node)(
                &id(number),
                &quoted(&[name(node)]),
                Look::Outside,
            ));
        }
        let host = quoted(&[format!("host {}", self.topology.host)]);
        text.push_str(&(language.group)("host", &host));
        for (number, node) in nodes() {
            if matches!(node, Node::Link { .. } | Node::Routing) {
                let lines: Vec<_> = std::iter::once(name(node)).chain(words(node)).collect();
                text.push_str(&(language.node)(&id(number), &quoted(&lines), Look::Host));
            }
        }
        text.push_str(language.end);
        self.containers(language, &mut text);
        for edge in &self.topology.edges {
            let lines = match edge.by {
                By::Attachment(number) => self.attachment(number),
                By::Masquerade => vec!["masqueraded".to_owned()],
                By::Wire | By::Route => Vec::new(),
            };
            let lines = if lines.is_empty() {
                String::new()
            } else {
                quoted(&lines)
            };
            text.push_str(&(language.edge)(
                &id(edge.from),
                &id(edge.to),
                &lines,
                edge.by,
            ));
        }
        text
    }

    /// The containers, grouped by the network that each has first.
    fn containers(&self, language: &Language, text: &mut String) {
        let mut networks: Vec<&str> = self
            .attachments
            .iter()
            .map(|one| one.network.as_str())
            .collect();
        networks.dedup();
        for (number, network) in networks.into_iter().enumerate() {
            let nodes = self.topology.nodes.iter().enumerate();
            let of_network: Vec<_> = nodes
                .filter_map(|(number, node)| {
                    let one = self.first_of(node)?;
                    (one.network == network).then_some((number, node, one))
                })
                .collect();
            if of_network.is_empty() {
                continue;
            }
            let title = (language.quoted)(&[format!("network {network}")]);
            text.push_str(&(language.group)(&format!("net{number}"), &title));
            for (number, node, one) in of_network {
                let look = match state(one) {
                    "gone" => Look::Gone,
                    "unknown" | "begun" => Look::Unknown,
                    _ => Look::Alive,
                };
                let mut lines = vec![first_digits(&name(node)).to_owned()];
                if look != Look::Alive {
                    lines.push(state(one).to_owned());
                }
                text.push_str(&(language.node)(
                    &id(number),
                    &(language.quoted)(&lines),
                    look,
                ));
            }
            text.push_str(language.end);
        }
    }

    /// The first attachment of a container.
    fn first_of(&self, node: &Node) -> Option<&Attachment> {
        let Node::Container { container, .. } = node else {
            return None;
        };
        self.attachments
            .iter()
            .copied()
            .find(|one| one.container == *container)
    }

    /// What stands on the edge of an attachment.
    fn attachment(&self, number: usize) -> Vec<String> {
        let one = self.attachments[number];
        let mut lines = addresses(one);
        if let Some(ifname) = &one.ifname {
            lines.insert(0, ifname.clone());
        }
        lines.extend(one.ports.iter().map(ToString::to_string));
        lines
    }
}

fn id(number: usize) -> String {
    format!("n{number}")
}

const MERMAID: Language = Language {
    quoted: |lines| {
        // What Mermaid could take for its own language, or a browser for HTML, is written as its character's number.
        let escaped = |line: &String| {
            one_word(line).chars().fold(String::new(), |mut text, c| {
                match c.is_alphanumeric() || " .:/-_,+=→".contains(c) {
                    true => text.push(c),
                    false => text.push_str(&format!("#{};", u32::from(c))),
                }
                text
            })
        };
        let lines: Vec<_> = lines.iter().map(escaped).collect();
        format!("\"{}\"", lines.join("<br/>"))
    },
    node: |id, text, look| match look {
        Look::Outside => format!("  {id}([{text}])\n"),
        Look::Host | Look::Alive => format!("    {id}[{text}]\n"),
        Look::Gone => format!("    {id}[{text}]:::gone\n"),
        Look::Unknown => format!("    {id}[{text}]:::unknown\n"),
    },
    edge: |from, to, text, by| {
        let line = match by {
            By::Wire | By::Attachment(_) => "---",
            By::Route | By::Masquerade => "-.-",
        };
        match text {
            "" => format!("  {from} {line} {to}\n"),
            text => format!("  {from} {line}|{text}| {to}\n"),
        }
    },
    group: |id, text| format!("  subgraph {id}[{text}]\n"),
    end: "  end\n",
};

const DOT: Language = Language {
    quoted: |lines| {
        let escaped = |line: &String| one_word(line).replace('\\', "\\\\").replace('"', "\\\"");
        let lines: Vec<_> = lines.iter().map(escaped).collect();
        format!("\"{}\"", lines.join("\\n"))
    },
    node: |id, text, look| match look {
        Look::Outside => format!("  {id} [label={text}, shape=ellipse]\n"),
        Look::Host | Look::Alive => format!("    {id} [label={text}]\n"),
        Look::Gone => {
            format!("    {id} [label={text}, color=\"#cf222e\", style=\"rounded,dashed\"]\n")
        }
        Look::Unknown => {
            format!("    {id} [label={text}, color=\"#9a6700\", style=\"rounded,dashed\"]\n")
        }
    },
    edge: |from, to, text, by| {
        let dashed = match by {
            By::Wire | By::Attachment(_) => "",
            By::Route | By::Masquerade => ", style=dashed",
        };
        let text = if text.is_empty() { "\"\"" } else { text };
        format!("  {from} -- {to} [label={text}{dashed}]\n")
    },
    group: |id, text| {
        format!(
            "  subgraph cluster_{id} {{\n    label={text}; fontname=\"sans-serif\"; fontsize=11; color=\"#8c959f\"\n"
        )
    },
    end: "  }\n",
};
