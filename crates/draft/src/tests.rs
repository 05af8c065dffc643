use std::collections::BTreeSet;

use linkspan_inspect::link::{Link, Links, Route};
use linkspan_lint::{input, lint};
use linkspan_plugin::find;
use linkspan_plugins::PLUGINS;
use linkspan_spec::{NetworkList, Value, Version, pretty};
use serde_json::json;

use crate::*;

fn wish(name: &str, kind: Kind) -> Wish {
    Wish {
        name: Some(name.parse().unwrap()),
        kind,
        ..Wish::default()
    }
}

/// A host with eth0 on 192.0.2.0/24, whose plugins speak everything.
fn host() -> Facts {
    let eth0 = Link {
        index: 2,
        name: "eth0".to_owned(),
        addresses: vec!["192.0.2.5/24".parse().unwrap()],
        ..Link::default()
    };
    let br0 = Link {
        index: 3,
        name: "br0".to_owned(),
        kind: Some("bridge".to_owned()),
        ..Link::default()
    };
    let route = Route {
        destination: "0.0.0.0/0".parse().unwrap(),
        gateway: Some("192.0.2.1".parse().unwrap()),
        link: Some(2),
    };
    let plugins = PLUGINS.iter().map(|plugin| {
        (
            plugin.name().to_owned(),
            Speech::Speaks(Version::ALL.to_vec()),
        )
    });
    Facts {
        host: Some(Links {
            links: vec![eth0, br0],
            routes: vec![route],
        }),
        plugins: plugins.collect(),
        random: 0x12_3456_789a,
        ..Facts::default()
    }
}

fn claim(net: &str, source: Source) -> Claim {
    Claim {
        net: net.parse().unwrap(),
        source,
    }
}

/// Every wish that flags can say.
fn wishes() -> Vec<Wish> {
    let kinds = [
        Kind::Bridge(None),
        Kind::Bridge(Some("br0".parse().unwrap())),
        Kind::Ptp,
        Kind::Macvlan("eth0".to_owned()),
        Kind::Ipvlan("eth0".to_owned()),
        Kind::Vlan("eth0".to_owned(), 100),
    ];
    let subnets: [(&[&str], &[&str]); 5] = [
        (&[], &[]),
        (&["192.0.2.0/24"], &["192.0.2.128/25"]),
        (&["10.91.0.0/16"], &[]),
        (&["fd00:1::/64"], &["fd00:1::100-fd00:1::1ff"]),
        (&["10.91.7.0/24", "fd00:1::/64"], &["10.91.7.0/25"]),
    ];
    let mut all = Vec::new();
    for kind in kinds {
        for (subnets, ranges) in subnets {
            for bits in 0..128_u32 {
                let has = |bit: u32| bits & (1 << bit) != 0;
                all.push(Wish {
                    ports: has(0),
                    bandwidth: has(1),
                    firewall: has(2).then_some(has(3)),
                    ipv6: has(4),
                    internal: has(5),
                    dhcp: has(6),
                    mtu: has(1).then_some(1400),
                    subnets: subnets.iter().map(|net| net.parse().unwrap()).collect(),
                    ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
                    ..wish("n", kind.clone())
                });
            }
        }
    }
    all
}

