//! What the kernel can make, and what rules say.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::net::IpAddr;

use linkspan_kernel::features::missing_link_kinds;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::xtables::{self, Protocol};
use linkspan_nft::{Action, Chain, Family, Outline, Table};
use linkspan_testkit::{Feature, needs, sandbox};

#[test]
fn what_is_there_is_not_missing() {
    sandbox(|host| {
        let before = host.run("ip -o link");
        let missing = missing_link_kinds(&["bridge", "veth", "macvlan", "nobody-knows"]);
        assert_eq!(missing.unwrap(), [""; 0]);
        assert_eq!(host.run("ip -o link"), before, "nothing is made here");
    });
}

#[test]
fn kinds_that_need_a_parent_are_tried_with_one() {
    needs(&[Feature::Vlan, Feature::Ipvlan]).sandbox(|_| {
        let missing = missing_link_kinds(&["vlan", "ipvlan"]);
        assert_eq!(missing.unwrap(), [""; 0]);
    });
}

fn net(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/').unwrap();
    Some((address.parse().unwrap(), length.parse().unwrap()))
}

/// The same rules as each of the commands writes them.
const RULES: [&str; 6] = [
    "-i cni0 -s 10.22.0.0/16 -j ACCEPT",
    "-o veth+ -d 10.22.0.0/12 -j DROP",
    "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-m conntrack --ctstate NEW,ESTABLISHED -j REJECT",
    "-p icmp -m comment --comment x -j RETURN",
    "! -i cni0 -j ACCEPT",
];

fn outlines() -> Vec<Outline> {
    let of = |action| Outline {
        is_ipv6: Some(false),
        action,
        ..Outline::default()
    };
    let mut rules = vec![
        of(Action::Accept),
        of(Action::Drop),
        of(Action::Accept),
        of(Action::Drop),
        of(Action::Return),
        of(Action::Accept),
    ];
    rules[0].input = Some("cni0".to_owned());
    rules[0].source = net("10.22.0.0/16");
    rules[1].output = Some("veth*".to_owned());
    rules[1].destination = net("10.16.0.0/12");
    rules[2].spares_new = true;
    rules[4].protocol = Some(1);
    rules[5].is_partial = true;
    rules
}

#[test]
fn rules_are_understood_as_either_iptables_writes_them() {
    sandbox(|host| {
        for rule in RULES {
            host.run(&format!(
                "iptables-nft -A FORWARD {rule}; iptables-legacy -A FORWARD {rule}"
            ));
        }
        let chain = Chain::regular(&Table::new(Family::Ip, "filter"), "FORWARD");
        let found = Nftables::open().unwrap().outlines(&chain).unwrap();
        assert_eq!(found, outlines());
        let table = xtables::table(Protocol::Ipv4, "filter").unwrap().unwrap();
        let forward = table.rules.iter().filter(|rule| rule.is_of_forward);
        let mut found: Vec<Outline> = forward.map(|rule| rule.outline.clone()).collect();
        // The policy stands last.
        found.pop();
        // What is inverted is named all the same, and counts as not understood.
        found[5].input = None;
        assert_eq!(found, outlines());
    });
}

#[test]
fn rules_are_understood_as_nft_writes_them() {
    sandbox(|host| {
        host.run(
            "nft add table inet t; nft add chain inet t other
             nft add chain inet t c '{ type filter hook forward priority 0; policy drop; }'
             nft add rule inet t c iifname cni0 ip saddr 10.22.0.0/16 counter accept
             nft add rule inet t c ip6 daddr fd22::/64 log drop
             nft add rule inet t c ct state established,related accept
             nft add rule inet t c ct state vmap { new : jump other }
             nft add rule inet t c meta l4proto tcp tcp dport 22 goto other",
        );
        let chain = Chain::regular(&Table::new(Family::Inet, "t"), "c");
        let found = Nftables::open().unwrap().outlines(&chain).unwrap();
        let none = Outline::default;
        let expected = [
            Outline {
                input: Some("cni0".to_owned()),
                source: net("10.22.0.0/16"),
                is_ipv6: Some(false),
                action: Action::Accept,
                ..none()
            },
            Outline {
                destination: net("fd22::/64"),
                is_ipv6: Some(true),
                action: Action::Drop,
                ..none()
            },
            Outline {
                spares_new: true,
                action: Action::Accept,
                ..none()
            },
            Outline {
                is_partial: true,
                action: Action::Unknown,
                ..none()
            },
            Outline {
                protocol: Some(6),
                is_partial: true,
                action: Action::Goto("other".to_owned()),
                ..none()
            },
        ];
        assert_eq!(found, expected);
    });
}
