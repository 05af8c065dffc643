//! Routes and rules: what `ip` shows is what is read, and it survives being made again.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::time::Duration;

use linkspan_kernel::rtnl::{Change, Route, RouteFilter, Rtnl, Rule};
use linkspan_testkit::{Feature, Sandbox, needs, sandbox};

/// Two cables with addresses on both.
fn cables(host: &Sandbox) -> Rtnl {
    for link in ["e0", "f0"] {
        host.run(&format!("ip link add {link} type veth peer name p-{link}"));
        // Link-local addresses, and routes with them, would come late.
        for end in [link, &format!("p-{link}")] {
            host.run(&format!(
                "sysctl -qw net.ipv6.conf.{end}.addr_gen_mode=1; ip link set {end} up"
            ));
        }
    }
    host.run("ip addr add 10.1.0.2/24 dev e0; ip addr add 10.2.0.2/24 dev f0");
    host.run("ip addr add fd01::2/64 dev e0 nodad; ip addr add fd02::2/64 dev f0 nodad");
    // The kernel adds the local routes of these in the background.
    for address in ["fd01::2", "fd02::2"] {
        let there = format!("ip -6 route show table local | grep -q {address}");
        host.run(&format!("until {there}; do sleep 0.01; done"));
    }
    Rtnl::open().unwrap()
}

const ROUTES: &str = "
    default via 10.1.0.1 metric 5 mtu lock 1400 advmss 1300 window 1000 rtt 20ms rttvar 10ms ssthresh 5 cwnd lock 7 initcwnd 11 initrwnd 12 hoplimit 33 reordering 4 features ecn quickack 1 congctl cubic rto_min 30ms fastopen_no_cookie 1
    10.50.0.0/16 tos 0x10 via 10.1.0.1 src 10.1.0.2 proto static realm 3/4
    10.51.0.0/16 nexthop via 10.1.0.1 weight 3 realms 5 nexthop via 10.99.0.1 dev f0 onlink weight 256
    10.52.0.0/16 via inet6 fe80::1 dev e0
    10.53.0.0/16 nexthop via inet6 fd01::1 dev e0 nexthop dev f0
    10.54.0.0/16 via 10.77.0.1 dev e0 onlink table 70000
    10.56.0.0/16 nhid 7
    10.57.0.0/16 nhid 9
    unreachable 10.58.0.0/16 metric 9
    blackhole 10.59.0.0/16
    throw 10.60.0.0/16 table 9
    10.61.0.0/16 dev e0 scope link proto 99
    10.61.0.0/16 dev f0 scope link proto 98
    default via fd01::1 metric 7 mtu 1400 advmss 1220 hoplimit 9 pref high
    fd50::/64 nexthop via fd01::1 weight 2 nexthop via fd02::1 dev f0 weight 9
    fd51::/64 from fd01::/64 via fd01::1
    fd52::/64 via fd01::1 expires 300
    fd53::/64 via fd99::1 dev e0 onlink src fd01::2 table 80000 proto ra
    fd54::/64 nhid 17
    fd56::/64 dev e0
    fd56::/64 dev f0
    unreachable fd57::/64
    fd58::/64 nexthop via fd99::1 dev e0 onlink nexthop via fd98::1 dev f0 onlink
    fd59::/64 via fd01::1 metric 3 congctl reno
";

/// What needs light-weight tunnels in the kernel.
const TUNNELS: &str = "
    10.55.0.0/16 encap ip id 5 dst 10.0.0.9 ttl 9 dev e0
    fd55::/64 encap seg6 mode encap segs fd00::1,fd00::2 dev e0
";

/// All that `ip` shows, without the seconds that pass.
fn shown(host: &Sandbox) -> String {
    let text = host.run("ip -d route show table all; ip -d -6 route show table all");
    let words = text
        .split(' ')
        .filter(|word| !(word.ends_with("sec") && word.len() < 8));
    words.collect::<Vec<_>>().join(" ")
}

/// Those routes that are not there by themselves.
fn made_by_hand(rtnl: &Rtnl) -> Vec<Route> {
    let routes = rtnl.routes(RouteFilter::default()).unwrap();
    routes
        .into_iter()
        .filter(|route| route.protocol != libc::RTPROT_KERNEL)
        .collect()
}