#[test]
fn whatever_is_wished_is_faultless_or_refused() {
    let facts = host();
    let (mut made, mut refused) = (BTreeSet::new(), 0);
    for wish in wishes() {
        let draft = match draft(&wish, &facts) {
            Ok(draft) => draft,
            Err(refusal) => {
                assert!(
                    !refusal.words.is_empty() && refusal.next.ends_with('.'),
                    "{refusal:?}"
                );
                refused += 1;
                continue;
            }
        };
        let text = pretty(&draft.configuration);
        if !made.insert(text.clone()) {
            continue;
        }
        let list = NetworkList::parse(text.as_bytes()).unwrap();
        for plugin in &list.plugins {
            let plugin = plugin.clone().with_network(&list.name, list.cni_version);
            let handler = find(PLUGINS, plugin.plugin_type().unwrap().as_str()).unwrap();
            handler
                .judge(&plugin)
                .unwrap_or_else(|error| panic!("{error:?}: {text}"));
        }
        let documents = input::text("n.conflist", text.as_bytes());
        let reports = lint(&documents, None);
        let mut findings = reports.iter().flat_map(|report| &report.findings);
        if let Some(finding) = findings.next() {
            panic!("{}: {}: {text}", finding.rule.id, finding.message);
        }
    }
    assert!(
        made.len() > 200 && refused > 500,
        "{} {refused}",
        made.len()
    );
}

#[test]
fn a_subnet_is_nobodys() {
    let cases: [(&[(&str, Source)], &str); 6] = [
        (&[], "10.90.0.0/24"),
        (
            &[("10.90.0.0/24", Source::Network("a".to_owned()))],
            "10.90.1.0/24",
        ),
        (
            &[
                ("10.90.0.7/32", Source::Pool("a".to_owned())),
                ("10.90.1.128/25", Source::Route(254)),
                ("10.90.2.9/24", Source::Link("eth0".to_owned())),
            ],
            "10.90.3.0/24",
        ),
        (&[("10.90.0.0/15", Source::Route(7))], "10.92.0.0/24"),
        (&[("10.0.0.0/8", Source::Route(254))], "172.28.0.0/24"),
        (
            &[
                ("10.0.0.0/8", Source::Route(254)),
                ("172.16.0.0/12", Source::Route(254)),
            ],
            "192.168.192.0/24",
        ),
    ];
    for (claims, expected) in cases {
        let mut facts = host();
        facts.claims = claims
            .iter()
            .map(|(net, source)| claim(net, source.clone()))
            .collect();
        let draft = draft(&wish("n", Kind::default()), &facts).unwrap();
        assert_eq!(draft.subnets, [expected.parse().unwrap()], "{claims:?}");
        let choice = draft
            .choices
            .iter()
            .find(|choice| choice.what == "subnet")
            .unwrap();
        assert_eq!(
            choice.why.contains("that nobody here has"),
            !claims.is_empty(),
            "{choice:?}"
        );
    }
    let mut facts = host();
    facts.claims = vec![
        claim("0.0.0.0/2", Source::Route(254)),
        claim("128.0.0.0/1", Source::Route(254)),
    ];
    let refusal = draft(&wish("n", Kind::default()), &facts).unwrap_err();
    assert!(refusal.words.contains("no subnet"), "{refusal:?}");
}

#[test]
fn two_networks_never_overlap() {
    let mut facts = host();
    let mut nets: Vec<ipnet::IpNet> = Vec::new();
    for number in 0..300 {
        let wish = Wish {
            ipv6: true,
            ..wish(&format!("n{number}"), Kind::default())
        };
        let draft = draft(&wish, &facts).unwrap();
        for net in draft.subnets {
            assert!(
                !nets
                    .iter()
                    .any(|other| other.contains(&net) || net.contains(other)),
                "{net}"
            );
            facts.claims.push(Claim {
                net,
                source: Source::Network(draft.name.clone()),
            });
            nets.push(net);
        }
    }
    assert_eq!(nets[1].to_string(), "fd12:3456:789a::/64");
    assert_eq!(nets.len(), 600);
}

