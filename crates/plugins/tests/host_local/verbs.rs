//! Results, GC and STATUS.

use std::fs;

use linkspan_testkit::sandbox;
use serde_json::json;

use super::{DIRECTORY, Host, address, files, network, reserved, small};

#[test]
fn a_result_has_everything_that_the_configuration_says() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        fs::write(
            "/run/resolv.conf",
            "nameserver 192.0.2.53\nsearch a.test b.test\n",
        )
        .unwrap();
        let config = network(json!({
            "ranges": [[{ "subnet": "10.22.0.0/16", "gateway": "10.22.255.254" }], [{ "subnet": "fd00::/64", "rangeStart": "fd00::10" }]],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "fd01::/16", "gw": "fd00::9", "mtu": 1400 }],
            "resolvConf": "/run/resolv.conf", "dataDir": "/run/reservations"
        }));
        assert_eq!(
            host.add(&config, "c1").success(),
            json!({
                "cniVersion": "1.1.0",
                "ips": [
                    { "address": "10.22.0.1/16", "gateway": "10.22.255.254" },
                    { "address": "fd00::10/64", "gateway": "fd00::1" }
                ],
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "fd01::/16", "gw": "fd00::9", "mtu": 1400 }],
                "dns": { "nameservers": ["192.0.2.53"], "search": ["a.test", "b.test"] }
            })
        );
        assert_eq!(
            files("/run/reservations/net"),
            [
                "10.22.0.1",
                "fd00::10",
                "last_reserved_ip.0",
                "last_reserved_ip.1",
                "lock"
            ]
        );
    });
}

#[test]
fn requested_addresses_are_taken_from_the_sets_that_they_are_in() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let mut config = network(json!({
            "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "10.23.0.0/16" }], [{ "subnet": "fd00::/64" }]]
        }));
        config["args"] = json!({ "cni": { "ips": ["10.23.0.7/16"] } });
        config["runtimeConfig"] = json!({ "ips": ["FD00:0::8"] });
        host.add(&config, "c1").success();
        assert_eq!(reserved(), ["10.22.0.2", "10.23.0.7", "fd00::8"]);
        host.del(&config, "c1").success();
        // The next search goes on behind a requested address, as in the reference.
        host.add(&network(config["ipam"].clone()), "c2").success();
        assert_eq!(reserved(), ["10.22.0.3", "10.23.0.8", "fd00::9"]);
    });
}

/// plugins#1047.
#[test]
fn an_end_of_a_range_that_means_all_hosts_is_said() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let mut config = small();
        config["ipam"] =
            json!({ "type": "host-local", "subnet": "10.22.0.0/29", "rangeEnd": "10.22.0.7" });
        let outcome = host.add(&config, "c1");
        outcome.success();
        let words = "10.22.0.7 is not given to anybody";
        assert!(outcome.output.stderr.contains(words), "{}", outcome.output);
    });
}

#[test]
fn gc_frees_what_belongs_to_nobody_in_this_network_alone() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        for container in ["c1", "c2", "c3"] {
            host.add(&small(), container).success();
        }
        host.ours.add(&small(), "c1", &host.netns, "eth1").success();
        let mut neighbour = small();
        neighbour["name"] = "neighbour".into();
        host.add(&neighbour, "c9").success();
        for (name, text) in [
            ("10.22.0.11", "c2"),
            ("10.22.0.12", "gone"),
            ("10.22.0.13", ""),
            ("notes", "c7"),
        ] {
            fs::write(format!("{DIRECTORY}/{name}"), text).unwrap();
        }
        host.ours
            .gc(&small(), &[("c1", "eth0"), ("c2", "eth0")])
            .success();
        assert_eq!(
            files(DIRECTORY),
            [
                "10.22.0.11",
                "10.22.0.2",
                "10.22.0.3",
                "last_reserved_ip.0",
                "lock",
                "notes"
            ]
        );
        host.ours.gc(&small(), &[]).success();
        assert_eq!(
            files(DIRECTORY),
            ["last_reserved_ip.0", "lock", "notes"],
            "an empty list frees all"
        );
        assert_eq!(files("/var/lib/cni/networks/neighbour").len(), 3);
        fs::remove_dir_all(DIRECTORY).unwrap();
        host.ours.gc(&small(), &[]).success();
        assert!(!fs::exists(DIRECTORY).unwrap());
    });
}

#[test]
fn gc_of_many_leaves_an_index_that_is_right() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "subnet": "10.22.0.0/24" }));
        fs::create_dir_all(DIRECTORY).unwrap();
        for number in 2..200 {
            fs::write(
                format!("{DIRECTORY}/10.22.0.{number}"),
                format!("c{number}\r\neth0"),
            )
            .unwrap();
        }
        let names: Vec<String> = (2..50).map(|number| format!("c{number}")).collect();
        let valid: Vec<_> = names.iter().map(|name| (name.as_str(), "eth0")).collect();
        host.ours.gc(&config, &valid).success();
        assert_eq!(reserved().len(), valid.len());
        assert_eq!(address(&host.add(&config, "new")), "10.22.0.50");
        host.del(&config, "c49").success();
        assert!(!reserved().contains(&"10.22.0.49".to_owned()));
    });
}

#[test]
fn status_tells_whether_there_is_an_address() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        host.ours.status(&small()).success();
        assert!(!fs::exists(DIRECTORY).unwrap(), "and makes nothing");
        for number in 0..13 {
            host.ours.status(&small()).success();
            host.add(&small(), &format!("c{number}")).success();
        }
        host.ours
            .status(&small())
            .fails(50, &["no IP addresses available", "13 addresses"]);
        host.del(&small(), "c4").success();
        host.ours.status(&small()).success();
    });
}

#[test]
fn del_is_content_with_what_it_finds() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        host.del(&small(), "c1").success();
        assert!(
            !fs::exists(DIRECTORY).unwrap(),
            "nothing is made to remove something"
        );
        host.add(&small(), "c1").success();
        let gone = host
            .ours
            .call("DEL", &small())
            .container("c1")
            .ifname("eth0");
        gone.run().success();
        gone.run().success();
        assert!(reserved().is_empty());
        // What only ADD reads has become wrong since.
        host.add(&small(), "c1").success();
        host.del(&network(json!({ "subnet": "10.22.0.0/33" })), "c1")
            .success();
        assert!(reserved().is_empty());
    });
}
