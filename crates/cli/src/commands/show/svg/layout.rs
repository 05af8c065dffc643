//! What is where: from the left to the right the outside, the host's links, its routing, its bridges, and the networks with a card
//! for each attachment. Everything is in pixels.
//!
//! Lines run in the gutters between the columns and enter a network at its top, where a line to each column of cards branches off:
//! so nothing lies on anything else, however many cards there are.

use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::topology::{By, Node, Topology};

use super::content::{Content, Line, Text};

/// Around the picture.
const MARGIN: i32 = 20;
/// Between columns.
const GUTTER: i32 = 44;
/// From a frame to what is in it.
const INSET: i32 = 16;
/// From the top of a network, or of a box that a line leaves, to that line.
const PORT: i32 = 34;
/// From the top of a network to its cards.
const CARDS: i32 = 46;
/// Before each column of cards, with the line that leads to them.
const RAIL: i32 = 26;
/// Between two boxes, one below the other.
const GAP: i32 = 12;
/// Half the height of the box of routing, so that lines pass above it.
const ROUTING: i32 = 14;
/// Below the host's frame, for the caption.
const CAPTION: i32 = 30;
/// Columns of cards at most.
const COLUMNS: usize = 9;
/// How many times as wide as high the picture should be.
const SHAPE: f64 = 1.5;

/// Where everything is.
pub(super) struct Picture<'c> {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) frames: Vec<Frame>,
    pub(super) wires: Vec<Wire>,
    pub(super) boxes: Vec<Placed<'c>>,
    pub(super) caption: (i32, i32),
}

/// A frame around others, with a title.
pub(super) struct Frame {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) class: &'static str,
    pub(super) title: Line,
}

/// A box.
pub(super) struct Placed<'c> {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) text: &'c Text,
}

/// A line with corners.
pub(super) struct Wire {
    pub(super) points: Vec<(i32, i32)>,
    pub(super) class: &'static str,
}

/// Attachments to one network that hang from one node.
struct Group {
    network: String,
    anchor: Option<usize>,
    /// Numbers of attachments, and whether each is connected.
    members: Vec<(usize, bool)>,
}

/// Arranges it all.
pub(super) fn arrange<'c>(
    topology: &Topology,
    attachments: &[&Attachment],
    content: &'c Content,
) -> Picture<'c> {
    let groups = groups(topology, attachments);
    let shapes =
        (1..=COLUMNS).map(|columns| Arrangement::new(topology, content, &groups, columns).done());
    let off = |picture: &Picture<'_>| {
        let shape = f64::from(picture.width) / f64::from(picture.height);
        (shape / SHAPE).ln().abs()
    };
    let best = shapes.min_by(|one, other| off(one).total_cmp(&off(other)));
    best.unwrap_or_else(|| Arrangement::new(topology, content, &groups, 1).done())
}

/// The groups from the top: of bridges, of routing, of other links, of nothing.
fn groups(topology: &Topology, attachments: &[&Attachment]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let edge = |number: usize| topology.edge_of(number).map(|edge| edge.from);
    // Those that lead nowhere join others of their network.
    let mut order: Vec<usize> = (0..attachments.len()).collect();
    order.sort_by_key(|number| edge(*number).is_none());
    for number in order {
        let (network, anchor) = (&attachments[number].network, edge(number));
        let joins = |group: &&mut Group| {
            group.network == *network && (anchor.is_none() || group.anchor == anchor)
        };
        let member = (number, anchor.is_some());
        match groups.iter_mut().find(joins) {
            Some(group) => group.members.push(member),
            None => groups.push(Group {
                network: network.clone(),
                anchor,
                members: vec![member],
            }),
        }
    }
    let rank = |group: &Group| match group.anchor.map(|anchor| &topology.nodes[anchor]) {
        Some(node) if is_bridge(node) => (0, group.anchor),
        Some(Node::Routing) => (1, group.anchor),
        Some(_) => (2, group.anchor),
        None => (3, None),
    };
    groups.sort_by_key(rank);
    groups
}

