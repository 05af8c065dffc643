//! Links: other names, other namespaces, hardware addresses, vrfs.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use linkspan_kernel::netns::Netns;
use linkspan_kernel::requests_sent;
use linkspan_kernel::rtnl::{
    Arrival, Change, Kind, Link, LinkChange, LinkData, NewLink, Place, Rename, Route, RouteFilter,
    Rtnl, move_link,
};
use linkspan_testkit::{Feature, Sandbox, needs, sandbox};

/// The host's end of a cable, with an address and another name, and a container.
struct Scene {
    host: Netns,
    inside: Netns,
    host_rtnl: Rtnl,
    inside_rtnl: Rtnl,
}

impl Scene {
    fn new(host: &Sandbox) -> Self {
        let container = host.netns("a");
        host.run("ip link add ens5 type veth peer name peer; ip link set peer up");
        host.run("ip addr add 10.1.0.2/24 dev ens5; ip link set ens5 up");
        let inside = Netns::open(container.path()).unwrap();
        Self {
            host: Netns::current().unwrap(),
            host_rtnl: Rtnl::open().unwrap(),
            inside_rtnl: Rtnl::open_in(&inside).unwrap(),
            inside,
        }
    }

    fn host(&self) -> Place<'_> {
        Place {
            netns: &self.host,
            rtnl: &self.host_rtnl,
        }
    }

    fn inside(&self) -> Place<'_> {
        Place {
            netns: &self.inside,
            rtnl: &self.inside_rtnl,
        }
    }
}

fn into_container(name: &str) -> Arrival {
    Arrival {
        name: name.into(),
        rename: Rename::OnArrival,
        alias: Some("ens5".into()),
        up: true,
    }
}

fn out_of_container() -> Arrival {
    Arrival {
        name: "ens5".into(),
        rename: Rename::BeforeLeaving,
        alias: Some(String::new()),
        up: false,
    }
}

fn there_and_back(host: &Sandbox) {
    let scene = Scene::new(host);
    let before = scene.host_rtnl.link("ens5").unwrap();
    // Its index and its name are taken there already, by others.
    let taken = "ip link add e0 type veth peer name e1; ip link add ens5 type veth peer name e2";
    host.host()
        .run(&format!("ip netns exec a sh -ec '{taken}'"));
    let there = move_link(
        before.index,
        scene.host(),
        scene.inside(),
        &into_container("net1"),
    )
    .unwrap();
    assert_eq!(
        (there.name.as_str(), there.alias.as_deref()),
        ("net1", Some("ens5"))
    );
    assert!(there.is_up() && there.mac == before.mac);
    assert_eq!(scene.inside_rtnl.link("net1").unwrap().index, there.index);
    assert!(scene.host_rtnl.link("ens5").unwrap_err().is_not_found());

    let back = move_link(
        there.index,
        scene.inside(),
        scene.host(),
        &out_of_container(),
    )
    .unwrap();
    assert_eq!((back.name.as_str(), back.alias.as_deref()), ("ens5", None));
    assert!(!back.is_up() && back.mac == before.mac);
    assert!(scene.inside_rtnl.link("net1").unwrap_err().is_not_found());

    // Nobody has its name there any more: the host never sees the container's.
    host.run("ip netns exec a ip link del ens5");
    let watch = host
        .host()
        .cmd("ip")
        .args(["-oneline", "monitor", "link"])
        .start();
    // It says nothing when it begins to listen, so it is given something to say until it does.
    host.run("ip link add first type ifb");
    for mtu in 1000..1500 {
        host.run(&format!("ip link set first mtu {mtu}"));
        if watch.stdout_so_far().contains("first") {
            break;
        }
    }
    let up = Arrival {
        up: true,
        ..out_of_container()
    };
    let there = move_link(
        back.index,
        scene.host(),
        scene.inside(),
        &into_container("net1"),
    )
    .unwrap();
    assert!(
        move_link(there.index, scene.inside(), scene.host(), &up)
            .unwrap()
            .is_up()
    );
    host.run("ip link add last type ifb");
    watch.wait_for("last");
    let seen = watch.kill().stdout;
    assert!(seen.contains("ens5") && !seen.contains("net1"), "{seen}");
}

