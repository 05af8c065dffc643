//! What is sent for which configuration.

use linkspan_spec::NetworkList;
use serde_json::{Value, json};

use super::*;

const WIRES: [[&str; 2]; 2] = [["192.0.2.1", "192.0.2.2"], ["2001:db8::1", "2001:db8::2"]];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn end(who: Who, addresses: &[&str]) -> End {
    End {
        who,
        addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
        gateways: vec![ip("10.22.0.1"), ip("fd00::1")],
        mtu: 1500,
        next_hops: [NextHop::Host; 2],
    }
}

fn ends() -> [End; 2] {
    [
        end(Who::First, &["10.22.0.2/16", "fd00::2/64"]),
        end(Who::Second, &["10.22.0.3/16", "fd00::3/64"]),
    ]
}

fn facts() -> Facts {
    Facts {
        host_addresses: ["10.22.0.1", "fd00::1", "192.0.2.1"].map(ip).to_vec(),
        wires: WIRES
            .map(|[host, outside]| Wire::of(ip(host), ip(outside)))
            .to_vec(),
        host_port: 40000,
        ..Facts::default()
    }
}

fn planned(plugins: &Value, ends: &[End], facts: &Facts) -> Vec<String> {
    let list = json!({"cniVersion": "1.0.0", "name": "mynet", "plugins": plugins});
    let network = NetworkList::parse(list.to_string().as_bytes()).unwrap();
    let probes = plan(&Promises::of(&network), ends, facts);
    probes.iter().map(words).collect()
}

/// `+` for what is to pass, `!` for what must not, `-` for what is not tried; the source that must be seen, or why not.
fn words(probe: &Probe) -> String {
    let sign = match (&probe.obstacle, probe.expected) {
        (Some(_), _) => '-',
        (None, Expected::Passes) => '+',
        (None, Expected::Blocked) => '!',
    };
    let more = match (&probe.obstacle, probe.source) {
        (Some(why), _) => format!(
            "  ({})",
            why.split_whitespace().take(4).collect::<Vec<_>>().join(" ")
        ),
        (None, Some(source)) => format!("  from {source}"),
        (None, None) => String::new(),
    };
    format!(
        "{sign} {} {}{more}",
        probe.aspect.as_str(),
        probe.check().subject()
    )
}

fn bridge() -> Value {
    json!({"type": "bridge", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true})
}

fn portmap() -> Value {
    json!({"type": "portmap", "capabilities": {"portMappings": true}})
}

/// The lines of one aspect.
fn of(aspect: &str, lines: &[String]) -> Vec<String> {
    let of_aspect = lines.iter().filter_map(|line| {
        let (sign, rest) = line.split_once(' ')?;
        let (found, rest) = rest.split_once(' ')?;
        (found == aspect).then(|| format!("{sign} {rest}"))
    });
    of_aspect.collect()
}

#[test]
fn a_bridge_with_everything_promises_every_direction_in_both_families() {
    let lines = planned(&json!([bridge()]), &ends(), &facts());
    assert_eq!(
        lines,
        [
            "+ neighbour c1 → c2 10.22.0.3  from 10.22.0.2",
            "+ neighbour c2 → c1 10.22.0.2  from 10.22.0.3",
            "+ neighbour c1 → c2 fd00::3  from fd00::2",
            "+ neighbour c2 → c1 fd00::2  from fd00::3",
            "+ gateway c1 → gateway 10.22.0.1  from 10.22.0.2",
            "+ gateway c1 → gateway fd00::1  from fd00::2",
            "+ fromHost host → c1 10.22.0.2",
            "+ fromHost host → c1 fd00::2",
            "+ toHost c1 → host 192.0.2.1  from 10.22.0.2",
            "+ toHost c1 → host 2001:db8::1  from fd00::2",
            "+ outside c1 → outside 192.0.2.2  from 192.0.2.1",
            "+ outside c1 → outside 2001:db8::2  from 2001:db8::1",
            "+ mtu c1 → c2 10.22.0.3",
            "+ mtu c1 → c2 fd00::3",
        ]
    );
}

