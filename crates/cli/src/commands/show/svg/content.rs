//! What is written in the picture, and how much room it takes.

use linkspan_inspect::Host;
use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::life::Life;
use linkspan_inspect::topology::{By, Node, Topology};

use super::super::outline::{name, words};
use super::super::table::addresses;
use crate::text::{first_digits, one_word};

/// From a box's edge to its text, in pixels like everything here.
pub(super) const PAD: i32 = 10;
/// From a box's top to the foot of its first line.
pub(super) const FIRST_LINE: i32 = 18;
/// From one line to the next.
pub(super) const LINE: i32 = 15;

/// Characters of a line at most.
const LONGEST: usize = 34;
/// Addresses of a box at most.
const ADDRESSES: usize = 3;
/// Between two parts of a line.
pub(super) const SPACE: i32 = 7;

/// A line of text: parts, each with its class.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(pub(super) Vec<(&'static str, String)>);

impl Line {
    fn new(class: &'static str, words: &str) -> Self {
        Self(vec![(class, shortened(words))])
    }

    /// Its width, by what the widest of the usual fonts take for a character.
    pub(super) fn width(&self) -> i32 {
        let tenths = |class: &str| match class {
            "name" => 80,
            "mono" | "port" => 68,
            "dimmono" => 62,
            _ => 68,
        };
        let parts = self.0.iter();
        let tenths: i32 = parts
            .map(|(class, words)| columns(words) * tenths(class))
            .sum();
        tenths / 10 + SPACE * (self.0.len() as i32 - 1).max(0)
    }
}

/// A box's text.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    /// The box's class.
    pub(super) class: &'static str,
    pub(super) lines: Vec<Line>,
    /// What is shown by a browser to who points at it.
    pub(super) tooltip: String,
}

impl Text {
    pub(super) fn width(&self) -> i32 {
        2 * PAD + self.lines.iter().map(Line::width).max().unwrap_or(0)
    }

    pub(super) fn height(&self) -> i32 {
        FIRST_LINE + LINE * (self.lines.len() as i32 - 1).max(0) + 9
    }
}

/// All that is written.
pub(super) struct Content {
    /// Of each node of the topology; empty for containers, which have a card for each attachment.
    pub(super) nodes: Vec<Text>,
    /// Of each attachment.
    pub(super) cards: Vec<Text>,
    /// Of each network, by its name.
    titles: Vec<(String, Line)>,
    pub(super) host: Line,
    pub(super) caption: Line,
}

impl Content {
    pub(super) fn of(host: &Host, topology: &Topology, attachments: &[&Attachment]) -> Self {
        let nodes = topology.nodes.iter().enumerate();
        let mut networks: Vec<_> = attachments.iter().map(|one| one.network.clone()).collect();
        networks.dedup();
        Self {
            nodes: nodes
                .map(|(number, node)| node_text(topology, number, node))
                .collect(),
            cards: attachments
                .iter()
                .map(|one| card(one, &others(one, attachments)))
                .collect(),
            titles: networks
                .into_iter()
                .map(|network| (network.clone(), title(host, &network)))
                .collect(),
            host: Line(vec![
                ("dim", "host".to_owned()),
                ("name", shortened(&topology.host)),
            ]),
            caption: caption(topology, attachments),
        }
    }

    pub(super) fn title(&self, network: &str) -> Line {
        let found = self.titles.iter().find(|(name, _)| name == network);
        found.map(|(_, title)| title.clone()).unwrap_or_default()
    }
}

fn node_text(topology: &Topology, number: usize, node: &Node) -> Text {
    let class = match node {
        Node::Container { .. } => return Text::default(),
        Node::Outside => "outside",
        Node::Routing => "routing",
        Node::Link { kind, .. } if kind.as_deref() == Some("bridge") => "bridge",
        Node::Link { .. } => "link",
    };
    let mut lines = vec![Line::new("name", &name(node))];
    let words = words(node);
    let (addresses, others): (Vec<_>, Vec<_>) =
        words.into_iter().partition(|word| word.contains('/'));
    if let (Some(Line(first)), false) = (lines.first_mut(), others.is_empty()) {
        first.push(("dim", others.join(", ")));
    }
    lines.extend(
        few(&addresses)
            .iter()
            .map(|address| Line::new("mono", address)),
    );
    let is_masqueraded = topology
        .edges
        .iter()
        .any(|edge| edge.to == number && edge.by == By::Masquerade);
    if is_masqueraded {
        lines.push(Line::new("dim", "masqueraded"));
    }
    let tooltip = std::iter::once(name(node))
        .chain(addresses)
        .collect::<Vec<_>>()
        .join(", ");
    Text {
        class,
        lines,
        tooltip: one_word(&tooltip).into_owned(),
    }
}

