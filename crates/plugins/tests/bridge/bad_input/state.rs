//! A host that is not as it should be.

use std::fs;

use serde_json::{Value, json};

use super::{Bad, CONFIG, ENVIRONMENT, INTERNAL, IO, bad};
use crate::host::{Family, address, dual_stack, network};

/// Prepares the host, has ADD refused, and puts everything back.
fn row(bad: &mut Bad<'_>, [before, after]: [&str; 2], keys: Value, code: u64, words: &[&str]) {
    bad.host.sandbox.run(before);
    bad.add(&network(keys), code, words);
    bad.host.sandbox.run(after);
}

#[test]
fn links_and_addresses_in_the_way() {
    bad(|mut bad| {
        let gone = "ip link del cni0";
        let plain = json!({});
        let add = "ip link add cni0 type veth peer name other";
        row(
            &mut bad,
            [add, gone],
            plain.clone(),
            CONFIG,
            &[
                "\"cni0\" already exists but is not a bridge",
                "veth",
                "another name",
            ],
        );
        let add = "ip link add cni0 type bridge; ip addr add 10.99.0.1/24 dev cni0";
        let words = [
            "10.22.0.1/16",
            "10.99.0.1/24",
            "isGateway",
            "forceAddress",
            "ip address del 10.99.0.1/24 dev cni0",
        ];
        row(&mut bad, [add, gone], plain.clone(), CONFIG, &words);
        let add = "ip link add cni0 type bridge; ip addr add 10.22.0.1/24 dev cni0";
        row(
            &mut bad,
            [add, gone],
            plain.clone(),
            CONFIG,
            &["10.22.0.1/16", "10.22.0.1/24"],
        );
        let add = "ip link add cni0 type bridge; ip addr add fd00:22::9/64 dev cni0 nodad";
        row(
            &mut bad,
            [add, gone],
            json!({ "ipam": dual_stack() }),
            CONFIG,
            &["fd00:22::1/64", "fd00:22::9/64"],
        );

        for kind in ["type veth peer name other", "type bridge"] {
            bad.netns.run(&format!("ip link add eth0 {kind}"));
            bad.prepared();
            bad.add(
                &network(plain.clone()),
                ENVIRONMENT,
                &["CNI_IFNAME \"eth0\" already exists", "DEL first"],
            );
            bad.netns.run("ip link del eth0");
            bad.prepared();
        }
        bad.end(6);
    });
}

#[test]
fn directories_that_cannot_be_written_to() {
    bad(|mut bad| {
        let masq = json!({ "ipMasq": true });
        let elsewhere = json!({ "ipam": {
            "type": "host-local", "subnet": "10.22.0.0/16", "dataDir": "/opt/cni/networks"
        } });
        let (read_only, back) = ("mount -t tmpfs -o ro none /opt/cni", "umount /opt/cni");
        row(
            &mut bad,
            [read_only, back],
            elsewhere.clone(),
            IO,
            &["/opt/cni/networks/mynet", "Read-only", "ipam.dataDir"],
        );
        let full = "mount -t tmpfs -o nr_inodes=4 none /opt/cni; mkdir -p /opt/cni/networks/mynet; touch /opt/cni/networks/mynet/lock";
        row(
            &mut bad,
            [full, back],
            elsewhere.clone(),
            IO,
            &["No space left", "make room"],
        );
        let file = "mkdir -p /opt/cni; touch /opt/cni/networks";
        row(
            &mut bad,
            [file, "rm /opt/cni/networks"],
            elsewhere,
            IO,
            &["Not a directory", "ipam.dataDir"],
        );
        let (read_only, back) = (
            "for d in /run/cni /var/lib/cni/linkspan; do mkdir -p $d; mount -t tmpfs -o ro none $d; done",
            "for d in /run/cni /var/lib/cni/linkspan; do umount $d; rm -r $d; done",
        );
        row(
            &mut bad,
            [read_only, back],
            masq.clone(),
            IO,
            &[
                "\"netfilter\" below /run/cni/linkspan",
                "Read-only",
                "/run must be writable",
            ],
        );
        let full = "mkdir -p /run/cni; mount -t tmpfs -o nr_inodes=3 none /run/cni; mkdir -p /run/cni/linkspan";
        row(
            &mut bad,
            [full, "umount /run/cni; rm -r /run/cni"],
            masq,
            IO,
            &["/run/cni/linkspan", "No space left"],
        );
        bad.end(5);
    });
}