#[test]
fn a_published_port_is_tried_from_everywhere() {
    let v4 = |plugins: &Value, facts: &Facts| {
        let lines = of("published", &planned(plugins, &ends(), facts));
        let first = lines
            .into_iter()
            .filter(|line| line.contains("by tcp") && line.contains('.'));
        first.collect::<Vec<_>>()
    };
    let expected = [
        "+ outside → c1 by tcp 192.0.2.1:40000  from 192.0.2.2",
        "+ host → c1 by tcp 192.0.2.1:40000",
        "+ host → c1 by tcp 127.0.0.1:40000",
        "+ c1 → c1 by tcp 192.0.2.1:40000",
        "+ c2 → c1 by tcp 192.0.2.1:40000",
    ];
    assert_eq!(v4(&json!([bridge(), portmap()]), &facts()), expected);
    let all = of(
        "published",
        &planned(&json!([bridge(), portmap()]), &ends(), &facts()),
    );
    assert_eq!(
        all.len(),
        20,
        "five ways, two protocols, two families: {all:?}"
    );
    let localhost = "- host → c1 by tcp [::1]:40000  (the kernel lets nothing)";
    assert!(all.iter().any(|line| line == localhost), "{all:?}");

    let signs = |more: Value, facts: &Facts| {
        let mut plugin = portmap();
        plugin
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let lines = v4(&json!([bridge(), plugin]), facts);
        lines
            .iter()
            .filter_map(|line| line.chars().next())
            .collect::<String>()
    };
    for (more, expected) in [
        (json!({}), "+++++"),
        (json!({"snat": false}), "++---"),
        (json!({"conditionsV4": ["-s", "1.2.3.4"]}), "-----"),
        (json!({"conditionsV6": ["-s", "::1"]}), "+++++"),
    ] {
        assert_eq!(signs(more.clone(), &facts()), expected, "{more}");
    }
}

#[test]
fn back_to_where_it_came_from_goes_what_the_bridge_lets_back() {
    for (hairpin, filters, sign) in [
        (true, true, '+'),
        (true, false, '+'),
        (false, true, '-'),
        (false, false, '+'),
    ] {
        let mut plugin = bridge();
        plugin["hairpinMode"] = json!(hairpin);
        let facts = Facts {
            filters_bridged: [filters; 2],
            ..facts()
        };
        let lines = planned(&json!([plugin, portmap()]), &ends(), &facts);
        let own = lines
            .iter()
            .find(|line| line.contains("c1 → c1 by tcp 192"))
            .unwrap();
        assert_eq!(own.chars().next(), Some(sign), "{hairpin} {filters}: {own}");
    }
}

/// Two families, and a default route for the first alone: what is published answers nobody of the second.
#[test]
fn who_has_no_route_back_answers_nobody() {
    let mut ends = ends();
    for end in &mut ends {
        end.next_hops[1] = NextHop::None;
    }
    let mut everybodys = portmap();
    everybodys["masqAll"] = json!(true);
    for (plugin, sign) in [(portmap(), '-'), (everybodys, '+')] {
        let lines = planned(&json!([bridge(), plugin]), &ends, &facts());
        for from in ["outside", "host"] {
            let to = |family: &str| {
                let line = format!("{from} → c1 by tcp {family}");
                let found = lines.iter().find(|one| one.contains(&line));
                found.and_then(|line| line.chars().next())
            };
            assert_eq!(to("192.0.2.1"), Some('+'), "{lines:#?}");
            assert_eq!(to("[2001:db8::1]"), Some(sign), "{lines:#?}");
        }
    }
}

#[test]
fn what_is_to_be_kept_apart_must_not_pass() {
    let isolated = json!({"type": "firewall", "ingressPolicy": "isolated"});
    let lines = planned(&json!([bridge(), isolated, portmap()]), &ends(), &facts());
    assert_eq!(
        of("neighbour", &lines)[..2],
        ["! c1 → c2 10.22.0.3", "! c2 → c1 10.22.0.2"]
    );
    // The largest packet goes to the gateway then, and nothing back to the bridge.
    assert_eq!(of("mtu", &lines)[0], "+ c1 → gateway 10.22.0.1");
    let back = lines.iter().filter(|line| line.contains("c2 → c1 by"));
    assert!(back.clone().count() > 0 && back.clone().all(|line| line.starts_with('-')));
}