/// What a line of words wishes: a name, a kind, and more.
fn said(words: &str) -> Wish {
    let mut words = words.split_whitespace();
    let mut wish = wish(words.next().unwrap(), Kind::Ptp);
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "ptp" => {}
            "bridge" if value.is_empty() => wish.kind = Kind::Bridge(None),
            "bridge" => wish.kind = Kind::Bridge(Some(value.parse().unwrap())),
            "macvlan" => wish.kind = Kind::Macvlan(value.to_owned()),
            "ipvlan" => wish.kind = Kind::Ipvlan(value.to_owned()),
            "subnet" => wish.subnets.push(value.parse().unwrap()),
            "range" => wish.ranges.push(value.parse().unwrap()),
            "gateway" => wish.gateways.push(value.parse().unwrap()),
            "mode" => wish.mode = Some(value.to_owned()),
            "dhcp" => wish.dhcp = true,
            "ports" => wish.ports = true,
            "internal" => wish.internal = true,
            other => panic!("{other}"),
        }
    }
    wish
}

/// The host with a network web, and links of two bridges.
fn crowded() -> Facts {
    let named = |name: &str| (name.to_owned(), "it has it".to_owned());
    Facts {
        names: ["web", "web2"].map(named).into(),
        links: ["cni0", "cni-a"].map(named).into(),
        claims: vec![
            claim("10.90.0.0/24", Source::Network("web".to_owned())),
            claim("192.0.2.0/24", Source::Link("eth0".to_owned())),
        ],
        ..host()
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    const REFUSED: &str = "
        web ptp                                             | Host          | there is a network web        | web3 is free
        n bridge=cni0                                       | Host          | the bridge cni0               | cni1 is free
        n subnet=10.90.0.0/16                               | Host          | of network web                | 10.90.1.0/24 is free
        n subnet=10.91.0.7/16                               | Contradiction | an address of                 | 10.91.0.0/16
        n subnet=10.91.0.0/31                               | Contradiction | too small                     | larger
        n subnet=10.91.0.0/24 subnet=10.92.0.0/24           | Contradiction | one subnet of each            | subnet of IPv4
        n subnet=10.91.0.0/24 range=10.92.0.0/25            | Contradiction | is not in 10.91.0.0/24        | of the subnet
        n range=10.92.0.0/25                                | Contradiction | is not in 10.90.1.0/24        | --subnet
        n subnet=10.91.0.0/24 gateway=10.92.0.1             | Contradiction | the gateway 10.92.0.1         | of the subnet
        n mode=private                                      | Contradiction | ptp has no mode               | --macvlan
        n ports internal                                    | Contradiction | no way in                     | --internal
        n internal subnet=10.91.0.0/24 gateway=10.91.0.1    | Contradiction | no way out                    | --gateway
        n dhcp                                              | Contradiction | --dhcp                        | --macvlan
        n bridge dhcp                                       | Contradiction | no DHCP server                | --bridge NAME
        n bridge=eth0 dhcp                                  | Host          | is no bridge                  | --macvlan eth0
        n bridge=br7 dhcp                                   | Host          | no bridge br7                 | --macvlan
        n macvlan=eth0 ports                                | Contradiction | --ports does not go with      | --bridge
        n macvlan=eth0 dhcp subnet=10.91.0.0/24             | Contradiction | beside it                     | --dhcp
        n macvlan=eth7                                      | Host          | no link eth7                  | eth0
        n macvlan=eth0 subnet=192.0.2.0/24                  | Host          | 192.0.2.5 of this host        | --range
        n macvlan=eth0 subnet=192.0.2.0/24 range=192.0.2.0/28 | Host        | 192.0.2.5 of this host        | --range
        n ipvlan=eth0                                       | Contradiction | not known here                | --subnet";
    for row in REFUSED.lines().filter(|row| row.contains('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let refusal = draft(&said(cells[0]), &crowded()).unwrap_err();
        assert_eq!(format!("{:?}", refusal.why), cells[1], "{row}: {refusal:?}");
        let is_told = refusal.words.contains(cells[2]) && refusal.next.contains(cells[3]);
        assert!(is_told, "{row}: {refusal:?}");
    }
}

#[test]
fn names_are_free() {
    for (words, bridge) in [
        ("b bridge", "cni-b"),
        ("a bridge", "cni1"),
        ("a-name-that-is-long bridge", "cni1"),
        ("n bridge=mine", "mine"),
    ] {
        let made = draft(&said(words), &crowded()).unwrap();
        assert_eq!(made.bridge.as_deref(), Some(bridge), "{words}");
    }
    let unnamed = Wish::default();
    assert_eq!(draft(&unnamed, &crowded()).unwrap().name, "bridge1");
}

#[test]
fn the_version_is_the_newest_that_all_speak() {
    let speaks = |versions: &[Version]| Speech::Speaks(versions.to_vec());
    let (newest, oldest) = (speaks(&[Version::V1_1_0]), speaks(&[Version::V0_4_0]));
    let (old, new) = (speaks(&Version::ALL[..6]), speaks(Version::ALL));
    let cases = [
        (
            vec![("bridge", &new), ("host-local", &new)],
            None,
            Ok("1.1.0"),
        ),
        (
            vec![("bridge", &new), ("host-local", &old)],
            None,
            Ok("1.0.0"),
        ),
        (
            vec![("bridge", &Speech::Missing), ("host-local", &old)],
            None,
            Ok("1.0.0"),
        ),
        (
            vec![
                ("bridge", &Speech::Missing),
                ("host-local", &Speech::Missing),
            ],
            None,
            Ok("1.1.0"),
        ),
        (vec![("bridge", &old)], Some(Version::V0_4_0), Ok("0.4.0")),
        (
            vec![("bridge", &old)],
            Some(Version::V1_1_0),
            Err("does not speak CNI 1.1.0"),
        ),
        (
            vec![("bridge", &newest), ("host-local", &oldest)],
            None,
            Err("in common"),
        ),
    ];
    for (plugins, version, expected) in cases {
        let mut facts = host();
        facts.plugins = plugins
            .into_iter()
            .map(|(name, speech)| (name.to_owned(), speech.clone()))
            .collect();
        let wish = Wish {
            version,
            firewall: Some(false),
            ..wish("n", Kind::default())
        };
        match (draft(&wish, &facts), expected) {
            (Ok(draft), Ok(version)) => assert_eq!(draft.cni_version, version),
            (Err(refusal), Err(words)) => assert!(refusal.words.contains(words), "{refusal:?}"),
            (made, expected) => panic!("{made:?} {expected:?}"),
        }
    }
}

#[test]
fn what_a_configuration_has() {
    let made = |wish: Wish| draft(&wish, &host()).unwrap();
    let internal = made(Wish {
        internal: true,
        ..wish("n", Kind::default())
    })
    .configuration;
    let bridge = &internal["plugins"][0];
    assert_eq!(internal["plugins"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (
            &bridge["isGateway"],
            &bridge["ipMasq"],
            &bridge["ipam"]["routes"]
        ),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let lan = made(Wish {
        subnets: vec!["192.0.2.0/24".parse().unwrap()],
        ranges: vec!["192.0.2.128/25".parse().unwrap()],
        mode: Some("private".to_owned()),
        ..wish("n", Kind::Macvlan("eth0".to_owned()))
    });
    assert_eq!(
        lan.configuration["plugins"][0]["ipam"]["ranges"],
        json!([[{ "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.128", "rangeEnd": "192.0.2.254", "gateway": "192.0.2.1" }]])
    );
    assert_eq!(lan.configuration["plugins"][0]["mode"], "private");
    let dhcp = made(wish("n", Kind::Vlan("eth0".to_owned(), 7)));
    assert_eq!(
        (dhcp.plugins.as_slice(), dhcp.cautions.len()),
        (&["vlan".to_owned(), "dhcp".to_owned()][..], 1)
    );
    let mut nothing = host();
    nothing
        .plugins
        .values_mut()
        .for_each(|speech| *speech = Speech::Missing);
    let fresh = draft(&wish("n", Kind::default()), &nothing).unwrap();
    assert_eq!(fresh.missing_plugins, ["bridge", "host-local", "firewall"]);
}
