//! ipMasq of `bridge`: the same questions as about published ports.

use linkspan_testkit::{Netns, Outside, Plugins, Snapshot, iptables, sandbox};
use serde_json::{Value, json};

use super::world::{World, reconcile};

fn network(backend: Option<&str>) -> Value {
    let mut config = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "cni0",
        "isDefaultGateway": true, "ipMasq": true,
        "ipam": {
            "type": "host-local",
            "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd22::/64" }]]
        }
    });
    if let Some(backend) = backend {
        config["ipMasqBackend"] = backend.into();
    }
    config
}

/// One call with one implementation of iptables.
fn call(
    plugins: &Plugins,
    path: &str,
    verb: &str,
    config: &Value,
    id: &str,
    netns: &Netns,
) -> Value {
    let call = plugins.call(verb, config).container(id).netns(netns.path());
    call.ifname("eth0").env("PATH", path).run().success()
}

/// Whether the world outside, which knows no way back to the container, sees it as the host.
fn is_masqueraded(netns: &Netns) -> bool {
    let as_host = |address: &str, host: &str| {
        netns
            .talk_tcp(address)
            .is_ok_and(|seen| seen.ip().to_string() == host)
    };
    let v4 = as_host(&format!("{}:8080", Outside::ROUTER_V4), Outside::HOST_V4);
    let v6 = as_host(&format!("[{}]:8080", Outside::ROUTER_V6), Outside::HOST_V6);
    assert_eq!(v4, v6);
    v4
}

fn world(host: &linkspan_testkit::Sandbox) -> World<'_> {
    let world = World::new(host);
    for address in [
        Outside::ROUTER_V4.to_owned(),
        format!("[{}]", Outside::ROUTER_V6),
    ] {
        world.outside.serve_tcp(&format!("{address}:8080"));
    }
    world
}

mod by {
    #[test]
    fn nftables() {
        super::flushed_and_restored("nftables", "nft flush ruleset");
    }

    #[test]
    fn nftables_without_rules() {
        super::flushed_and_restored("nftables", "nft flush table inet linkspan");
    }

    #[test]
    fn nftables_without_elements() {
        super::flushed_and_restored(
            "nftables",
            "nft flush set inet linkspan masquerade4; nft flush set inet linkspan masquerade6",
        );
    }

    #[test]
    fn iptables() {
        super::flushed_and_restored("iptables", "nft flush ruleset");
    }

    #[test]
    fn iptables_without_jumps() {
        super::flushed_and_restored(
            "iptables",
            "iptables -t nat -F POSTROUTING; ip6tables -t nat -F POSTROUTING",
        );
    }
}

/// Our NAT chains are of both families; those of iptables are of the one that is masqueraded.
#[test]
fn masquerade_of_ipv4_tracks_connections_of_ipv6_by_nftables_alone() {
    for (backend, is_tracked) in [("nftables", true), ("iptables", false)] {
        sandbox(|host| {
            let world = world(host);
            let netns = host.netns("c");
            let mut config = network(Some(backend));
            config["ipam"] = json!({ "type": "host-local", "subnet": "10.22.0.0/16" });
            world.ours.add(&config, "c", &netns, "eth0").success();
            host.run("conntrack -F; ping -6 -c 1 -W 1 ::1");
            let tracked = host.run("conntrack -L -f ipv6 2>/dev/null | grep -c icmpv6 || true");
            assert_eq!(tracked == "1", is_tracked, "{backend}: {tracked}");
        });
    }
}

/// podman#5431, firewalld#779, promise 11.
fn flushed_and_restored(backend: &str, flush: &str) {
    sandbox(|host| {
        let world = world(host);
        let netns = host.netns("c");
        let mut config = network(Some(backend));
        let result = world.ours.add(&config, "c", &netns, "eth0").success();
        config["prevResult"] = result;
        assert!(is_masqueraded(&netns));
        world.ours.check(&config, "c", &netns, "eth0").success();
        host.run(flush);
        world.ours.check(&config, "c", &netns, "eth0").failure();
        assert!(!is_masqueraded(&netns));
        assert_eq!(reconcile(), 1);
        world.ours.check(&config, "c", &netns, "eth0").success();
        assert!(is_masqueraded(&netns));
        assert_eq!(reconcile(), 0);
        host.run(flush);
        world.ours.del(&config, "c", &netns, "eth0").success();
        // The record may be lost, and is no proof.
        config["prevResult"] = Value::Null;
        config["prevResult"] = world.ours.add(&config, "c", &netns, "eth0").success();
        host.run("rm -r /run/cni/linkspan/netns-*/netfilter");
        world.ours.check(&config, "c", &netns, "eth0").success();
        host.run(flush);
        world
            .ours
            .check(&config, "c", &netns, "eth0")
            .fails(None, &["expected"]);
        world.ours.del(&config, "c", &netns, "eth0").success();
    });
}