#[test]
fn what_would_leave_the_host_is_not_sent_unasked() {
    let macvlan = json!([{"type": "macvlan", "master": "eth0"}]);
    let mut ends = ends();
    for end in &mut ends {
        end.next_hops = [NextHop::Beyond(Some(ip("10.22.0.1"))), NextHop::None];
    }
    let mut facts = Facts {
        host_addresses: Vec::new(),
        leads_on: true,
        ..facts()
    };
    let lines = planned(&macvlan, &ends, &facts);
    for aspect in ["gateway", "fromHost", "toHost", "outside"] {
        let lines = of(aspect, &lines);
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.starts_with('-')),
            "{lines:?}"
        );
    }
    assert_eq!(of("neighbour", &lines).len(), 4);
    facts.world = vec![(ip("10.22.0.1"), None), (ip("fd00::1"), Some(53))];
    let lines = planned(&macvlan, &ends, &facts);
    let asked = of("outside", &lines);
    let asked: Vec<_> = asked.iter().filter(|line| line.starts_with('+')).collect();
    assert_eq!(
        asked,
        ["+ c1 → outside 10.22.0.1", "+ c1 → outside [fd00::1]:53"]
    );
}

#[test]
fn a_gateway_is_tried_where_there_is_to_be_one() {
    let plugin = |is_gateway: bool| json!([{"type": "bridge", "isGateway": is_gateway}]);
    for (is_gateway, is_here, leads_on, has_route, sign) in [
        (true, true, false, true, '+'),
        // It should be there.
        (true, false, false, false, '+'),
        (false, false, false, true, '+'),
        (false, false, false, false, '-'),
        (false, false, true, true, '-'),
        (false, true, true, false, '+'),
    ] {
        let mut ends = ends();
        let hop = if has_route {
            NextHop::Host
        } else {
            NextHop::None
        };
        ends[0].next_hops = [hop; 2];
        let mut facts = facts();
        facts.leads_on = leads_on;
        if !is_here {
            facts.host_addresses.clear();
        }
        let lines = of("gateway", &planned(&plugin(is_gateway), &ends, &facts));
        let found = lines[0].chars().next();
        assert_eq!(
            found,
            Some(sign),
            "{is_gateway} {is_here} {leads_on} {has_route}"
        );
    }
}

#[test]
fn one_container_has_no_neighbours_and_everything_else() {
    let plugins = json!([{"type": "bridge", "isDefaultGateway": true, "ipam": {"type": "static"}}]);
    let lines = planned(&plugins, &ends()[..1], &facts());
    assert_eq!(
        of("neighbour", &lines),
        ["- c1 → c2  (the addresses are static,)"]
    );
    assert_eq!(of("gateway", &lines).len(), 2);
    assert_eq!(of("mtu", &lines)[0], "+ c1 → gateway 10.22.0.1");
    assert_eq!(
        of("outside", &lines)[0],
        "+ c1 → outside 192.0.2.2  from 10.22.0.2",
        "no ipMasq"
    );
}

#[test]
fn limits_are_measured_with_the_host_once() {
    let limited = |more: Value| {
        let mut plugin =
            json!({"type": "bandwidth", "ingressRate": 8000000, "egressRate": 8000000});
        plugin
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        of(
            "limit",
            &planned(&json!([bridge(), plugin]), &ends(), &facts()),
        )
    };
    assert_eq!(
        limited(json!({})),
        ["+ host → c1 10.22.0.2", "+ c1 → host 10.22.0.2"]
    );
    assert_eq!(limited(json!({"egressRate": 0})), ["+ host → c1 10.22.0.2"]);
    let some = limited(json!({"shapedSubnets": ["10.0.0.0/8"]}));
    assert!(
        some.len() == 2 && some.iter().all(|line| line.starts_with('-')),
        "{some:?}"
    );
}
