//! Routes.

use ipnet::IpNet;
use linkspan_kernel::rtnl::{Address, Change, NextHop, Opaque, Route, RouteFilter, Rtnl};
use linkspan_testkit::sandbox;

use super::{cable, host_socket};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// A link with an address of each family; its index.
fn attached(rtnl: &Rtnl) -> u32 {
    let (link, _) = cable(rtnl);
    for address in ["10.1.0.2/24", "fd00:1::2/64"] {
        rtnl.change(Change::AddAddress(link.index, Address::new(net(address))))
            .unwrap();
    }
    link.index
}

fn route(destination: &str, gateway: &str, link: u32) -> Route {
    let gateway = (!gateway.is_empty()).then(|| gateway.parse().unwrap());
    Route::new(net(destination), gateway, link)
}

fn of_table(table: u32) -> RouteFilter {
    RouteFilter {
        table: Some(table),
        ..RouteFilter::default()
    }
}

#[test]
fn everything_asked_of_a_route_is_read_back() {
    sandbox(|host| {
        let rtnl = host_socket();
        let link = attached(&rtnl);
        let mut wanted = Vec::new();
        for (destination, gateway, source) in [
            ("10.9.0.0/16", "10.1.0.1", "10.1.0.2"),
            ("fd00:9::/64", "fd00:1::1", "fd00:1::2"),
            ("0.0.0.0/0", "10.1.0.1", "10.1.0.2"),
            ("::/0", "fd00:1::1", "fd00:1::2"),
        ] {
            for table in [7, 100_007] {
                let all = Route {
                    source: Some(source.parse().unwrap()),
                    priority: Some(50),
                    table,
                    mtu: Some(1400),
                    advmss: Some(1360),
                    ..route(destination, gateway, link)
                };
                rtnl.change(Change::AddRoute(all.clone())).unwrap();
                wanted.push(all);
            }
        }
        for table in [7, 100_007] {
            let mut found = rtnl.routes(of_table(table)).unwrap();
            for one in &mut found {
                // The kernel gives an IPv6 route a preference.
                one.other = Opaque::default();
            }
            let wanted: Vec<&Route> = wanted.iter().filter(|one| one.table == table).collect();
            assert_eq!(found.len(), 4, "{found:?}");
            for one in wanted {
                assert!(found.contains(one), "{one:?} is not in {found:?}");
            }
            let shown = host.run(&format!("ip route show table {table} 10.9.0.0/16"));
            let text = "10.9.0.0/16 via 10.1.0.1 dev a0 proto boot src 10.1.0.2 metric 50 mtu 1400 advmss 1360";
            assert_eq!(
                shown.split_whitespace().collect::<Vec<_>>().join(" "),
                text.replace("proto boot ", "")
            );
        }
        for one in wanted {
            rtnl.change(Change::DeleteRoute(one.clone())).unwrap();
            let error = rtnl.change(Change::DeleteRoute(one)).unwrap_err();
            assert!(error.is_not_found(), "{error}");
        }
        assert_eq!(
            rtnl.routes(of_table(7)).unwrap(),
            [],
            "a table that is gone is empty"
        );
    });
}

#[test]
fn a_gateway_off_the_link_needs_onlink() {
    sandbox(|_| {
        let rtnl = host_socket();
        let link = attached(&rtnl);
        for (destination, gateway) in [("10.9.0.0/16", "192.0.2.1"), ("fd00:9::/64", "2001:db8::1")]
        {
            let mut far = route(destination, gateway, link);
            rtnl.change(Change::AddRoute(far.clone())).unwrap_err();
            far.onlink = true;
            rtnl.change(Change::AddRoute(far.clone())).unwrap();
            let found = rtnl.routes(RouteFilter::default()).unwrap();
            let found = found
                .iter()
                .find(|one| one.destination == far.destination)
                .unwrap();
            assert!(found.onlink && found.gateway == far.gateway, "{found:?}");
        }
        let error = rtnl
            .change(Change::AddRoute(route("10.8.0.0/16", "192.0.2.1", link)))
            .unwrap_err();
        let text = format!(
            "cannot add route 10.8.0.0/16 via 192.0.2.1 out of link {link}: Network is unreachable (os error 101) (Nexthop has invalid gateway)"
        );
        assert_eq!(error.to_string(), text);
    });
}

#[test]
fn a_gateway_of_the_other_family_is_meant_or_refused() {
    sandbox(|host| {
        let rtnl = host_socket();
        let link = attached(&rtnl);
        let via_ipv6 = route("10.9.0.0/16", "fd00:1::1", link);
        rtnl.change(Change::AddRoute(via_ipv6.clone())).unwrap();
        assert_eq!(
            host.run("ip route show 10.9.0.0/16"),
            "10.9.0.0/16 via inet6 fd00:1::1 dev a0"
        );
        let found = rtnl.routes(RouteFilter::default()).unwrap();
        assert!(
            found.iter().any(|one| one.gateway == via_ipv6.gateway),
            "{found:?}"
        );

        // What the kernel would read of fd00:1::2.
        let look_alike = Address::new(net("253.0.0.1/32"));
        rtnl.change(Change::AddAddress(link, look_alike)).unwrap();
        let before = rtnl.routes(RouteFilter::default()).unwrap();
        let via_ipv4 = route("fd00:9::/64", "10.1.0.1", link);
        let error = rtnl.change(Change::AddRoute(via_ipv4)).unwrap_err();
        assert_eq!(
            error.ext_ack(),
            Some("IPv6 does not support RTA_VIA attribute")
        );
        for (destination, source) in [("10.8.0.0/16", "fd00:1::2"), ("fd00:8::/64", "10.1.0.2")] {
            let mixed = Route {
                source: Some(source.parse().unwrap()),
                ..route(destination, "", link)
            };
            rtnl.change(Change::AddRoute(mixed)).unwrap_err();
        }
        assert_eq!(rtnl.routes(RouteFilter::default()).unwrap(), before);
    });
}

