//! DEL, however much of what ADD made is gone; and never more than that.

use std::fs;

use linkspan_testkit::{Netns, Sandbox, rows, sandbox};
use serde_json::{Value, json};

use super::host::{Family, Host, dual_stack, left, network};

fn everything() -> Value {
    network(json!({ "ipMasq": true, "macspoofchk": true, "ipam": dual_stack() }))
}

/// Takes away part of what an attachment consists of.
type Spoil = fn(&Sandbox, &Netns);

/// cni#924, plugins#953, k8s#133081, podman#8048, plugins PR#1282: one thing was gone, and the container could never be.
#[test]
fn whatever_is_gone_the_rest_is_freed() {
    let cases: [(&str, Spoil); 11] = rows! {
        ("nothing", |_, _| {}),
        ("the link", |_, netns| _ = netns.run("ip link del eth0")),
        ("the bridge", |sandbox, _| { _ = sandbox.run("ip link del cni0") }),
        ("the ruleset", |sandbox, _| { _ = sandbox.run("nft flush ruleset") }),
        ("the table", |sandbox, _| { sandbox.run("nft delete table inet linkspan; nft delete table bridge linkspan"); }),
        ("the reservation", |_, _| { fs::remove_dir_all("/var/lib/cni/networks").unwrap() }),
        ("the record", |_, _| fs::remove_dir_all("/run/cni").unwrap()),
        ("the link's place", |_, netns| { netns.run("ip link set eth0 netns 1 name elsewhere"); }),
        ("the alias", |sandbox, _| { sandbox .run("for link in /sys/class/net/veth*; do ip link set ${link##*/} alias ''; done"); }),
        // As monitoring names links, one of them in the form of ours.
        ("the alias for a name", |sandbox, _| { sandbox .run("for link in /sys/class/net/veth*; do ip link set ${link##*/} alias web-1; done"); }),
        ("the alias for another", |sandbox, _| { sandbox .run("for link in /sys/class/net/veth*; do ip link set ${link##*/} alias rack/1/port; done"); }),
    };
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = everything();
        let netns = sandbox.netns("c1");
        let before = left(&[&netns]);
        for (what, spoil) in cases {
            for path in [
                Some(netns.path().to_str().unwrap()),
                Some("/run/netns/gone"),
                Some(""),
            ] {
                host.add(&config, &netns).success();
                spoil(sandbox, &netns);
                for _ in 0..2 {
                    host.call("DEL", &config, &netns)
                        .env("CNI_NETNS", path.unwrap())
                        .run()
                        .success();
                }
                let after = left(&[&netns]);
                assert_eq!(after, before, "{what} was gone, CNI_NETNS={path:?}");
            }
        }
    });
}

/// plugins#810, nerdctl#1872: masquerading leaked when the namespace was gone.
#[test]
fn a_namespace_that_is_gone_takes_nothing_with_it_that_del_does_not_find() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        for backend in ["nftables", "iptables"] {
            let mut config = everything();
            config["ipMasqBackend"] = backend.into();
            let stays = host.attach(&config, &format!("stays-{backend}"));
            let before = left(&[]);
            let a = host.attach(&config, &format!("goes-{backend}"));
            a.netns.delete();
            // The kernel removes the link when the namespace has died, which takes it some time.
            host.del(&config, &a.netns).success();
            assert_eq!(left(&[]), before, "{backend}");
            stays.netns.ping("10.22.0.1");
        }
    });
}

/// flannel-io/flannel#1721: one plugin's file was gone, and nothing of the container could be freed.
#[test]
fn without_its_ipam_plugin_the_rest_is_freed_and_the_error_says_so() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = everything();
        let a = host.attach(&config, "a");
        host.call("DEL", &config, &a.netns)
            .env("CNI_PATH", "/nowhere")
            .run()
            .fails(5, &["host-local", "/nowhere"]);
        let left = left(&[&a.netns]);
        let files = left.iter().filter(|fact| !fact.contains("link lo"));
        assert!(
            files
                .clone()
                .all(|fact| fact.contains("/var/lib/cni/networks/mynet/")),
            "{left:#?}"
        );
        assert_eq!(files.count(), 2, "{left:#?}");
        host.del(&config, &a.netns).success();
    });
}

