use linkspan_inspect::Host;
use linkspan_inspect::attachment::{Attachment, Port};
use linkspan_inspect::containers::Name;
use linkspan_inspect::life::Life;
use linkspan_inspect::topology::{By, Edge, Node, Topology};

use super::content::Content;
use super::layout::{self, Picture};
use super::text;

fn link(name: &str, kind: Option<&str>, addresses: &[&str]) -> Node {
    Node::Link {
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
        addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
        running: true,
    }
}

fn attachment(network: &str, number: usize) -> Attachment {
    Attachment {
        network: network.to_owned(),
        container: format!("container{number}"),
        ifname: Some("eth0".to_owned()),
        name: number.is_multiple_of(3).then(|| Name {
            name: format!("a-rather-long-name-of-a-pod-{number}"),
            namespace: Some("space".to_owned()),
            known_by: "kubernetes".to_owned(),
        }),
        life: match number % 10 {
            4 => Life::Gone("its network namespace is gone".to_owned()),
            5 => Life::Unknown("nothing tells".to_owned()),
            _ => Life::Alive,
        },
        netns: None,
        namespace: None,
        addresses: (0..=number % 5)
            .map(|more| format!("10.{more}.0.{}/16", number % 250).parse().unwrap())
            .collect(),
        assigned: Vec::new(),
        mac: None,
        mtu: None,
        kind: Some("veth".to_owned()),
        host_link: Some(format!("veth{number:011}")),
        bridge: None,
        ports: (0..number % 7)
            .map(|port| Port {
                host_ip: None,
                host_port: 8000 + port as u16,
                container_port: 80,
                protocol: "tcp".to_owned(),
            })
            .collect(),
        limits: None,
        reserved: [].into(),
        incomplete: false,
        since: None,
        seen: Vec::new(),
    }
}

/// A host with everything: two uplinks, a VLAN, bridges with and without a cable, routing, and networks on each of them.
fn world(count: usize) -> (Topology, Vec<Attachment>) {
    let nodes = vec![
        link("eth0", None, &["192.0.2.1/24", "2001:db8::1/64"]),
        Node::Outside,
        link("eth1", None, &[]),
        link("eth0.100", Some("vlan"), &["198.51.100.1/24"]),
        Node::Routing,
        link(
            "cni0",
            Some("bridge"),
            &[
                "10.22.0.1/16",
                "10.23.0.1/16",
                "10.24.0.1/16",
                "fd00:22::1/64",
            ],
        ),
        link("br1", Some("bridge"), &[]),
    ];
    let wire = |from, to| Edge {
        from,
        to,
        by: By::Wire,
    };
    let mut edges = vec![wire(1, 0), wire(1, 2), wire(0, 3), wire(2, 6), wire(2, 5)];
    edges.push(Edge {
        from: 0,
        to: 4,
        by: By::Route,
    });
    edges.push(Edge {
        from: 3,
        to: 4,
        by: By::Route,
    });
    edges.push(Edge {
        from: 4,
        to: 5,
        by: By::Masquerade,
    });
    let places = [
        ("mynet", 5),
        ("other", 5),
        ("second", 6),
        ("direct", 4),
        ("lan", 2),
        ("tagged", 3),
    ];
    let mut topology = Topology {
        host: "node1".to_owned(),
        nodes,
        edges,
    };
    let mut attachments = Vec::new();
    for number in 0..count {
        let (network, anchor) = places[number * number % places.len()];
        attachments.push(attachment(network, number));
        topology.nodes.push(Node::Container {
            container: format!("container{number}"),
            label: String::new(),
        });
        // Of those that are gone nothing leads anywhere.
        if number % 10 != 4 {
            let to = topology.nodes.len() - 1;
            topology.edges.push(Edge {
                from: anchor,
                to,
                by: By::Attachment(number),
            });
        }
    }
    (topology, attachments)
}

fn arranged<'c>(
    topology: &Topology,
    attachments: &[&Attachment],
    content: &'c Content,
) -> Picture<'c> {
    layout::arrange(topology, attachments, content)
}

