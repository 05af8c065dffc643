//! Links: made, found, changed, removed.

use std::os::fd::AsFd;

use linkspan_kernel::requests_sent;
use linkspan_kernel::rtnl::{
    Address, Change, IpvlanMode, Kind, LinkChange, LinkData, MacvlanMode, NewLink, Peer, Place,
    PortChange,
};
use linkspan_testkit::{Feature, Sandbox, needs, sandbox};

use super::{cable, container, host_socket};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn bridge(name: &str) -> NewLink<'_> {
    let vlan_filtering = false;
    NewLink::new(name, Kind::Bridge { vlan_filtering })
}

#[test]
fn a_bridge_is_made_as_asked_and_found_by_name_and_index() {
    sandbox(|host| {
        let rtnl = host_socket();
        let made = rtnl
            .create_link(&NewLink {
                mtu: Some(1400),
                mac: Some(MAC),
                up: true,
                tx_queue_len: Some(7),
                ..bridge("br0")
            })
            .unwrap();
        let shown = &host.host().ip_json("link show dev br0")[0];
        assert_eq!(shown["ifindex"], made.index);
        assert_eq!(shown["mtu"], 1400);
        assert_eq!(shown["txqlen"], 7);
        assert_eq!(shown["address"], "02:00:00:00:00:01");
        assert_eq!(shown["linkinfo"]["info_kind"], "bridge");
        assert!(made.is_up() && made.is_kind("bridge") && !made.is_loopback());
        let found = rtnl.link("br0").unwrap();
        assert_eq!((found.mtu, found.mac), (1400, Some(MAC)));
        assert_eq!(found.tx_queue_len, 7);
        assert!(matches!(
            found.data,
            LinkData::Bridge {
                vlan_filtering: false,
                ..
            }
        ));
        assert_eq!(found, rtnl.link_at(made.index).unwrap());
        assert_eq!(rtnl.links().unwrap().len(), 2, "and the loopback link");
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    sandbox(|_| {
        let rtnl = host_socket();
        let outcomes = [
            rtnl.link("none").map(drop),
            rtnl.link_at(4711).map(drop),
            rtnl.delete_link("none"),
            rtnl.change(Change::DeleteLink(4711)),
            rtnl.change(Change::SetLink(4711, LinkChange::up())),
            rtnl.addresses(4711).map(drop),
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert!(error.is_not_found(), "{error}");
        }
        rtnl.create_link(&bridge("br0")).unwrap();
        rtnl.delete_link("br0").unwrap();
        assert!(rtnl.delete_link("br0").unwrap_err().is_not_found());
    });
}

#[test]
fn many_settings_change_in_one_request() {
    sandbox(|host| {
        let rtnl = host_socket();
        let made = rtnl.create_link(&bridge("br0")).unwrap();
        let change = LinkChange {
            up: Some(true),
            mtu: Some(1300),
            mac: Some(MAC),
            name: Some("br1".to_owned()),
            alias: Some("whose it is".to_owned()),
            promisc: Some(true),
            allmulti: Some(true),
            tx_queue_len: Some(9),
            ..LinkChange::default()
        };
        let before = requests_sent();
        rtnl.change(Change::SetLink(made.index, change)).unwrap();
        assert_eq!(requests_sent() - before, 1);
        let found = rtnl.link("br1").unwrap();
        assert_eq!(
            (found.index, found.mtu, found.mac, found.tx_queue_len),
            (made.index, 1300, Some(MAC), 9)
        );
        assert_eq!(found.alias.as_deref(), Some("whose it is"));
        assert_eq!((found.promiscuity, found.allmulti), (1, 1));
        assert!(found.is_up());
        assert_eq!(
            host.host().ip_json("link show dev br1")[0]["ifalias"],
            "whose it is"
        );

        let back = LinkChange {
            alias: Some(String::new()),
            promisc: Some(false),
            allmulti: Some(false),
            ..LinkChange::down()
        };
        rtnl.change(Change::SetLink(made.index, back)).unwrap();
        let found = rtnl.link_at(made.index).unwrap();
        assert_eq!(
            (found.alias, found.promiscuity, found.allmulti),
            (None, 0, 0)
        );
        assert_eq!(found.mtu, 1300, "what was not named stays");
    });
}

#[test]
fn a_pair_is_made_in_two_namespaces_by_one_request() {
    sandbox(|host| {
        let rtnl = host_socket();
        let (a, netns, inside) = container(host, "a");
        let master = rtnl.create_link(&bridge("br0")).unwrap().index;
        let peer = Peer {
            mtu: Some(1400),
            mac: Some(MAC),
            ..Peer::new("eth0").inside(netns.as_fd())
        };
        let pair = NewLink {
            mtu: Some(1400),
            up: true,
            master: Some(master),
            alias: Some("whose it is".to_owned()),
            ..NewLink::new("v0", Kind::Veth(peer))
        };
        let before = requests_sent();
        let made = rtnl.create_link(&pair).unwrap();
        // Kernels before 6.2 do not tell the index by themselves.
        let version = host.run("uname -r");
        let numbers = version.split(['.', '-']).take(2);
        let numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
        let tells = numbers >= vec![6, 2];
        assert_eq!(requests_sent() - before, if tells { 1 } else { 2 });

        let eth0 = inside.link("eth0").unwrap();
        assert_eq!((eth0.mtu, eth0.mac), (1400, Some(MAC)));
        assert_eq!(eth0.parent, Some(made.index), "each names the other");
        let v0 = rtnl.link("v0").unwrap();
        assert_eq!((v0.index, v0.parent), (made.index, Some(eth0.index)));
        assert_eq!((v0.master, v0.mtu), (Some(master), 1400));
        assert_eq!(v0.alias.as_deref(), Some("whose it is"));
        assert!(v0.parent_netns.is_some() && v0.is_up() && !eth0.is_up());
        assert_eq!(
            a.ip_json("link show dev eth0")[0]["linkinfo"]["info_kind"],
            "veth"
        );

        rtnl.delete_link("v0").unwrap();
        assert!(inside.link("eth0").unwrap_err().is_not_found());
    });
}

#[test]
fn a_name_that_is_taken_leaves_nothing_behind() {
    sandbox(|host| {
        let rtnl = host_socket();
        let (a, netns, _inside) = container(host, "a");
        a.run("ip link add eth0 type bridge");
        host.run("ip link add v0 type bridge");
        let pair = |name, peer| {
            let peer = Peer::new(peer).inside(netns.as_fd());
            rtnl.create_link(&NewLink::new(name, Kind::Veth(peer)))
        };
        for (name, peer) in [("v0", "eth1"), ("v1", "eth0"), ("v0", "eth0")] {
            let error = pair(name, peer).unwrap_err();
            assert!(error.is_exists(), "{name} {peer}: {error}");
        }
        assert_eq!(host.run("ls /sys/class/net"), "lo\nv0");
        assert_eq!(a.ip_json("link show").as_array().unwrap().len(), 2);
        pair("v1", "eth1").unwrap();
    });
}

#[test]
fn a_link_moves_to_another_namespace() {
    sandbox(|host| {
        let rtnl = host_socket();
        let (_a, netns, inside) = container(host, "a");
        let (link, peer) = cable(&rtnl);
        let change = LinkChange {
            name: Some("eth0".to_owned()),
            ..LinkChange::default()
        };
        let change = change.moved_to(netns.as_fd());
        rtnl.change(Change::SetLink(link.index, change)).unwrap();
        assert!(rtnl.link("a0").unwrap_err().is_not_found());
        let moved = inside.link("eth0").unwrap();
        assert_eq!(moved.parent, Some(peer.index));
        assert_eq!(moved.mac, link.mac);
    });
}

#[test]
fn a_bridge_knows_its_own_ports_and_their_settings() {
    sandbox(|host| {
        let rtnl = host_socket();
        let masters = ["br0", "br1"].map(|name| rtnl.create_link(&bridge(name)).unwrap().index);
        for (bridge, ports) in [("br0", 1..=3), ("br1", 4..=5)] {
            for n in ports {
                host.run(&format!(
                    "ip link add p{n} type veth peer q{n}; ip link set p{n} master {bridge}"
                ));
            }
        }
        let names = |master| {
            let mut names: Vec<String> = rtnl
                .ports(master)
                .unwrap()
                .into_iter()
                .map(|port| port.name)
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(masters[0]), ["p1", "p2", "p3"]);
        assert_eq!(names(masters[1]), ["p4", "p5"]);
        let port = rtnl.link("p1").unwrap();
        assert_eq!((port.hairpin, port.isolated), (Some(false), Some(false)));
        let settings = PortChange {
            hairpin: Some(true),
            isolated: Some(true),
        };
        let change = LinkChange {
            port: Some(settings),
            ..LinkChange::default()
        };
        rtnl.change(Change::SetLink(port.index, change)).unwrap();
        let port = rtnl.link("p1").unwrap();
        assert_eq!((port.hairpin, port.isolated), (Some(true), Some(true)));
        assert!(
            host.run("bridge -details link show dev p1")
                .contains("hairpin on")
        );
        assert_eq!(rtnl.link("q1").unwrap().hairpin, None, "it is no port");
    });
}

#[test]
fn macvlans_are_made_and_read_back() {
    needs(&[Feature::Macvlan]).sandbox(|_| {
        let rtnl = host_socket();
        let (parent, _) = cable(&rtnl);
        for mode in [
            MacvlanMode::Private,
            MacvlanMode::Vepa,
            MacvlanMode::Bridge,
            MacvlanMode::Passthru,
        ] {
            let kind = Kind::Macvlan {
                mode,
                broadcast_queue_len: Some(5000),
            };
            let made = rtnl
                .create_link(&NewLink {
                    parent: Some(parent.index),
                    ..NewLink::new("m0", kind)
                })
                .unwrap();
            let found = rtnl.link_at(made.index).unwrap();
            assert_eq!(found.data, LinkData::Macvlan(Some(mode)));
            assert_eq!(found.parent, Some(parent.index));
            rtnl.delete_link("m0").unwrap();
        }
    });
}

fn make_macvlan_elsewhere(host: &Sandbox) {
    let rtnl = host_socket();
    let (parent, _) = cable(&rtnl);
    let (a, netns, inside) = container(host, "a");
    let there = Place {
        netns: &netns,
        rtnl: &inside,
    };
    let kind = Kind::Macvlan {
        mode: MacvlanMode::Bridge,
        broadcast_queue_len: None,
    };
    let new = NewLink {
        parent: Some(parent.index),
        mac: Some(MAC),
        up: true,
        alias: Some("whose it is".to_owned()),
        ..NewLink::new("eth0", kind)
    };
    let made = rtnl.create_link_in(&new, there).unwrap();
    assert_eq!((made.mac, made.parent), (Some(MAC), Some(parent.index)));
    assert!(made.is_up() && made.parent_netns.is_some());
    let shown = &a.ip_json("link show dev eth0")[0];
    assert_eq!(shown["ifindex"], made.index);
    assert_eq!(shown["ifalias"], "whose it is");
    assert!(rtnl.link("eth0").unwrap_err().is_not_found());
    let error = rtnl.create_link_in(&new, there).unwrap_err();
    assert!(error.is_exists(), "{error}");
}

#[test]
fn a_link_is_made_in_another_namespace_than_its_parent() {
    needs(&[Feature::Macvlan]).sandbox(make_macvlan_elsewhere);
}

#[test]
fn a_link_is_made_in_another_namespace_on_older_kernels() {
    needs(&[Feature::VirtualMachine]).sandbox(make_macvlan_elsewhere);
}

#[test]
fn other_kinds_are_made_and_read_back() {
    needs(&[Feature::Dummy, Feature::Ipvlan, Feature::Vlan, Feature::Vrf]).sandbox(|_| {
        let rtnl = host_socket();
        let (parent, _) = cable(&rtnl);
        let (vrf, dummy) = (Kind::Vrf { table: 1007 }, Kind::Dummy);
        let kinds = [
            (
                Kind::Ipvlan(IpvlanMode::L2),
                LinkData::Ipvlan(Some(IpvlanMode::L2)),
            ),
            (
                Kind::Ipvlan(IpvlanMode::L3),
                LinkData::Ipvlan(Some(IpvlanMode::L3)),
            ),
            (
                Kind::Ipvlan(IpvlanMode::L3s),
                LinkData::Ipvlan(Some(IpvlanMode::L3s)),
            ),
            (Kind::Vlan(7), LinkData::Vlan { id: 7 }),
            (vrf, LinkData::Vrf { table: 1007 }),
            (dummy, LinkData::None),
            (Kind::Ifb, LinkData::None),
        ];
        for (kind, data) in kinds {
            let name = kind.name();
            let on_parent = matches!(kind, Kind::Ipvlan(_) | Kind::Vlan(_));
            let new = NewLink {
                parent: on_parent.then_some(parent.index),
                up: true,
                ..NewLink::new("x0", kind)
            };
            let made = rtnl.create_link(&new).unwrap();
            let found = rtnl.link_at(made.index).unwrap();
            assert_eq!((found.data, found.kind.as_deref()), (data, Some(name)));
            assert_eq!(found.parent, on_parent.then_some(parent.index), "{name}");
            rtnl.delete_link("x0").unwrap();
        }
    });
}

#[test]
fn each_of_many_changes_has_its_own_answer() {
    sandbox(|host| {
        let rtnl = host_socket();
        let link = rtnl.create_link(&bridge("br0")).unwrap().index;
        let address = |n: usize| {
            let net = format!("10.{}.{}.1/24", n / 200, n % 200).parse().unwrap();
            Change::AddAddress(link, Address::new(net))
        };
        // The answers to a thousand requests are more than a socket's buffer holds.
        let mut changes: Vec<Change> = (0..1000).map(address).collect();
        changes.insert(500, address(3));
        let outcomes = rtnl.commit(&changes).unwrap();
        assert_eq!(outcomes.len(), 1001);
        for (position, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Ok(()) => assert_ne!(position, 500),
                Err(error) => assert!(position == 500 && error.is_exists(), "{position}: {error}"),
            }
        }
        assert_eq!(rtnl.addresses(link).unwrap().len(), 1000);
        assert_eq!(
            host.run("ip -4 -oneline address show dev br0 | wc -l"),
            "1000"
        );
        assert!(rtnl.commit(&[]).unwrap().is_empty());
    });
}

#[test]
fn the_kernels_own_words_are_in_the_error() {
    sandbox(|_| {
        let rtnl = host_socket();
        let (link, _) = cable(&rtnl);
        let too_small = LinkChange {
            mtu: Some(10),
            ..LinkChange::default()
        };
        let error = rtnl
            .change(Change::SetLink(link.index, too_small))
            .unwrap_err();
        assert_eq!(error.errno(), Some(22));
        assert_eq!(error.ext_ack(), Some("mtu less than device minimum"));
        let text = format!(
            "cannot set MTU 10 of link {}: Invalid argument (os error 22) (mtu less than device minimum)",
            link.index
        );
        assert_eq!(error.to_string(), text);
    });
}

/// Gives a link so many other names of the longest kind, as root in a container can.
fn give_names(host: &Sandbox, link: &str, count: usize) {
    let name = |number| format!("link property add dev {link} altname {number:0>127}\n");
    let batch: String = (0..count).map(name).collect();
    let ip = host.host().cmd("ip").args(["-batch", "-"]);
    ip.stdin(batch).run();
}

/// 330 are more than the usual room of an answer, 490 nearly all that the kernel allows, and more than twice it.
#[test]
fn a_link_with_hundreds_of_names_is_found_listed_changed_and_removed() {
    sandbox(|host| {
        let rtnl = host_socket();
        for count in [330, 490] {
            let (a, b) = cable(&rtnl);
            give_names(host, "a0", count);
            let has_all = |link: &linkspan_kernel::rtnl::Link| link.alt_names.len() == count;
            // Each time as whoever asks for the first time.
            assert!(has_all(&host_socket().link("a0").unwrap()));
            assert!(has_all(&host_socket().link_at(a.index).unwrap()));
            let named = format!("{:0>127}", count - 1);
            assert!(has_all(&host_socket().link_by_any_name(&named).unwrap()));
            assert!(host_socket().links().unwrap().iter().any(has_all));
            assert!(host_socket().links_seen().unwrap().iter().any(has_all));

            let changes = [
                Change::SetLink(a.index, LinkChange::down()),
                Change::DeleteLink(a.index),
            ];
            let outcomes = host_socket().commit(&changes).unwrap();
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
            assert!(rtnl.link_at(b.index).unwrap_err().is_not_found());
        }
    });
}