fn survive(host: &Sandbox, routes: &str) {
    let rtnl = cables(host);
    host.run("ip nexthop add id 7 via 10.1.0.1 dev e0; ip nexthop add id 8 via 10.2.0.1 dev f0");
    host.run("ip nexthop add id 9 group 7,3/8; ip nexthop add id 17 via fd01::1 dev e0");
    let lines: Vec<&str> = routes
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    for line in &lines {
        let family = if line.contains("fd01::1 metric") || line.contains("fd5") {
            "-6"
        } else {
            "-4"
        };
        host.run(&format!("ip {family} route append {line}"));
    }
    let (text, listed) = (shown(host), made_by_hand(&rtnl));
    assert_eq!(listed.len(), lines.len(), "{text}");

    let delete: Vec<Change> = listed.iter().cloned().map(Change::DeleteRoute).collect();
    for (change, outcome) in delete.iter().zip(rtnl.commit(&delete).unwrap()) {
        outcome.unwrap_or_else(|error| panic!("{change:?}: {error}"));
    }
    assert_eq!(made_by_hand(&rtnl), []);

    let add: Vec<Change> = listed.iter().cloned().map(Change::AppendRoute).collect();
    for (change, outcome) in add.iter().zip(rtnl.commit(&add).unwrap()) {
        outcome.unwrap_or_else(|error| panic!("{change:?}: {error}"));
    }
    assert_eq!(shown(host), text);
    let without_time = |routes: Vec<Route>| -> Vec<Route> {
        let forget = |route| Route {
            expires: None,
            ..route
        };
        routes.into_iter().map(forget).collect()
    };
    assert_eq!(
        without_time(made_by_hand(&rtnl)),
        without_time(listed.clone())
    );
    let expires: Vec<Duration> = listed.iter().filter_map(|route| route.expires).collect();
    assert!(
        matches!(expires[..], [left] if left > Duration::from_secs(200)),
        "{expires:?}"
    );
}

#[test]
fn routes_survive_being_made_again() {
    sandbox(|host| survive(host, &format!("{ROUTES}{TUNNELS}")));
}

#[test]
fn routes_survive_being_made_again_in_debians_kernel() {
    needs(&[Feature::VirtualMachine]).sandbox(|host| survive(host, ROUTES));
}

/// Listed for one table or one link, as sbr and vrf ask.
#[test]
fn routes_of_a_link_are_those_that_go_out_of_it() {
    sandbox(|host| {
        let rtnl = cables(host);
        host.run("ip route add 10.51.0.0/16 nexthop via 10.1.0.1 nexthop via 10.2.0.1");
        host.run("ip route add 10.54.0.0/16 via 10.2.0.1 table 70000");
        host.run("ip -6 route add fd50::/64 nexthop via fd01::1 nexthop via fd02::1");
        let link = rtnl.link("f0").unwrap().index;
        let destinations = |filter| {
            let routes = rtnl.routes(filter).unwrap();
            let of_main = routes
                .into_iter()
                .filter(|route| route.kind == libc::RTN_UNICAST);
            let mut texts: Vec<String> =
                of_main.map(|route| route.destination.to_string()).collect();
            texts.sort();
            texts
        };
        let of_link = RouteFilter {
            link: Some(link),
            ..RouteFilter::default()
        };
        let expected = [
            "10.2.0.0/24",
            "10.51.0.0/16",
            "10.54.0.0/16",
            "fd02::/64",
            "fd50::/64",
        ];
        assert_eq!(destinations(of_link), expected);
        let of_table = RouteFilter {
            link: Some(link),
            table: Some(70000),
        };
        assert_eq!(destinations(of_table), ["10.54.0.0/16"]);
    });
}

const RULES: [&str; 8] = [
    "-4 rule add from 10.1.0.2 table 100 priority 512",
    "-4 rule add from 10.0.0.0/8 to 192.0.2.0/24 table 70000 priority 513 protocol 99",
    "-4 rule add from 10.1.0.2 fwmark 0x10/0xff table 101 priority 514",
    "-4 rule add not from 10.1.0.0/16 iif e0 oif f0 tos 0x10 ipproto tcp sport 1-9 dport 80 uidrange 0-0 table 102 priority 515",
    "-4 rule add from 10.9.0.0/16 priority 516 prohibit",
    "-4 rule add from 10.9.0.0/16 priority 517 goto 600",
    "-6 rule add from fd01::2 table 100 priority 512",
    "-6 rule add from fd00::/8 table 100 priority 513 suppress_prefixlength 0",
];