#[test]
fn a_route_can_have_several_ways() {
    sandbox(|host| {
        let rtnl = host_socket();
        let link = attached(&rtnl);
        for (destination, gateways) in [
            ("10.9.0.0/16", ["10.1.0.8", "10.1.0.9"]),
            ("fd00:9::/64", ["fd00:1::8", "fd00:1::9"]),
        ] {
            let hops = (1..).zip(gateways).map(|(weight, gateway)| NextHop {
                link,
                gateway: Some(gateway.parse().unwrap()),
                weight,
                onlink: false,
                other: Opaque::default(),
            });
            let wanted = Route {
                link: None,
                next_hops: hops.collect(),
                ..route(destination, "", link)
            };
            rtnl.change(Change::AddRoute(wanted.clone())).unwrap();
            let of_link = RouteFilter {
                link: Some(link),
                ..RouteFilter::default()
            };
            let found = rtnl.routes(of_link).unwrap();
            let found = found
                .iter()
                .find(|one| one.destination == wanted.destination)
                .unwrap();
            assert_eq!(found.next_hops, wanted.next_hops);
        }
        let shown = host.run("ip route show 10.9.0.0/16");
        assert!(
            shown.contains("nexthop via 10.1.0.9 dev a0 weight 2"),
            "{shown}"
        );
    });
}

#[test]
fn ways_of_both_families_lead_to_one_destination() {
    sandbox(|host| {
        let rtnl = host_socket();
        let link = attached(&rtnl);
        let hop = |gateway: &str| NextHop {
            link,
            gateway: Some(gateway.parse().unwrap()),
            weight: 1,
            onlink: false,
            other: Opaque::default(),
        };
        let wanted = Route {
            link: None,
            next_hops: vec![hop("10.1.0.8"), hop("fd00:1::9")],
            ..route("10.9.0.0/16", "", link)
        };
        rtnl.change(Change::AddRoute(wanted.clone())).unwrap();
        let found = rtnl.routes(RouteFilter::default()).unwrap();
        let found = found
            .iter()
            .find(|one| one.destination == wanted.destination)
            .unwrap();
        assert_eq!(found.next_hops, wanted.next_hops);
        let shown = host.run("ip route show 10.9.0.0/16");
        assert!(shown.contains("nexthop via inet6 fd00:1::9"), "{shown}");
    });
}

#[test]
fn adding_leaves_another_way_and_replacing_does_not() {
    sandbox(|host| {
        let rtnl = host_socket();
        let link = attached(&rtnl);
        let ways = [
            ("10.9.0.0/16", "10.1.0.7", "10.1.0.8"),
            ("fd00:9::/64", "fd00:1::7", "fd00:1::8"),
        ];
        for (destination, first, second) in ways {
            let [first, second] = [first, second].map(|gateway| route(destination, gateway, link));
            rtnl.change(Change::AddRoute(first.clone())).unwrap();
            let error = rtnl.change(Change::AddRoute(first.clone())).unwrap_err();
            assert!(error.is_exists(), "{error}");
            rtnl.change(Change::AddRoute(second.clone())).unwrap();
            let ways = || {
                let found = rtnl.routes(RouteFilter::default()).unwrap();
                let found = found
                    .into_iter()
                    .filter(|one| one.destination == first.destination);
                found.map(|one| one.next_hops.len().max(1)).sum::<usize>()
            };
            assert_eq!(ways(), 2);
            rtnl.change(Change::DeleteRoute(first.clone())).unwrap();
            rtnl.change(Change::ReplaceRoute(first.clone())).unwrap();
            assert_eq!(ways(), 1, "{}", host.host().describe());
        }
    });
}

#[test]
fn routes_are_listed_by_link_and_table() {
    sandbox(|_| {
        let rtnl = host_socket();
        let link = attached(&rtnl);
        let other = rtnl.link("b0").unwrap().index;
        rtnl.change(Change::AddAddress(other, Address::new(net("10.2.0.2/24"))))
            .unwrap();
        let list = |link, table| rtnl.routes(RouteFilter { link, table }).unwrap();
        let has = |found: &[Route], destination: &str| {
            found.iter().any(|one| one.destination == net(destination))
        };
        let (own, others) = (list(Some(link), Some(254)), list(Some(other), Some(254)));
        assert!(has(&own, "10.1.0.0/24") && has(&own, "fd00:1::/64") && !has(&own, "10.2.0.0/24"));
        assert!(has(&others, "10.2.0.0/24") && !has(&others, "10.1.0.0/24"));
        assert!(
            list(Some(link), Some(255))
                .iter()
                .all(|one| one.table == 255)
        );
        assert!(
            has(&list(Some(link), None), "10.1.0.2/32"),
            "the local table too"
        );
        assert_eq!(list(Some(4711), None), [], "a link that is gone has none");
    });
}