/// The other networks of an attachment's container.
fn others(one: &Attachment, attachments: &[&Attachment]) -> Vec<String> {
    let others = attachments
        .iter()
        .filter(|other| other.container == one.container && other.network != one.network);
    others.map(|other| other.network.clone()).collect()
}

fn card(one: &Attachment, others: &[String]) -> Text {
    let name = one.name.as_ref().map(ToString::to_string);
    let name = name.unwrap_or_else(|| first_digits(&one.container).to_owned());
    let mut lines = vec![Line::new("name", &name)];
    let ifname = one.ifname.as_deref().unwrap_or("?");
    let addresses = few(&addresses(one));
    let mut addresses = addresses.iter();
    let mut second = vec![("dim", shortened(ifname))];
    second.extend(addresses.next().map(|address| ("mono", shortened(address))));
    lines.push(Line(second));
    lines.extend(addresses.map(|address| Line::new("mono", address)));
    let ports: Vec<_> = one.ports.iter().map(ToString::to_string).collect();
    lines.extend(
        in_lines(&ports)
            .iter()
            .map(|ports| Line::new("port", ports)),
    );
    if let Some(link) = one
        .host_link
        .as_ref()
        .filter(|_| one.kind.as_deref() == Some("veth"))
    {
        lines.push(Line::new("dimmono", link));
    }
    if !others.is_empty() {
        lines.push(Line::new("dim", &format!("also on {}", others.join(", "))));
    }
    let class = match &one.life {
        Life::Alive => "card",
        Life::Gone(_) => {
            lines.push(Line::new("gone", "gone"));
            "card-gone"
        }
        Life::Unknown(_) => {
            lines.push(Line::new("unknown", "perhaps gone"));
            "card-unknown"
        }
    };
    let mut tooltip = vec![
        one.label(),
        one.container.clone(),
        one.network.clone(),
        ifname.to_owned(),
    ];
    tooltip.extend(super::super::table::addresses(one));
    tooltip.extend(ports);
    tooltip.extend(one.life.why().map(str::to_owned));
    Text {
        class,
        lines,
        tooltip: one_word(&tooltip.join(", ")).into_owned(),
    }
}

/// The first of many, and how many there are more.
fn few(all: &[String]) -> Vec<String> {
    let mut few: Vec<_> = all.iter().take(ADDRESSES).cloned().collect();
    if let (Some(more @ 1..), Some(last)) = (all.len().checked_sub(ADDRESSES), few.last_mut()) {
        last.push_str(&format!(" +{more}"));
    }
    few
}

/// Short words, several to a line; of many the first two lines.
fn in_lines(words: &[String]) -> Vec<String> {
    const WIDTH: usize = 24;
    let mut lines: Vec<String> = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let is_last = lines.len() == 2;
        match lines.last_mut() {
            Some(last) if last.chars().count() + word.chars().count() < WIDTH => {
                last.push(' ');
                last.push_str(word);
            }
            Some(last) if is_last => {
                last.push_str(&format!(" +{}", words.len() - number));
                break;
            }
            _ => lines.push(word.clone()),
        }
    }
    lines
}

fn title(host: &Host, network: &str) -> Line {
    let plugins = host
        .network(network)
        .map(|network| network.plugins.join(", "));
    let plugins = plugins.unwrap_or_else(|| "no configuration any more".to_owned());
    Line(vec![
        ("name", shortened(network)),
        ("dim", shortened(&plugins)),
    ])
}

fn caption(topology: &Topology, attachments: &[&Attachment]) -> Line {
    let count = |is_wanted: fn(&Life) -> bool| {
        attachments
            .iter()
            .filter(|one| is_wanted(&one.life))
            .count()
    };
    let mut words = vec![match attachments.len() {
        1 => "1 attachment".to_owned(),
        count => format!("{count} attachments"),
    }];
    let states = [
        (count(Life::is_gone), "gone"),
        (
            count(|life| matches!(life, Life::Unknown(_))),
            "perhaps gone",
        ),
    ];
    words.extend(
        states
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}")),
    );
    let is_routed = topology.nodes.contains(&Node::Routing);
    words.extend(is_routed.then(|| "dashed: routed by the host".to_owned()));
    Line(vec![("dim", words.join("  ·  "))])
}

/// What is too long without its middle, since names differ at their ends.
fn shortened(words: &str) -> String {
    let words: Vec<char> = one_word(words).chars().collect();
    match words.len() > LONGEST {
        false => words.into_iter().collect(),
        true => {
            let (head, tail) = (LONGEST * 2 / 3, LONGEST / 3 - 1);
            let head = words[..head].iter();
            let tail = words[words.len() - tail..].iter();
            head.chain(&['…']).chain(tail).collect()
        }
    }
}

/// How many columns a text takes: the writing of East Asia takes two for a character.
fn columns(words: &str) -> i32 {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd);
    words.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}