#[test]
fn a_link_moves_into_a_container_and_back() {
    sandbox(there_and_back);
}

/// A kernel that renames nothing that is switched on.
#[test]
fn a_link_moves_into_a_container_and_back_in_debians_kernel() {
    needs(&[Feature::VirtualMachine]).sandbox(there_and_back);
}

#[test]
fn a_link_that_cannot_move_stays_as_it_is() {
    sandbox(|host| {
        let scene = Scene::new(host);
        host.run("ip netns exec a ip link add eth0 type veth peer name e1");
        let show = || host.run("ip -d addr show dev ens5; ip route");
        let before = show();
        let index = scene.host_rtnl.link("ens5").unwrap().index;
        let taken = into_container("eth0");
        let error = move_link(index, scene.host(), scene.inside(), &taken).unwrap_err();
        assert!(error.is_exists(), "{error}");
        assert!(
            error
                .to_string()
                .contains("move link \"ens5\" to another namespace as \"eth0\"")
        );
        let error =
            move_link(9999, scene.host(), scene.inside(), &into_container("x")).unwrap_err();
        assert!(error.is_not_found(), "{error}");
        // One of its names is another's there: the kernel does not let it go.
        host.run("ip link property add dev ens5 altname spare; ip netns exec a ip link add spare type veth peer name e2");
        let error =
            move_link(index, scene.host(), scene.inside(), &into_container("x")).unwrap_err();
        assert!(error.is_exists(), "{error}");
        host.run("ip link property del dev ens5 altname spare");
        assert_eq!(show(), before);
    });
}

#[test]
fn a_link_that_fails_on_its_way_is_put_back() {
    sandbox(|host| {
        let scene = Scene::new(host);
        let before = scene.host_rtnl.link("ens5").unwrap();
        // No name, which the kernel finds out after it has moved the link.
        let arrival = into_container("a name");
        let error = move_link(before.index, scene.host(), scene.inside(), &arrival).unwrap_err();
        assert_eq!(error.errno(), Some(libc::EINVAL), "{error}");
        let back = scene.host_rtnl.link("ens5").unwrap();
        assert!(back.is_up() && back.alias.is_none() && back.mac == before.mac);
        assert_eq!(scene.inside_rtnl.links().unwrap().len(), 1);
    });
}

#[test]
fn a_link_that_cannot_leave_the_container_stays_as_it_is() {
    sandbox(|host| {
        let scene = Scene::new(host);
        let index = scene.host_rtnl.link("ens5").unwrap().index;
        let there =
            move_link(index, scene.host(), scene.inside(), &into_container("net1")).unwrap();
        host.run("ip netns exec a ip link property add dev net1 altname spare; ip link add spare type veth peer name e2");
        for arrival in [
            out_of_container(),
            Arrival {
                name: "a name".into(),
                ..out_of_container()
            },
        ] {
            move_link(there.index, scene.inside(), scene.host(), &arrival).unwrap_err();
            let still = scene.inside_rtnl.link("net1").unwrap();
            assert!(still.is_up() && still.alias.as_deref() == Some("ens5"));
        }
        assert!(scene.host_rtnl.link("ens5").unwrap_err().is_not_found());
    });
}

#[test]
fn a_namespace_is_known_by_a_number() {
    sandbox(|host| {
        let scene = Scene::new(host);
        let (rtnl, inside) = (&scene.host_rtnl, &scene.inside);
        let listed = || host.run("ip netns list-id");
        assert_eq!(rtnl.netns_id(inside).unwrap(), None, "{}", listed());
        let id = rtnl.assign_netns_id(inside).unwrap();
        assert!(listed().contains(&format!("nsid {id}")), "{}", listed());
        assert_eq!(rtnl.netns_id(inside).unwrap(), Some(id));
        assert_eq!(rtnl.assign_netns_id(inside).unwrap(), id);

        assert!(rtnl.link_in(id, "eth0").unwrap_err().is_not_found());
        host.run("ip netns exec a ip link add eth0 mtu 1400 type veth peer name e1");
        let found = rtnl.link_in(id, "eth0").unwrap();
        assert_eq!(
            (found.mtu, found.index),
            (1400, scene.inside_rtnl.link("eth0").unwrap().index)
        );
        // What a link tells of its other end is the same number.
        host.run("ip link add h0 type veth peer name c0 netns a");
        assert_eq!(rtnl.link("h0").unwrap().parent_netns, Some(id));
    });
}

