//! Neighbours and routing rules.

use std::net::IpAddr;
use std::ops::Range;
use std::thread;

use linkspan_kernel::rtnl::{Change, Neighbour, Rule};
use linkspan_testkit::sandbox;

use super::{cable, host_socket};

const INET: u8 = 2;
const INET6: u8 = 10;

#[test]
fn neighbours_are_written_down_replaced_and_forgotten() {
    sandbox(|host| {
        let rtnl = host_socket();
        let (link, _) = cable(&rtnl);
        for address in ["10.0.0.7", "fd00::7"] {
            let mut neighbour = Neighbour {
                link: link.index,
                address: address.parse::<IpAddr>().unwrap(),
                mac: Some([2, 0, 0, 0, 0, 7]),
                permanent: true,
            };
            let shown = || host.run(&format!("ip neighbour show {address} dev a0"));
            rtnl.change(Change::ReplaceNeighbour(neighbour.clone()))
                .unwrap();
            assert_eq!(
                shown(),
                format!("{address} lladdr 02:00:00:00:00:07 PERMANENT")
            );
            neighbour.mac = Some([2, 0, 0, 0, 0, 8]);
            neighbour.permanent = false;
            rtnl.change(Change::ReplaceNeighbour(neighbour.clone()))
                .unwrap();
            assert_eq!(
                shown(),
                format!("{address} lladdr 02:00:00:00:00:08 REACHABLE")
            );
            neighbour.mac = None;
            rtnl.change(Change::DeleteNeighbour(neighbour.clone()))
                .unwrap();
            neighbour.address = "10.0.0.9".parse().unwrap();
            let error = rtnl.change(Change::DeleteNeighbour(neighbour)).unwrap_err();
            assert!(error.is_not_found(), "{error}");
        }
    });
}

#[test]
fn rules_are_added_listed_and_removed() {
    sandbox(|host| {
        let rtnl = host_socket();
        let builtin = rtnl.rules(INET).unwrap();
        assert_eq!(
            builtin.iter().map(|rule| rule.table).collect::<Vec<_>>(),
            [255, 254, 253]
        );
        let families = [
            (
                INET,
                "-4",
                "10.1.0.2/32",
                "10.9.0.0/16",
                "from 10.1.0.2 lookup 1000",
            ),
            (
                INET6,
                "-6",
                "fd00::2/128",
                "fd00:9::/64",
                "from fd00::2 lookup 1000",
            ),
        ];
        for (family, option, from, to, shown) in families {
            let rule = Rule::from(from.parse().unwrap(), 1000);
            rtnl.change(Change::AddRule(rule.clone())).unwrap();
            assert!(host.run(&format!("ip {option} rule")).contains(shown));
            let found = rtnl.rules(family).unwrap();
            let found = found.iter().find(|found| found.table == 1000).unwrap();
            assert_eq!((found.from, found.to), (rule.from, None));

            let both = Rule {
                to: Some(to.parse().unwrap()),
                table: 7,
                priority: Some(100),
                ..rule.clone()
            };
            rtnl.change(Change::AddRule(both.clone())).unwrap();
            assert!(rtnl.rules(family).unwrap().contains(&both));
            let error = rtnl.change(Change::AddRule(both.clone())).unwrap_err();
            assert!(error.is_exists(), "{error}");

            rtnl.change(Change::DeleteRule(both.clone())).unwrap();
            let error = rtnl.change(Change::DeleteRule(both)).unwrap_err();
            assert!(error.is_not_found(), "{error}");
            assert!(
                rtnl.rules(family)
                    .unwrap()
                    .iter()
                    .any(|rule| rule.table == 1000)
            );
        }
    });
}

#[test]
fn a_rule_of_two_families_is_refused() {
    sandbox(|_| {
        let rtnl = host_socket();
        let rule = Rule {
            to: Some("fd00::/8".parse().unwrap()),
            ..Rule::from("10.1.0.2/32".parse().unwrap(), 7)
        };
        let before = rtnl.rules(INET).unwrap();
        let error = rtnl.change(Change::AddRule(rule)).unwrap_err();
        assert_eq!(error.object(), "rule from 10.1.0.2/32 to fd00::/8 lookup 7");
        assert_eq!(rtnl.rules(INET).unwrap(), before);
    });
}

#[test]
fn a_list_of_rules_is_whole_although_others_change_it() {
    sandbox(|_| {
        let rtnl = host_socket();
        let change = |verb: fn(Rule) -> Change, range: Range<u32>, table: u32| {
            let rules = range.map(|n| Rule {
                priority: Some(table * 10_000 + n),
                ..Rule::from("10.1.0.2/32".parse().unwrap(), table)
            });
            let changes: Vec<Change> = rules.map(verb).collect();
            for outcome in host_socket().commit(&changes).unwrap() {
                outcome.unwrap();
            }
        };
        // What is removed stands before what stays, so that all of that moves up.
        change(Change::AddRule, 0..500, 1);
        change(Change::AddRule, 0..1500, 2);
        thread::scope(|scope| {
            let removal = scope.spawn(|| change(Change::DeleteRule, 0..500, 1));
            while !removal.is_finished() {
                let found = rtnl.rules(INET).unwrap();
                assert_eq!(found.iter().filter(|one| one.table == 2).count(), 1500);
            }
        });
    });
}