/// podman#5431: the next ADD notices that somebody has flushed the rules, and masquerades everybody again.
#[test]
fn the_next_add_places_flushed_rules() {
    sandbox(|host| {
        let world = world(host);
        let config = network(Some("nftables"));
        let [one, two] = ["one", "two"].map(|id| host.netns(id));
        world.ours.add(&config, "one", &one, "eth0").success();
        host.run("nft flush table inet linkspan");
        assert!(!is_masqueraded(&one));
        world.ours.add(&config, "two", &two, "eth0").success();
        assert!(is_masqueraded(&two) && is_masqueraded(&one));
    });
}

/// plugins#810: whichever implementation of iptables made it, either side removes it, the namespace gone or not.
fn each_removes_what_the_other_made(variant: &str) {
    sandbox(|host| {
        let world = world(host);
        let path = iptables(variant);
        let (ours, reference) = (&world.ours, &world.reference);
        let stays = host.netns("stays");
        call(
            ours,
            &path,
            "ADD",
            &network(Some("iptables")),
            "stays",
            &stays,
        );
        let rules = || {
            let all = format!("iptables-{variant}-save -t nat; ip6tables-{variant}-save -t nat");
            let text = host.run(&all);
            let rules = text.lines().filter(|line| !line.starts_with('#'));
            rules
                .map(|line| line.split('[').next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        let before = rules();
        for (number, (maker, remover)) in [(reference, ours), (ours, reference), (ours, ours)]
            .into_iter()
            .enumerate()
        {
            let id = format!("c{number}");
            let netns = host.netns(&id);
            let config = network(Some("iptables"));
            let mut with_result = config.clone();
            with_result["prevResult"] = call(maker, &path, "ADD", &config, &id, &netns);
            assert!(is_masqueraded(&netns));
            assert_ne!(rules(), before);
            call(remover, &path, "DEL", &with_result, &id, &netns);
            assert_eq!(rules(), before, "{number}");
        }
        assert!(is_masqueraded(&stays));
        let netns = host.netns("gone");
        call(reference, &path, "ADD", &network(None), "gone", &netns);
        netns.delete();
        let config = network(None);
        let del = ours
            .call("DEL", &config)
            .container("gone")
            .ifname("eth0")
            .env("PATH", &path);
        del.run().success();
        assert_eq!(rules(), before, "after DEL without a namespace");
    });
}

mod nft {
    #[test]
    fn each_removes_what_the_other_made() {
        super::each_removes_what_the_other_made("nft");
    }
}

mod legacy {
    #[test]
    fn each_removes_what_the_other_made() {
        super::each_removes_what_the_other_made("legacy");
    }
}

/// cni#215, plugins#127, promise 7: the number of rules does not depend on the number of containers.
#[test]
fn containers_add_elements_and_no_rules() {
    sandbox(|host| {
        let world = world(host);
        let counts: Vec<(usize, usize)> = (0..12)
            .map(|number| {
                let netns = host.netns(&format!("c{number}"));
                world
                    .ours
                    .add(&network(None), &format!("c{number}"), &netns, "eth0")
                    .success();
                super::many::count(host)
            })
            .collect();
        let (rules, elements) = counts[0];
        for (number, count) in (1..).zip(counts) {
            assert_eq!(count, (rules, number * elements));
        }
        let mut gc = network(None);
        gc["cniVersion"] = "1.1.0".into();
        world.ours.gc(&gc, &[("c3", "eth0")]).success();
        assert_eq!(super::many::count(host), (rules, elements));
        world.ours.gc(&gc, &[]).success();
        assert_eq!(world.ruleset(), "");
    });
}

/// ipMasq and published ports share the table, and neither disturbs the other.
#[test]
fn a_masqueraded_container_publishes_ports_as_well() {
    sandbox(|host| {
        let mut world = world(host);
        world.bridge = json!({ "ipMasq": true });
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        let ports = super::world::publish(&["8080:80/tcp", "8080:80/udp"]);
        world.add(&server, &ports).success();
        super::traffic::everybody_reaches(&world, &server, &neighbour);
        assert!(is_masqueraded(&server.netns) && is_masqueraded(&neighbour.netns));
        world.del(&server, &ports).success();
        super::traffic::nobody_reaches(&world, &server, &neighbour);
        assert!(is_masqueraded(&server.netns));
        let before = Snapshot::of(&[host.host()], &[]);
        world.add(&server, &ports).success();
        world.del(&server, &ports).success();
        before.assert_same(
            &Snapshot::of(&[host.host()], &[]),
            "published and withdrawn",
        );
    });
}