/// What is set up for one container must be set up whole: a rule that cannot be made, an address that cannot be had.
#[test]
fn a_kernel_that_refuses() {
    bad(|mut bad| {
        // Somebody's table of the same name, with a set of another type.
        let add = "nft add table inet linkspan; nft 'add set inet linkspan masquerade4 { type inet_service; }'";
        let words = ["masquerade4", "nft delete table inet linkspan"];
        row(
            &mut bad,
            [add, "nft delete table inet linkspan"],
            json!({ "ipMasq": true }),
            INTERNAL,
            &words,
        );

        let without = ["--bounding-set=-all", "--inh-caps=-all"];
        let call = bad.host.call("ADD", &network(json!({})), &bad.netns);
        let output = call
            .cmd()
            .under(&[&["setpriv"], &without[..]].concat())
            .output();
        assert!(
            output.stdout.contains("CAP_NET_ADMIN") && output.stdout.contains("root"),
            "{output}"
        );

        let call = bad.host.call("ADD", &network(json!({})), &bad.netns);
        for descriptors in 4..8 {
            let limit = format!("--nofile={descriptors}");
            let output = call.cmd().under(&["prlimit", &limit]).output();
            let json: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
            assert!(
                !output.ok() && json["msg"].as_str().unwrap().contains("os error 24"),
                "{output}"
            );
        }
        bad.end(1);
    });
}

#[test]
fn ipv6_that_is_switched_off() {
    bad(|mut bad| {
        let off =
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";
        let on = "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0";
        let words = ["fd00:22::1/64", "IPv6 is switched off", "disable_ipv6"];
        row(
            &mut bad,
            [off, on],
            json!({ "ipam": dual_stack() }),
            INTERNAL,
            &words,
        );
        let small = json!({ "mtu": 1000, "ipam": dual_stack() });
        row(
            &mut bad,
            ["true", "true"],
            small,
            CONFIG,
            &["1000", "IPv6", "1280"],
        );
        bad.end(2);
    });
}

/// What is said of a route is true: who follows it has a network.
#[test]
fn routes_that_the_container_cannot_have() {
    bad(|mut bad| {
        let routes = |routes: Value| {
            let addresses = json!([{ "address": "10.22.0.5/16", "gateway": "10.22.0.1" }]);
            json!({ "isGateway": false, "ipam": { "type": "static", "addresses": addresses, "routes": routes } })
        };
        let behind = json!({ "dst": "192.168.0.0/16", "gw": "10.99.0.1" });
        let nothing = ["true", "true"];
        let words = [
            "via 10.99.0.1",
            "does not reach the gateway",
            "\"scope\": 253",
        ];
        row(&mut bad, nothing, routes(json!([behind])), INTERNAL, &words);
        let behind_v6 = json!({ "dst": "fd02::/64", "gw": "fd01::1" });
        let words = ["via fd01::1", "does not reach the gateway"];
        row(
            &mut bad,
            nothing,
            routes(json!([behind_v6])),
            INTERNAL,
            &words,
        );
        let on_link = json!({ "dst": "10.99.0.0/24", "scope": 253 });
        let followed = network(routes(json!([on_link, behind])));
        bad.host.add(&followed, &bad.netns).success();
        bad.host.del(&followed, &bad.netns).success();

        bad.netns
            .run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
        let words = ["::/0", "IPv6 is switched off", "disable_ipv6"];
        let default = json!([{ "dst": "::/0" }]);
        row(&mut bad, nothing, routes(default), INTERNAL, &words);
    });
}

/// What is damaged in the directories of the network is not in the way of new containers.
#[test]
fn files_that_are_damaged_do_no_harm() {
    bad(|bad| {
        let config = network(json!({ "ipMasq": true }));
        let directory = "/var/lib/cni/networks/mynet";
        let records = "/run/cni/linkspan/netfilter";
        bad.host
            .sandbox
            .run(&format!("mkdir -p {directory}/10.22.0.2 {records}"));
        fs::write(format!("{directory}/10.22.0.3"), "").unwrap();
        fs::write(format!("{directory}/10.22.0.4"), [0xff; 100_000]).unwrap();
        fs::write(format!("{directory}/last_reserved_ip.0"), "nonsense").unwrap();
        fs::write(format!("{directory}/notes"), "mine").unwrap();
        fs::write(format!("{records}/c1:eth0:bridge.json"), "{").unwrap();
        fs::write(format!("{records}/c9:eth0:bridge.json"), [0xff; 10]).unwrap();
        let result = bad.host.add(&config, &bad.netns).success();
        assert_eq!(
            address(&result, Family::V4),
            "10.22.0.3",
            "an empty file holds nothing"
        );
        bad.netns.ping("10.22.0.1");
        bad.host.del(&config, &bad.netns).success();
        bad.host.plugins.gc(&config, &[]).success();
        let again = bad.host.add(&config, &bad.netns).success();
        assert_eq!(
            address(&again, Family::V4),
            "10.22.0.4",
            "nobody's after GC"
        );
        bad.host.del(&config, &bad.netns).success();
        assert_eq!(
            fs::read_to_string(format!("{directory}/notes")).unwrap(),
            "mine"
        );
    });
}