fn rules(rtnl: &Rtnl) -> Vec<Rule> {
    let all = [libc::AF_INET, libc::AF_INET6].map(|family| rtnl.rules(family as u8).unwrap());
    all.concat()
}

#[test]
fn rules_survive_being_made_again() {
    sandbox(|host| {
        let rtnl = cables(host);
        let show = || host.run("ip -d -4 rule show; ip -d -6 rule show");
        let before = show();
        for rule in RULES {
            host.run(&format!("ip {rule}"));
        }
        let (text, listed) = (show(), rules(&rtnl));
        let made = listed
            .iter()
            .filter(|rule| rule.priority.is_some_and(|p| (512..600).contains(&p)));
        let made: Vec<Rule> = made.cloned().collect();
        assert_eq!(made.len(), RULES.len(), "{text}");
        for rule in &made {
            rtnl.change(Change::DeleteRule(rule.clone())).unwrap();
        }
        assert_eq!(show(), before);
        for rule in &made {
            rtnl.change(Change::AddRule(rule.clone())).unwrap();
            assert!(
                rtnl.change(Change::AddRule(rule.clone()))
                    .unwrap_err()
                    .is_exists()
            );
        }
        assert_eq!(show(), text);
        assert_eq!(rules(&rtnl), listed);
    });
}

/// Two rules that differ in what is not read are two rules.
#[test]
fn a_rule_like_another_is_not_deleted_in_its_place() {
    sandbox(|host| {
        let rtnl = cables(host);
        host.run("ip rule add from 10.1.0.2 fwmark 1 table 100 priority 512");
        host.run("ip rule add from 10.1.0.2 fwmark 2 table 100 priority 512");
        let second = rules(&rtnl)
            .into_iter()
            .filter(|rule| rule.priority == Some(512))
            .nth(1);
        rtnl.change(Change::DeleteRule(second.unwrap())).unwrap();
        let left = host.run("ip rule show priority 512");
        assert!(
            left.contains("fwmark 0x1") && !left.contains("fwmark 0x2"),
            "{left}"
        );
    });
}

#[test]
fn a_rule_for_an_address_is_what_ip_makes() {
    sandbox(|host| {
        let rtnl = cables(host);
        for address in ["10.1.0.2/32", "fd01::2/128"] {
            let rule = Rule {
                priority: Some(700),
                ..Rule::from(address.parse().unwrap(), 100)
            };
            rtnl.change(Change::AddRule(rule.clone())).unwrap();
            let family = if address.contains(':') { "-6" } else { "-4" };
            let show = || host.run(&format!("ip -d {family} rule show priority 700"));
            let ours = show();
            assert!(rules(&rtnl).contains(&rule), "{ours}");
            rtnl.change(Change::DeleteRule(rule)).unwrap();
            host.run(&format!(
                "ip {family} rule add from {address} table 100 priority 700 protocol unspec"
            ));
            assert_eq!(show(), ours);
        }
    });
}

#[test]
fn the_route_to_an_address_tells_where_it_leads() {
    sandbox(|host| {
        let rtnl = cables(host);
        let to = |address: &str| rtnl.route_to(address.parse().unwrap()).unwrap();
        let e0 = rtnl.link("e0").unwrap().index;
        for neighbour in ["10.1.0.77", "fd01::77"] {
            assert_eq!(to(neighbour).unwrap().link, Some(e0), "{neighbour}");
        }
        for own in ["10.1.0.2", "127.0.0.1", "fd01::2", "::1"] {
            assert_eq!(to(own).unwrap().kind, libc::RTN_LOCAL, "{own}");
        }
        for nowhere in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(to(nowhere), None, "{nowhere}");
        }
        host.run("ip route add unreachable 192.0.2.0/24; ip route add prohibit 192.0.3.0/24; ip route add blackhole 192.0.4.0/24");
        for refused in ["192.0.2.1", "192.0.3.1", "192.0.4.1"] {
            assert_eq!(to(refused), None, "{refused}");
        }
    });
}