/// cni#924: the maintainers' objection to a DEL that always succeeds is an address that somebody else has by now.
#[test]
fn a_late_del_does_not_harm_who_has_the_address_now() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let outside = sandbox.outside();
        outside.netns.serve_tcp("0.0.0.0:80");
        let config = everything();
        let old = host.attach(&config, "old");
        let address = old.address(Family::V4);
        // Somebody has freed the address by hand, and it was given to another.
        fs::remove_file(format!("/var/lib/cni/networks/mynet/{address}")).unwrap();
        old.netns.run("ip link del eth0");
        let new = sandbox.netns("new");
        let args = format!("IgnoreUnknown=1;IP={address}");
        host.call("ADD", &config, &new).args(&args).run().success();
        host.del(&config, &old.netns).success();
        let seen = new.talk_tcp("198.51.100.2:80").unwrap();
        assert_eq!(seen.ip().to_string(), "198.51.100.1", "still masqueraded");
        assert!(fs::exists(format!("/var/lib/cni/networks/mynet/{address}")).unwrap());
        host.del(&config, &new).success();
        assert!(!sandbox.run("nft list ruleset").contains("mynet/"));
    });
}

/// An ADD that was refused because the interface is there is followed by a DEL.
#[test]
fn the_interface_of_another_network_is_left_alone() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let first = everything();
        let second = network(json!({
            "name": "other", "bridge": "cni1",
            "ipam": { "type": "host-local", "subnet": "10.23.0.0/16" }
        }));
        let a = host.attach(&first, "a");
        for alias in ["mynet/a/eth0", "web-1", ""] {
            sandbox.run(&format!("ip link set {} alias '{alias}'", a.host_end()));
            host.add(&second, &a.netns).fails(4, &[]);
            host.del(&second, &a.netns).success();
            a.netns.ping("10.22.0.1");
        }
        host.del(&first, &a.netns).success();
        assert_eq!(a.netns.run("ip -oneline link | wc -l"), "1");
    });
}

/// What the reference has attached, or an earlier version of ours without an alias, has no mark.
#[test]
fn an_interface_that_nobody_has_marked_is_removed() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("a");
        sandbox.run("ip link add v type veth peer name eth0 netns a; ip link set v up");
        host.del(&everything(), &netns).success();
        assert_eq!(netns.run("ip -oneline link | wc -l"), "1");
    });
}

/// k8s#100648: the process whose namespace it was has died, and its number was given to one of the host's own.
#[test]
fn the_hosts_own_namespace_is_never_touched() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = everything();
        let a = host.attach(&config, "a");
        sandbox.run("ip link add eth0 type veth peer name eth1; ip link set eth0 up");
        sandbox.run("touch /run/bound; mount --bind /proc/1/ns/net /run/bound");
        for path in ["/proc/1/ns/net", "/proc/self/ns/net", "/run/bound"] {
            host.call("DEL", &config, &a.netns)
                .netns(path)
                .run()
                .fails(8, &["host's own network namespace"]);
        }
        sandbox.run("ip link show eth0");
        // What the host holds for the container has been freed all the same.
        assert!(
            !sandbox
                .run("nft list ruleset; ls /var/lib/cni/networks/mynet")
                .contains("10.22.0.2")
        );

        let loopback = json!({ "cniVersion": "1.0.0", "name": "lo", "type": "loopback" });
        host.call("DEL", &loopback, &a.netns)
            .netns("/proc/1/ns/net")
            .run()
            .fails(8, &[]);
        assert!(sandbox.run("ip link show lo").contains(",UP"));
        host.call("DEL", &loopback, &a.netns).run().success();
        assert!(!a.netns.run("ip link show lo").contains(",UP"));
    });
}

/// kubernetes#100648: the same, and the number was given to another container's process.
#[test]
fn lo_of_another_container_stays_on() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = json!({ "cniVersion": "1.0.0", "name": "lo", "type": "loopback" });
        let [a, b] = ["a", "b"].map(|name| sandbox.netns(name));
        for netns in [&a, &b] {
            netns.run("ip link set lo down");
            host.call("ADD", &config, netns).run().success();
        }
        let is_on = || b.run("ip link show lo").contains(",UP");
        let dead = host.call("DEL", &config, &a);
        dead.netns(b.path()).run().success();
        assert!(is_on());
        host.call("DEL", &config, &b).run().success();
        assert!(!is_on() && !b.run("ip link show lo").contains("alias"));

        b.run("ip link set lo alias web-1");
        host.call("ADD", &config, &b).run().success();
        host.call("DEL", &config, &b).run().success();
        assert!(!is_on() && b.run("ip link show lo").contains("alias web-1"));
    });
}