#[test]
fn a_link_is_found_by_each_of_its_names_when_that_is_asked_for() {
    sandbox(|host| {
        let scene = Scene::new(host);
        let long = "enp129s0f0np0-of-rack-17-switch-4";
        host.run(&format!(
            "ip link property add dev ens5 altname short altname {long}"
        ));
        let expected = scene.host_rtnl.link("ens5").unwrap();
        assert_eq!(expected.alt_names, ["short", long]);
        for name in ["short", long] {
            assert_eq!(scene.host_rtnl.link_by_any_name(name).unwrap(), expected);
            let other = scene.host_rtnl.link(name).unwrap_err();
            assert!(other.is_not_found(), "{other}");
        }
        let change = |change| scene.host_rtnl.change(change);
        change(Change::DeleteAltName(expected.index, "short".into())).unwrap();
        change(Change::AddAltName(expected.index, "other".into())).unwrap();
        let link = scene.host_rtnl.link("ens5").unwrap();
        assert_eq!(link.alt_names, [long, "other"]);
        let taken = Change::AddAltName(expected.index, "lo".into());
        assert!(change(taken).unwrap_err().is_exists());
        let missing = scene
            .host_rtnl
            .link("enp129s0f0np0-of-rack-17-switch-5")
            .unwrap_err();
        assert!(missing.is_not_found(), "{missing}");
    });
}

#[test]
fn links_are_found_by_their_hardware_address() {
    sandbox(|host| {
        let scene = Scene::new(host);
        let mac = [2, 0, 0, 0, 0, 7];
        assert_eq!(scene.host_rtnl.links_by_mac(mac).unwrap(), []);
        host.run("ip link set ens5 address 02:00:00:00:00:07");
        host.run("ip link add br0 type bridge; ip link set ens5 master br0");
        let found = scene.host_rtnl.links_by_mac(mac).unwrap();
        let mut names: Vec<&str> = found.iter().map(|link| link.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["br0", "ens5"]);
    });
}

/// ipvlan is the one kind of link that the kernel takes to have been made with its address, as hardware is.
#[test]
fn a_link_is_found_by_the_address_that_it_was_made_with() {
    needs(&[Feature::Ipvlan, Feature::Dummy]).sandbox(|host| {
        host.run("ip link add d0 address 02:00:00:00:00:07 type dummy; ip link add link d0 name a0 type ipvlan");
        let rtnl = Rtnl::open().unwrap();
        let mac = [2, 0, 0, 0, 0, 7];
        let names = || {
            let found = rtnl.links_by_mac(mac).unwrap().into_iter();
            found.map(|link| link.name).collect::<Vec<_>>()
        };
        assert_eq!(rtnl.link("a0").unwrap().permanent_mac, Some(mac));
        assert_eq!(names(), ["a0", "d0"]);
    });
}

