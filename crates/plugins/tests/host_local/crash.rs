//! Killed at every system call, and out of room.

use std::fs;

use linkspan_testkit::{Cmd, Fault, kill_at_every_syscall, sandbox, trace};
use serde_json::{Value, json};

use super::{DIRECTORY, Host, address, files, network, reserved, small};

fn command(host: &Host, verb: &str, config: &Value, container: &str) -> Cmd {
    host.ours
        .call(verb, config)
        .container(container)
        .netns(host.netns.path())
        .ifname("eth0")
        .cmd()
}

/// Fills the directory with reservations of others.
fn others(count: usize) -> Vec<String> {
    fs::create_dir_all(DIRECTORY).unwrap();
    for number in 0..count {
        fs::write(
            format!("{DIRECTORY}/10.22.0.{}", 100 + number),
            format!("other{number}\r\neth0"),
        )
        .unwrap();
    }
    reserved()
}

fn killed(count: usize) {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "subnet": "10.22.0.0/24" }));
        let before = others(count);
        let kills = kill_at_every_syscall(
            || command(&host, "ADD", &config, "c1"),
            |kill| {
                // Whatever is left names its holder, and an ADD of another container is not held up.
                for name in reserved() {
                    let text = fs::read_to_string(format!("{DIRECTORY}/{name}")).unwrap();
                    assert!(
                        text.ends_with("\r\neth0"),
                        "{kill:?}: {name} holds {text:?}"
                    );
                }
                let other = address(&host.add(&config, "c2"));
                assert!(!before.contains(&other), "{kill:?}");
                host.del(&config, "c1").success();
                host.del(&config, "c2").success();
                assert_eq!(reserved(), before, "{kill:?}");
            },
        );
        assert!(kills > 40, "{kills}");
        kill_at_every_syscall(
            || {
                host.del(&config, "c1").success();
                host.add(&config, "c1").success();
                command(&host, "DEL", &config, "c1")
            },
            |kill| {
                host.del(&config, "c1").success();
                assert_eq!(reserved(), before, "{kill:?}");
                let expected = files("/run/cni/linkspan/host-local").len();
                assert_eq!(expected, usize::from(count > 8), "{kill:?}: an index");
            },
        );
    });
}

/// plugins#332: addresses leaked by what had died half-way.
#[test]
fn killed_anywhere_it_loses_nothing_and_blocks_nobody() {
    killed(0);
}

#[test]
fn killed_anywhere_with_an_index_it_loses_nothing_and_blocks_nobody() {
    killed(20);
}

#[test]
fn without_room_nothing_is_left_and_the_message_says_so() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        fs::create_dir_all(DIRECTORY).unwrap();
        sandbox.run(&format!(
            "mount -t tmpfs -o size=4k,nr_inodes=3 none {DIRECTORY}"
        ));
        sandbox.run(&format!(
            "touch {DIRECTORY}/lock; echo x > {DIRECTORY}/filler"
        ));
        host.add(&small(), "c1")
            .fails(5, &["No space left", "make room"]);
        assert_eq!(files(DIRECTORY), ["filler", "lock"]);
        host.ours.status(&small()).fails(50, &[]);
        host.del(&small(), "c1").success();
    });
}

#[test]
fn a_read_only_directory_is_named() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        host.add(&small(), "c1").success();
        sandbox.run("mount -t tmpfs -o ro none /opt/cni");
        let mut config = small();
        config["ipam"]["dataDir"] = "/opt/cni/networks".into();
        host.add(&config, "c2")
            .fails(5, &["/opt/cni/networks/net", "Read-only file system"]);
        host.ours.status(&config).fails(50, &["Read-only"]);
        host.del(&config, "c2").success();
        host.ours.status(&small()).success();
    });
}

/// `make chaos`: with a part of the ID of its boot a reservation was of an earlier one, so anybody's.
#[test]
fn a_read_that_falls_short_makes_no_reservation_of_another_boot() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "subnet": "10.22.0.0/24" }));
        let mut origins = Vec::new();
        for occurrence in 1.. {
            let mut hit = false;
            let output = trace(command(&host, "ADD", &config, "c1"), |call| {
                let is_it = call.name == "read" && call.occurrence == occurrence;
                hit |= is_it;
                is_it.then_some(Fault::Shorten(2, 8))
            });
            assert!(output.ok() || output.status.code() == Some(127), "{output}");
            for name in reserved() {
                let script = format!(
                    "import os; print(os.getxattr('{DIRECTORY}/{name}', 'user.linkspan.origin'))"
                );
                origins.push(sandbox.run(&format!("python3 -c \"{script}\"")));
            }
            host.del(&config, "c1").success();
            if !hit {
                break;
            }
        }
        assert!(origins.len() > 3, "{origins:?}");
        origins.dedup();
        assert_eq!(origins.len(), 1, "{origins:?}");
    });
}