fn is_bridge(node: &Node) -> bool {
    matches!(node, Node::Link { kind, .. } if kind.as_deref() == Some("bridge"))
}

/// A picture that is being arranged.
struct Arrangement<'c, 't> {
    topology: &'t Topology,
    content: &'c Content,
    picture: Picture<'c>,
    /// Where nodes are: the place of each in the boxes.
    placed: Vec<Option<usize>>,
    /// Where each group's line enters, from the left.
    entries: Vec<(i32, i32)>,
}

impl<'c, 't> Arrangement<'c, 't> {
    fn new(topology: &'t Topology, content: &'c Content, groups: &[Group], columns: usize) -> Self {
        let mut arrangement = Self {
            topology,
            content,
            picture: Picture {
                width: 0,
                height: 0,
                frames: Vec::new(),
                wires: Vec::new(),
                boxes: Vec::new(),
                caption: (0, 0),
            },
            placed: vec![None; topology.nodes.len()],
            entries: Vec::new(),
        };
        arrangement.arrange(groups, columns);
        arrangement
    }

    fn done(self) -> Picture<'c> {
        self.picture
    }

    fn arrange(&mut self, groups: &[Group], columns: usize) {
        let nodes = |is_wanted: fn(&Node) -> bool| -> Vec<usize> {
            let nodes = self.topology.nodes.iter().enumerate();
            nodes
                .filter(|(_, node)| is_wanted(node))
                .map(|(number, _)| number)
                .collect()
        };
        let outside = nodes(|node| *node == Node::Outside);
        let routing = nodes(|node| *node == Node::Routing);
        let bridges = nodes(is_bridge);
        let links = self.by_parent(&nodes(|node| {
            matches!(node, Node::Link { .. }) && !is_bridge(node)
        }));
        let top = MARGIN + CARDS;
        let mut x = MARGIN;
        let outside_x = x;
        x += self.room(&outside);
        let host_x = x;
        x += INSET;
        let links_x = x;
        let indent = links.iter().map(|(_, depth)| *depth).max().unwrap_or(0) * INSET;
        x += self.room(&links.iter().map(|(link, _)| *link).collect::<Vec<_>>()) + indent;
        let routing_x = x;
        x += self.room(&routing);
        let bridges_x = x;
        x += self.room(&bridges);
        let (tops, right, bottom) = self.place_groups(groups, x, top, columns);
        let top_of = |node: usize| {
            let mut those = groups
                .iter()
                .zip(&tops)
                .filter(|(group, _)| group.anchor == Some(node));
            those.next().map(|(_, top)| *top)
        };
        let mut lowest = bottom;
        let mut next = top;
        for bridge in bridges {
            let y = top_of(bridge).unwrap_or(next).max(next);
            next = self.place(bridge, bridges_x, x - GUTTER, y) + GAP;
            lowest = lowest.max(next - GAP);
        }
        for node in &routing {
            let y = self.first_routed(*node, top_of(*node)).unwrap_or(top);
            self.place(*node, routing_x, bridges_x - GUTTER, y + PORT - ROUTING);
        }
        next = top;
        for (link, depth) in links {
            // One that only carries the macvlans of a network stands beside it.
            let routes = self.topology.below(link).any(|edge| edge.by == By::Route);
            let y = top_of(link)
                .filter(|_| !routes && depth == 0)
                .unwrap_or(next)
                .max(next);
            next = self.place(link, links_x + depth * INSET, routing_x - GUTTER, y) + GAP;
            lowest = lowest.max(next - GAP);
        }
        for node in outside {
            self.place(node, outside_x, host_x - GUTTER, top + PORT - ROUTING);
        }
        self.connect_nodes();
        self.connect_groups(groups);
        self.finish(host_x, right, lowest);
    }

    /// Links, each behind the one that it is made on and deeper by one.
    fn by_parent(&self, links: &[usize]) -> Vec<(usize, i32)> {
        let below = |link: usize| {
            let edges = self.topology.below(link).filter(|edge| edge.by == By::Wire);
            edges
                .map(|edge| edge.to)
                .filter(|to| links.contains(to))
                .collect::<Vec<_>>()
        };
        let is_made_on_another =
            |link: usize| links.iter().any(|other| below(*other).contains(&link));
        let mut stack: Vec<(usize, i32)> = links
            .iter()
            .rev()
            .filter(|link| !is_made_on_another(**link))
            .map(|link| (*link, 0))
            .collect();
        let mut ordered: Vec<(usize, i32)> = Vec::new();
        while let Some((link, depth)) = stack.pop() {
            if ordered.iter().all(|(known, _)| *known != link) {
                ordered.push((link, depth));
                stack.extend(below(link).into_iter().rev().map(|link| (link, depth + 1)));
            }
        }
        ordered
    }

    /// The width of a column, with the gutter behind it.
    fn room(&self, nodes: &[usize]) -> i32 {
        let widths = nodes.iter().map(|node| self.content.nodes[*node].width());
        widths.max().map_or(0, |width| width + GUTTER)
    }

    /// Puts a node's box to its place; all of a column end at its right. Returns where it ends below.
    fn place(&mut self, node: usize, x: i32, right: i32, y: i32) -> i32 {
        let text = &self.content.nodes[node];
        let height = match text.class {
            "routing" | "outside" => 2 * ROUTING,
            _ => text.height().max(PORT + GAP),
        };
        self.placed[node] = Some(self.picture.boxes.len());
        self.picture.boxes.push(Placed {
            x,
            y,
            width: right - x,
            height,
            text,
        });
        y + height
    }

    fn place_of(&self, node: usize) -> Option<&Placed<'c>> {
        self.picture.boxes.get(self.placed[node]?)
    }

    /// The top of the first that is routed.
    fn first_routed(&self, routing: usize, own: Option<i32>) -> Option<i32> {
        let routed = self
            .topology
            .below(routing)
            .filter_map(|edge| Some(self.place_of(edge.to)?.y));
        routed.chain(own).min()
    }

    /// Places the networks below each other. Returns their tops, and where they end on the right and below.
    fn place_groups(
        &mut self,
        groups: &[Group],
        x: i32,
        top: i32,
        columns: usize,
    ) -> (Vec<i32>, i32, i32) {
        let widths = self.content.cards.iter().map(Text::width);
        let card = widths.max().unwrap_or(0).max(130);
        let (mut tops, mut right, mut y) = (Vec::new(), x, top);
        for group in groups {
            tops.push(y);
            let used = columns.min(group.members.len());
            let title = self.content.title(&group.network);
            let width = (used as i32 * (RAIL + card) + INSET).max(title.width() + 2 * INSET);
            let bottom = self.place_cards(group, x, y, card, used);
            // A bridge with many addresses may be higher than its network.
            let anchor = group
                .anchor
                .map_or(0, |anchor| self.content.nodes[anchor].height());
            let height = (bottom + INSET - y).max(anchor);
            self.entries.push((x, y + PORT));
            self.picture.frames.push(Frame {
                x,
                y,
                width,
                height,
                class: "network",
                title,
            });
            right = right.max(x + width);
            y += height + INSET;
        }
        (tops, right, y - INSET)
    }

    /// Places a network's cards, with the lines to them. Returns where they end.
    fn place_cards(&mut self, group: &Group, x: i32, y: i32, card: i32, columns: usize) -> i32 {
        let rows: Vec<_> = group.members.chunks(columns.max(1)).collect();
        let mut ends: Vec<Option<i32>> = vec![None; columns];
        let mut top = y + CARDS;
        for row in rows {
            let heights = row
                .iter()
                .map(|(number, _)| self.content.cards[*number].height());
            let height = heights.max().unwrap_or(0);
            for (column, (number, is_connected)) in row.iter().enumerate() {
                let left = x + RAIL + column as i32 * (card + RAIL);
                if *is_connected {
                    let foot = top + CARD_PORT;
                    ends[column] = Some(foot);
                    self.picture.wires.push(Wire {
                        points: vec![(left - RAIL / 2, foot), (left, foot)],
                        class: "wire",
                    });
                }
                self.picture.boxes.push(Placed {
                    x: left,
                    y: top,
                    width: card,
                    height,
                    text: &self.content.cards[*number],
                });
            }
            top += height + GAP;
        }
        let rail = |column: usize| x + RAIL / 2 + column as i32 * (card + RAIL);
        let last = ends.iter().rposition(Option::is_some);
        for (column, end) in ends.iter().enumerate() {
            if let Some(end) = end {
                self.picture.wires.push(Wire {
                    points: vec![(rail(column), y + PORT), (rail(column), *end)],
                    class: "wire",
                });
            }
        }
        if let Some(last) = last {
            self.picture.wires.push(Wire {
                points: vec![(x, y + PORT), (rail(last), y + PORT)],
                class: "wire",
            });
        }
        top - GAP
    }

    /// Where a line leaves a box, and where it enters one.
    fn port(placed: &Placed<'_>) -> i32 {
        match placed.text.class {
            "routing" | "outside" => placed.y + ROUTING,
            _ => placed.y + PORT,
        }
    }

    fn connect_nodes(&mut self) {
        let mut wires = Vec::new();
        for edge in &self.topology.edges {
            let (Some(from), Some(to)) = (self.place_of(edge.from), self.place_of(edge.to)) else {
                continue;
            };
            let class = if edge.by == By::Wire { "wire" } else { "route" };
            let is_link = |placed: &Placed<'_>| placed.text.class == "link";
            if is_link(from) && is_link(to) {
                // Made on the one above.
                let x = from.x + INSET / 2;
                let y = to.y + to.height / 2;
                wires.push(Wire {
                    points: vec![(x, from.y + from.height), (x, y), (to.x, y)],
                    class,
                });
                continue;
            }
            let start = (from.x + from.width, Self::port(from));
            // A cable passes above the box of routing.
            let y = match is_link(from) && to.text.class == "bridge" {
                true => to.y + GAP,
                false => Self::port(to),
            };
            let lane = match class {
                "wire" => to.x.min(start.0 + GUTTER) - GUTTER / 2,
                _ => to.x - GUTTER / 3,
            };
            wires.push(Wire {
                points: bent(start, lane, (to.x, y)),
                class,
            });
        }
        self.picture.wires.extend(wires);
    }

    fn connect_groups(&mut self, groups: &[Group]) {
        let mut wires = Vec::new();
        for (group, (x, y)) in groups.iter().zip(&self.entries) {
            let Some(placed) = group.anchor.and_then(|anchor| self.place_of(anchor)) else {
                continue;
            };
            // Beside the line to routing.
            let below = if placed.text.class == "link" {
                GAP / 2
            } else {
                0
            };
            let start = (placed.x + placed.width, Self::port(placed) + below);
            let class = if placed.text.class == "routing" {
                "route"
            } else {
                "wire"
            };
            wires.push(Wire {
                points: bent(start, start.0 + GUTTER / 3, (*x, *y)),
                class,
            });
        }
        self.picture.wires.extend(wires);
    }

    fn finish(&mut self, host_x: i32, right: i32, lowest: i32) {
        let width = (right + INSET - host_x).max(self.content.host.width() + 2 * INSET);
        let host = Frame {
            x: host_x,
            y: MARGIN,
            width,
            height: lowest + INSET - MARGIN,
            class: "host",
            title: self.content.host.clone(),
        };
        let bottom = host.y + host.height;
        self.picture.width = (host_x + width).max(host_x + self.content.caption.width()) + MARGIN;
        self.picture.height = bottom + CAPTION + MARGIN / 2;
        self.picture.caption = (host_x, bottom + CAPTION - GAP / 2);
        self.picture.frames.insert(0, host);
    }
}

/// From the top of a card to where its line ends, beside the name.
const CARD_PORT: i32 = 14;

/// A line to the right that goes up or down at `lane`.
fn bent(from: (i32, i32), lane: i32, to: (i32, i32)) -> Vec<(i32, i32)> {
    match from.1 == to.1 {
        true => vec![from, to],
        false => vec![from, (lane, from.1), (lane, to.1), to],
    }
}