#[test]
fn nothing_lies_on_anything_else_and_everything_is_in_the_picture() {
    for count in [0, 1, 3, 10, 60, 200] {
        let (topology, attachments) = world(count);
        let attachments: Vec<_> = attachments.iter().collect();
        let content = Content::of(&Host::default(), &topology, &attachments);
        let picture = arranged(&topology, &attachments, &content);
        let boxes: Vec<_> = picture
            .boxes
            .iter()
            .map(|one| (one.x, one.y, one.x + one.width, one.y + one.height))
            .collect();
        assert_eq!(boxes.len(), 7 + count);
        for (number, one) in boxes.iter().enumerate() {
            assert!(
                one.0 >= 0 && one.1 >= 0 && one.2 <= picture.width && one.3 <= picture.height,
                "{count}: {one:?}"
            );
            for other in &boxes[number + 1..] {
                let apart =
                    one.2 <= other.0 || other.2 <= one.0 || one.3 <= other.1 || other.3 <= one.1;
                assert!(apart, "{count}: {one:?} {other:?}");
            }
        }
        for one in &picture.boxes {
            assert!(one.text.width() <= one.width, "{count}: {:?}", one.text);
            assert!(
                one.text.class == "routing" || one.text.height() <= one.height.max(28),
                "{count}: {:?}",
                one.text
            );
        }
        for wire in &picture.wires {
            for ends in wire.points.windows(2) {
                let [(x, y), (to_x, to_y)] = *ends else {
                    continue;
                };
                for one in &boxes {
                    let through = x.min(to_x) < one.2
                        && x.max(to_x) > one.0
                        && y.min(to_y) < one.3
                        && y.max(to_y) > one.1;
                    assert!(!through, "{count}: {ends:?} {one:?}");
                }
            }
        }
        let shape = f64::from(picture.width) / f64::from(picture.height);
        assert!(
            count < 10 || (0.9..2.2).contains(&shape),
            "{count}: {shape}"
        );
    }
}

/// Whether all that is opened is closed again, in order, and no character stands for markup.
fn well_formed(svg: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        let end = tag.find('>').ok_or("a tag does not end")?;
        let text = &tag[1..end];
        for part in [before, text] {
            let entities = part.split('&').skip(1);
            let known = |entity: &str| {
                ["amp;", "lt;", "gt;", "quot;"]
                    .iter()
                    .any(|one| entity.starts_with(one))
            };
            if let Some(entity) = entities.into_iter().find(|entity| !known(entity)) {
                return Err(format!("&{entity}"));
            }
            if part.contains(|c: char| c.is_control() && c != '\n') {
                return Err(format!("{part:?}"));
            }
        }
        match text.strip_prefix('/') {
            Some(name) if open.pop() == Some(name) => {}
            Some(name) => return Err(format!("</{name}>")),
            None if text.ends_with('/') => {}
            None => open.push(text.split_whitespace().next().unwrap_or_default()),
        }
        rest = &tag[end + 1..];
    }
    match open.is_empty() {
        true => Ok(()),
        false => Err(open.join(" ")),
    }
}

#[test]
fn hostile_names_are_text_and_nothing_else() {
    let (mut topology, mut attachments) = world(3);
    let hostile = "<script>\"&' ]]>\u{0}\u{1b}[31m\n\u{202e}\u{fffe}";
    topology.host = hostile.to_owned();
    topology.nodes.push(link(hostile, Some(hostile), &[]));
    let last = topology.nodes.len() - 1;
    topology.edges.push(Edge {
        from: last,
        to: last - 1,
        by: By::Attachment(2),
    });
    for one in &mut attachments {
        one.container = hostile.to_owned();
        one.network = hostile.to_owned();
        one.ifname = Some(hostile.to_owned());
        one.host_link = Some(hostile.to_owned());
        one.name = None;
        one.life = Life::Gone(hostile.to_owned());
    }
    let attachments: Vec<_> = attachments.iter().collect();
    let svg = text(&Host::default(), &topology, &attachments);
    assert_eq!(well_formed(&svg), Ok(()), "{svg}");
    assert!(!svg.contains("<script"), "{svg}");
    assert!(well_formed("<a><b></a></b>").is_err());
    assert!(well_formed("<a>&x;</a>").is_err());
}
