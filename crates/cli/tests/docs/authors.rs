//! The plugins of the guides for authors, where the guides say more than they show.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use linkspan_testkit::{Plugins, kill_at_every_change, sandbox};
use serde_json::json;

use crate::programs;

/// The plugin of an example, built.
fn example(name: &str) -> Plugins {
    programs::build(name, &[]);
    Plugins::at(Path::new(env!("CARGO_BIN_EXE_linkspan")).parent().unwrap())
}

/// In a list the plugin that made the interface finds it first, since it compares the routes of the result as well.
#[test]
fn first_plugin_misses_a_route_that_was_taken_away() {
    let plugins = example("first-plugin");
    sandbox(|host| {
        let netns = host.netns("a");
        host.run("ip link add eth0 netns a type veth peer name peer0 && ip link set peer0 up");
        netns.run("ip address add 10.22.0.2/24 dev eth0 && ip link set eth0 up");
        let config = json!({
            "cniVersion": "1.1.0", "name": "net", "type": "first-plugin",
            "routes": [
                { "dst": "10.23.0.9/16", "gw": "10.22.0.1", "mtu": 1400 },
                { "dst": "10.24.0.0/16", "scope": 253, "table": 100 },
            ],
            "prevResult": { "cniVersion": "1.1.0", "interfaces": [{ "name": "eth0", "sandbox": netns.path() }] },
        });
        let attached = plugins.attachment("c1", &netns, "eth0");
        let result = attached.add(&config).success();
        assert_eq!(result["routes"].as_array().unwrap().len(), 2, "{result}");
        let mtu = netns.run("ip route show 10.23.0.0/16");
        assert!(mtu.contains("mtu 1400"), "{mtu}");
        let scope = netns.run("ip route show table 100");
        assert!(scope.contains("scope link"), "{scope}");
        attached.check(&config).success();
        for (taken, named) in [
            ("10.23.0.0/16", "10.23.0.9/16"),
            ("10.24.0.0/16 table 100", "10.24.0.0/16"),
        ] {
            netns.run(&format!("ip route del {taken}"));
            let words = [
                &format!("the route to {named} is missing"),
                "attach the container anew",
            ];
            attached.check(&config).fails(100, &words);
            attached.del(&config).success();
            attached.add(&config).success();
        }
    });
}

/// Its file is whole whenever it dies, nobody waits for it, and DEL and GC take back what it may have given.
#[test]
fn first_ipam_gives_an_address_once_wherever_it_is_killed() {
    let plugins = example("first-ipam");
    sandbox(|host| {
        let netns = host.netns("a");
        let config = json!({
            "cniVersion": "1.1.0", "name": "net", "type": "first-ipam",
            "ipam": { "type": "first-ipam", "subnet": "10.22.0.0/29" },
        });
        let mut gc = config.clone();
        gc["cni.dev/valid-attachments"] = json!([{ "containerID": "other", "ifname": "eth0" }]);
        let written = || fs::read_to_string("/run/first-ipam/net").unwrap_or_default();
        let of = |container: &str| plugins.attachment(container, &netns, "eth0");
        let del = |container: &str| drop(of(container).del(&config).success());
        let collect = || drop(plugins.call("GC", &gc).run().success());
        of("other").add(&config).success();
        let before = written();
        let mut is_collected = false;
        let kills = kill_at_every_change(
            || of("c1").call("ADD", &config).cmd(),
            |kill| {
                of("c2").add(&config).success();
                let book = written();
                let lines = book.lines().map(|line| line.split_once(' ').unwrap());
                let (addresses, owners): (BTreeSet<_>, BTreeSet<_>) = lines.unzip();
                let count = book.lines().count();
                assert_eq!(
                    (addresses.len(), owners.len()),
                    (count, count),
                    "{kill:?}: {book}"
                );
                is_collected = !is_collected;
                match is_collected {
                    true => collect(),
                    false => ["c1", "c2"].into_iter().for_each(del),
                }
                assert_eq!(written(), before, "{kill:?}");
            },
        );
        assert!(kills > 4, "{kills}");
        type Again<'a> = &'a dyn Fn();
        let again: [(_, Again<'_>); 2] = [
            (of("c1").call("DEL", &config), &|| del("c1")),
            (plugins.call("GC", &gc), &collect),
        ];
        for (call, again) in again {
            let kills = kill_at_every_change(
                || {
                    del("c1");
                    of("c1").add(&config).success();
                    call.cmd()
                },
                |kill| {
                    again();
                    assert_eq!(written(), before, "{kill:?}");
                },
            );
            assert!(kills > 3, "{kills}");
        }
    });
}