/// What the vrf plugin does: a vrf with a table, links in it, their routes in its table, and out again.
#[test]
fn links_join_a_vrf_and_leave_it() {
    needs(&[Feature::Vrf]).sandbox(|host| {
        host.run("ip link add e0 type veth peer name e1; ip addr add 10.1.0.2/24 dev e0");
        host.run("ip addr add fd01::2/64 dev e0 nodad");
        host.run(
            "ip link set e0 up; ip link set e1 up; ip route add 10.9.0.0/16 via 10.1.0.1 metric 7",
        );
        let rtnl = Rtnl::open().unwrap();
        let link = rtnl.link("e0").unwrap().index;
        let table = rtnl.free_table(1).unwrap();
        let vrf = NewLink {
            up: true,
            ..NewLink::new("blue", Kind::Vrf { table })
        };
        let vrf = rtnl.create_link(&vrf).unwrap();
        assert_eq!(
            (vrf.data.clone(), vrf.is_up()),
            (LinkData::Vrf { table }, true)
        );
        assert_eq!(rtnl.free_table(1).unwrap(), table + 1);
        assert_eq!(rtnl.ports(vrf.index).unwrap(), []);

        let of_link = RouteFilter {
            link: Some(link),
            ..RouteFilter::default()
        };
        let by_gateway = |routes: Vec<Route>| {
            routes
                .into_iter()
                .filter(|route| route.gateway.is_some())
                .collect::<Vec<_>>()
        };
        let routes = by_gateway(rtnl.routes(of_link).unwrap());
        let join = LinkChange {
            master: Some(vrf.index),
            ..LinkChange::default()
        };
        rtnl.change(Change::SetLink(link, join)).unwrap();
        let ports = rtnl.ports(vrf.index).unwrap();
        assert_eq!(
            ports.iter().map(|port| port.index).collect::<Vec<_>>(),
            [link]
        );
        for route in routes {
            rtnl.change(Change::ReplaceRoute(Route { table, ..route }))
                .unwrap();
        }
        let shown = host.run(&format!("ip route show table {table} 10.9.0.0/16"));
        assert_eq!(shown.trim(), "10.9.0.0/16 via 10.1.0.1 dev e0 metric 7");

        let leave = LinkChange {
            master: Some(0),
            ..LinkChange::default()
        };
        rtnl.change(Change::SetLink(link, leave)).unwrap();
        assert_eq!(rtnl.ports(vrf.index).unwrap(), []);
        assert_eq!(rtnl.link_at(link).unwrap().master, None);
        rtnl.delete_link("blue").unwrap();
    });
}

/// As many pairs as that, with ends `x0`, `x1`, …
fn pairs(host: &Sandbox, count: usize) {
    let pair = |number| format!("link add x{number} type veth peer name y{number}\n");
    let batch: String = (0..count).map(pair).collect();
    let ip = host.host().cmd("ip").args(["-batch", "-"]);
    ip.stdin(batch).run();
}

/// The ends `x…`, as they are now.
fn ends(rtnl: &Rtnl) -> Vec<Link> {
    let mut links = rtnl.links_seen().unwrap();
    links.retain(|link| link.name.starts_with('x'));
    links
}

#[test]
fn many_links_are_removed_by_few_requests() {
    sandbox(|host| {
        let rtnl = Rtnl::open().unwrap();
        host.run("ip link add other type veth peer name stays group 7");
        pairs(host, 300);
        let links = ends(&rtnl);
        assert_eq!(links.len(), 300);
        // Somebody else was faster with one.
        rtnl.delete_link("x17").unwrap();
        let before = requests_sent();
        let failures = rtnl.remove_links(&links.iter().collect::<Vec<_>>());
        assert!(failures.is_empty(), "{failures:?}");
        // 256 and 44: moved by 32, looked at, removed; and the one that was gone.
        assert_eq!(requests_sent() - before, (8 + 1 + 1) + (2 + 1 + 1) + 1);
        let left: Vec<String> = rtnl
            .links()
            .unwrap()
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(left, ["lo", "stays", "other"]);
    });
}

/// One that cannot be removed keeps none of the others; neither does a single one need a group.
#[test]
fn links_that_cannot_go_together_go_one_by_one() {
    sandbox(|host| {
        let rtnl = Rtnl::open().unwrap();
        pairs(host, 5);
        let mut links = ends(&rtnl);
        links.push(rtnl.link("lo").unwrap());
        let failures = rtnl.remove_links(&links.iter().collect::<Vec<_>>());
        let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
        assert!(
            matches!(told.as_slice(), [one] if one.contains("delete link 1:")),
            "{told:?}"
        );
        assert!(ends(&rtnl).is_empty());
        host.run("ip link show lo | grep -q 'group default'");

        pairs(host, 1);
        let links = ends(&rtnl);
        let before = requests_sent();
        assert!(rtnl.remove_links(&[&links[0]]).is_empty());
        assert_eq!(requests_sent() - before, 1);
        assert!(ends(&rtnl).is_empty());
        assert!(rtnl.remove_links(&[]).is_empty());
    });
}
