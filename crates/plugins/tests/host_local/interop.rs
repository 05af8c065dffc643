//! Both implementations on one directory.

use std::collections::HashSet;
use std::fs;
use std::sync::Mutex;
use std::thread;

use linkspan_testkit::{Plugins, sandbox};
use serde_json::{Value, json};

use super::{DIRECTORY, Host, address, files, network, older, reserved, small};

/// How many processes run at a time, and how often each attaches and detaches.
const WORKERS: usize = 8;
const ROUNDS: usize = 25;

#[test]
fn either_checks_and_releases_what_the_other_reserved() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let both = older(&network(json!({
            "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00::/64" }]]
        })));
        for (one, other) in [(&host.ours, &host.reference), (&host.reference, &host.ours)] {
            one.add(&both, "c1", &host.netns, "eth0").success();
            assert_eq!(reserved().len(), 2, "{:?}", reserved());
            for name in reserved() {
                let text = fs::read_to_string(format!("{DIRECTORY}/{name}")).unwrap();
                assert_eq!(text, "c1\r\neth0", "{name}");
            }
            other.check(&both, "c1", &host.netns, "eth0").success();
            other.check(&both, "c1", &host.netns, "eth1").failure();
            other.del(&both, "c1", &host.netns, "eth1").success();
            assert_eq!(reserved().len(), 2, "another interface's");
            other.del(&both, "c1", &host.netns, "eth0").success();
            assert_eq!(
                files(DIRECTORY),
                ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]
            );
            one.check(&both, "c1", &host.netns, "eth0").failure();
        }
    });
}

#[test]
fn they_take_turns_in_one_round_robin() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = older(&small());
        let turns: [&Plugins; 3] = [&host.ours, &host.reference, &host.reference];
        for number in 0..13 {
            let container = format!("c{number}");
            let outcome = turns[number % 3].add(&config, &container, &host.netns, "eth0");
            assert_eq!(address(&outcome), format!("10.22.0.{}", 2 + number));
        }
        for plugins in [&host.ours, &host.reference] {
            plugins.add(&config, "more", &host.netns, "eth0").fails(
                None,
                &["no IP addresses available in range set: 10.22.0.1-10.22.0.14"],
            );
        }
        for number in [4, 2] {
            turns[number % 3]
                .del(&config, &format!("c{number}"), &host.netns, "eth0")
                .success();
        }
        assert_eq!(
            address(&host.add(&config, "again")),
            "10.22.0.4",
            "behind the last, round the end"
        );
    });
}

/// A file of before 2018 names no interface.
#[test]
fn an_older_file_is_checked_and_released() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        fs::create_dir_all(DIRECTORY).unwrap();
        fs::write(format!("{DIRECTORY}/10.22.0.5"), "c1").unwrap();
        host.ours
            .check(&small(), "c1", &host.netns, "eth0")
            .success();
        host.del(&small(), "c2").success();
        assert_eq!(reserved(), ["10.22.0.5"]);
        host.del(&small(), "c1").success();
        assert!(reserved().is_empty());
    });
}

#[test]
fn under_load_no_address_is_given_twice() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        // Hardly more addresses than workers, so that they meet; and beside them enough to need the index.
        let config = older(&network(json!({
            "subnet": "10.22.0.0/24", "rangeStart": "10.22.0.100", "rangeEnd": "10.22.0.112"
        })));
        fs::create_dir_all(DIRECTORY).unwrap();
        for number in 150..200 {
            fs::write(format!("{DIRECTORY}/10.22.0.{number}"), "other\r\neth0").unwrap();
        }
        let held = Mutex::new(HashSet::new());
        let work = |worker: usize| {
            for round in 0..ROUNDS {
                let turn = |parity: usize| {
                    if (worker + parity).is_multiple_of(2) {
                        &host.ours
                    } else {
                        &host.reference
                    }
                };
                let container = format!("w{worker}r{round}");
                let address = address(&turn(0).add(&config, &container, &host.netns, "eth0"));
                assert!(
                    held.lock().unwrap().insert(address.clone()),
                    "{address} was given twice"
                );
                turn(round % 3)
                    .check(&config, &container, &host.netns, "eth0")
                    .success();
                held.lock().unwrap().remove(&address);
                turn(round)
                    .del(&config, &container, &host.netns, "eth0")
                    .success();
            }
        };
        thread::scope(|scope| {
            for worker in 0..WORKERS {
                scope.spawn(move || work(worker));
            }
        });
        assert_eq!(reserved().len(), 50, "{:?}", reserved());
    });
}

/// With as many addresses as in the field, and all of the searches that the index answers.
#[test]
fn thousands_of_reservations_of_the_reference_are_taken_over() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = older(&network(json!({ "subnet": "10.22.0.0/20" })));
        fs::create_dir_all(DIRECTORY).unwrap();
        for number in 2..4095 {
            let (high, low) = (number / 256, number % 256);
            fs::write(
                format!("{DIRECTORY}/10.22.{high}.{low}"),
                format!("c{number}\r\neth0"),
            )
            .unwrap();
        }
        host.del(&config, "c2730").success();
        assert_eq!(address(&host.add(&config, "new")), "10.22.10.170");
        host.del(&config, "c2").success();
        host.reference
            .del(&config, "c3", &host.netns, "eth0")
            .success();
        assert_eq!(address(&host.add(&config, "newer")), "10.22.0.2");
        assert_eq!(
            address(&host.reference.add(&config, "newest", &host.netns, "eth0")),
            "10.22.0.3"
        );
        host.ours
            .check(&config, "newest", &host.netns, "eth0")
            .success();
        host.add(&config, "more").failure();
        host.ours
            .check(&config, "c4094", &host.netns, "eth0")
            .success();
    });
}

/// The system calls of one ADD and one DEL, once an index is there.
fn system_calls(host: &Host, config: &Value, verb: &str) -> usize {
    let log = "/run/strace.log";
    let call = host
        .ours
        .call(verb, config)
        .container("new")
        .netns(host.netns.path())
        .ifname("eth0");
    let output = call
        .cmd()
        .under(&["strace", "-f", "-qq", "-o", log])
        .output();
    assert!(output.ok(), "{output}");
    fs::read_to_string(log).unwrap().lines().count()
}

/// The reference reads every file: with 60,000 addresses in use it takes half a second.
#[test]
fn the_work_does_not_grow_with_the_addresses_in_use() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "subnet": "10.22.0.0/16" }));
        fs::create_dir_all(DIRECTORY).unwrap();
        let mut counts = Vec::new();
        for (first, last) in [(2, 100), (100, 6000)] {
            for number in first..last {
                let (high, low) = (number / 256, number % 256);
                fs::write(
                    format!("{DIRECTORY}/10.22.{high}.{low}"),
                    format!("c{number}\r\neth0"),
                )
                .unwrap();
            }
            host.ours
                .check(&config, "c2", &host.netns, "eth0")
                .success();
            counts.push(["ADD", "DEL"].map(|verb| system_calls(&host, &config, verb)));
        }
        let [few, many] = counts[..] else {
            unreachable!()
        };
        for (few, many) in few.into_iter().zip(many) {
            assert!(
                many <= few + 3,
                "{few} system calls with 100 in use, {many} with 6,000"
            );
        }
    });
}
