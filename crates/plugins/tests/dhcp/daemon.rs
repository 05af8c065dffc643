//! The daemon: what it outlives, and what outlives it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use linkspan_testkit::{
    Cmd, DhcpDaemon, DhcpMessage, Given, Packet, Pool, Sandbox, Software, sandbox, tests_for, with,
};
use serde_json::{Value, json};

use crate::attachment::{Kind, bridge, mac_in, macvlan};
use crate::lan::{Held, Lan};

tests_for! {
    what_is_in_nobodys_list_is_given_back: bridge macvlan;
    nothing_pins_a_namespace_that_is_deleted: bridge macvlan;
}

fn lan(sandbox: &Sandbox) -> (Lan<'_>, DhcpDaemon) {
    let lan = Lan::new(sandbox, &macvlan());
    let daemon = DhcpDaemon::start(lan.plugins());
    (lan, daemon)
}

/// Addresses and their owners.
fn owners(leases: &[Given]) -> BTreeSet<(String, String)> {
    let one = |lease: &Given| (lease.address.to_string(), lease.client.clone());
    leases.iter().map(one).collect()
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// ADD of many containers, several at a time.
fn attach_many(lan: &Lan<'_>, count: usize) -> Vec<Held> {
    const AT_A_TIME: usize = 10;
    let names: Vec<String> = (0..count).map(|number| format!("c{number}")).collect();
    let one = |name: &String| lan.attach(name);
    thread::scope(|scope| {
        let attach = |names: &'_ [String]| names.iter().map(one).collect::<Vec<Held>>();
        let parts: Vec<_> = names.chunks(count.div_ceil(AT_A_TIME)).collect();
        let workers: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(move || attach(part)))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    })
}

// plugins#235, plugins#767: the reference's daemon forgets all leases when it ends.
#[test]
fn fifty_leases_outlive_a_daemon_that_is_killed() {
    const COUNT: usize = 50;
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &bridge());
        let mut daemon = DhcpDaemon::start(lan.plugins());
        let server = lan.serve(
            Software::Kea,
            Pool {
                lifetime: 30,
                ..Pool::default()
            },
        );
        let held = attach_many(&lan, COUNT);
        let before = server.leases();
        assert_eq!(owners(&before).len(), COUNT);
        let addresses: BTreeSet<_> = before.iter().map(|lease| lease.address).collect();
        assert_eq!(addresses.len(), COUNT);
        daemon.kill();
        // The times in a server's file are of whole seconds.
        thread::sleep(Duration::from_millis(1100));
        daemon.start_again();
        let later = |leases: &[Given]| {
            let is_later = |(now, then): (&Given, &Given)| now.ends > then.ends;
            leases.len() == COUNT && leases.iter().zip(&before).all(is_later)
        };
        let renewed = server.wait_until("all renewed", later);
        assert_eq!(owners(&renewed), owners(&before));
        // Each has the right one.
        for one in &held {
            assert_eq!(one.addresses(), [one.address]);
            let client = format!("\0{}/net/eth0", one.netns.name());
            let hex: Vec<String> = client.bytes().map(|byte| format!("{byte:02x}")).collect();
            let owner = (one.address.to_string(), hex.join(":"));
            assert!(owners(&renewed).contains(&owner), "{owner:?}");
        }
        for one in &held {
            lan.del(&one.netns).success();
        }
        server.wait_for_leases(0);
    });
}

/// As far as it shows: another boot, nothing of the network, nothing in memory, what is on disk still there.
fn reboot(sandbox: &Sandbox, containers: &[&Held]) {
    sandbox.run(
        "echo 00000000-0000-4000-8000-000000000001 >/run/boot_id
         mount --bind /run/boot_id /proc/sys/kernel/random/boot_id; rm -rf /run/cni",
    );
    containers.iter().for_each(|held| held.netns.delete());
}

#[test]
fn after_a_reboot_containers_of_the_same_names_get_leases() {
    sandbox(|sandbox| {
        let (lan, mut daemon) = lan(sandbox);
        let server = lan.serve(Software::Kea, Pool::default());
        let (one, two) = (lan.attach("c1"), lan.attach("c2"));
        daemon.kill();
        reboot(sandbox, &[&one, &two]);
        daemon.start_again();
        let again = lan.attach("c1");
        // The server knows it by its name.
        assert_eq!(again.address, one.address);
        // The runtime's late DEL for the other finds nothing to do.
        let call = lan.plugins().call("DEL", &lan.world.config);
        call.container("c2").ifname("eth0").run().success();
        assert_eq!(again.addresses(), [again.address]);
        lan.del(&again.netns).success();
        // The other's runs out.
        let left = server.wait_for_leases(1);
        assert_eq!(left[0].address, two.address);
    });
}

/// What is on disk is believed as far as it is of this boot and of namespaces that are there.
#[test]
fn a_container_that_went_while_no_daemon_ran_is_forgotten() {
    sandbox(|sandbox| {
        let (lan, mut daemon) = lan(sandbox);
        let server = lan.serve(Software::Kea, Pool::default());
        let (gone, left) = (lan.attach("gone"), lan.attach("left"));
        daemon.kill();
        gone.netns.delete();
        // Another container at the same path.
        let other = sandbox.netns("gone");
        let seen = lan.tap.count();
        daemon.start_again();
        let asks = |packet: &Packet| packet.is(DhcpMessage::REQUEST);
        let request = lan.tap.wait_after(seen, "confirmation", asks);
        let (message, ..) = request.message(DhcpMessage::REQUEST).unwrap();
        let wanted = message.option(linkspan_testkit::dhcp_option::REQUESTED);
        assert_eq!(wanted, Some(&left.address.octets()[..]));
        assert_eq!(
            other
                .ip_json("link show type macvlan")
                .as_array()
                .unwrap()
                .len(),
            0
        );
        assert_eq!(left.addresses(), [left.address]);
        lan.del(&left.netns).success();
        server.wait_until("the one given back", |leases| {
            leases.iter().all(|lease| lease.address != left.address)
        });
    });
}

/// A packet socket that is held open keeps a deleted namespace and its links alive.
fn nothing_pins_a_namespace_that_is_deleted(kind: Kind) {
    kind.setup().sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &kind);
        let _daemon = DhcpDaemon::start(lan.plugins());
        let server = lan.serve(Software::Kea, Pool::default());
        let held = lan.attach("c1");
        let kept = lan.attach("kept");
        held.netns.delete();
        // Given back all the same, by the host's side.
        let leases = server.wait_for_leases(1);
        assert_eq!(leases[0].address, kept.address);
        let ends = || sandbox.run("ip -oneline link show type veth | grep -c ': veth' || true");
        if kind.name == "bridge" {
            kept.wait_until("without the deleted one's link", || ends() == "1");
        }
        // And DEL has nothing to do.
        let call = lan.plugins().call("DEL", &lan.world.config);
        call.container("c1").ifname("eth0").run().success();
        kept.netns.ping("10.9.0.1");
    });
}

/// GC, of a container that nobody has detached: through its link, which the plugin removes afterwards.
fn what_is_in_nobodys_list_is_given_back(kind: Kind) {
    kind.setup().sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &kind);
        let _daemon = DhcpDaemon::start(lan.plugins());
        let server = lan.serve(Software::Kea, Pool::default());
        let (stale, kept) = (lan.attach("stale"), lan.attach("kept"));
        let config = with(&lan.world.config, json!({ "cniVersion": "1.1.0" }));
        lan.plugins().gc(&config, &[("kept", "eth0")]).success();
        let leases = server.wait_for_leases(1);
        assert_eq!(leases[0].address, kept.address);
        let is_release = |packet: &Packet| packet.is(DhcpMessage::RELEASE);
        let release = lan.tap.wait_for("RELEASE", is_release);
        let (_, from, _) = release.message(DhcpMessage::RELEASE).unwrap();
        assert_eq!(
            (from, text(release.from_mac)),
            (
                stale.address,
                mac_in(&stale.result).as_str().unwrap().to_owned()
            )
        );
        kept.netns.ping("10.9.0.1");
    });
}

// plugins PR#792: each CHECK left an open namespace in the daemon, and another lease.
#[test]
fn what_is_asked_again_and_again_leaves_nothing_in_the_daemon() {
    sandbox(|sandbox| {
        let (lan, daemon) = lan(sandbox);
        let server = lan.serve(Software::Kea, Pool::default());
        let held = lan.attach("c1");
        let files = || {
            fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
                .unwrap()
                .count()
        };
        lan.check(&held.netns, &held.result).success();
        let before = files();
        for _ in 0..20 {
            lan.check(&held.netns, &held.result).success();
            lan.add(&held.netns).failure();
        }
        assert!(files() <= before, "{} instead of {before}", files());
        assert_eq!(server.leases().len(), 1);
        assert_eq!(held.addresses(), [held.address]);
    });
}

#[test]
fn a_second_daemon_says_so_and_harms_nothing() {
    sandbox(|sandbox| {
        let (lan, _daemon) = lan(sandbox);
        let server = lan.serve(Software::Kea, Pool::default());
        let held = lan.attach("c1");
        let second = DhcpDaemon::cmd(lan.plugins())
            .deadline(Duration::from_secs(5))
            .output();
        assert!(!second.ok() && !second.timed_out, "{second}");
        assert!(
            second.stderr.contains("another daemon") || second.stderr.contains("already listens"),
            "{second}"
        );
        lan.check(&held.netns, &held.result).success();
        lan.del(&held.netns).success();
        server.wait_for_leases(0);
    });
}

// plugins#760: the socket's file kept the next daemon from starting.
#[test]
fn a_socket_of_a_daemon_that_died_is_replaced() {
    sandbox(|sandbox| {
        let (lan, mut daemon) = lan(sandbox);
        let _server = lan.serve(Software::Kea, Pool::default());
        daemon.kill();
        assert!(fs::exists(DhcpDaemon::SOCKET).unwrap());
        let netns = sandbox.netns("early");
        let refused = lan.add(&netns);
        refused.fails(None, &[DhcpDaemon::SOCKET]);
        assert!(
            refused.output.elapsed < Duration::from_secs(1),
            "{}",
            refused.output
        );
        daemon.start_again();
        let mode = fs::metadata(DhcpDaemon::SOCKET)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        lan.attach("c1");
    });
}

/// As systemd hands it over: the socket's descriptor is 3.
const ACTIVATE: &str = r#"
import os, socket, sys
sockets = []
for path in sys.argv[2].split(","):
    one = socket.socket(socket.AF_UNIX)
    one.bind(path)
    one.listen()
    sockets.append(one)
for number, one in enumerate(sockets):
    os.dup2(one.fileno(), 3 + number)
    os.set_inheritable(3 + number, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
os.execv(sys.argv[1], [sys.argv[1], "daemon"])
"#;

// multus#1031, rancher/rke2#3917: who runs the daemon?
#[test]
fn systemd_can_hand_over_the_socket() {
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &macvlan());
        let server = lan.serve(Software::Kea, Pool::default());
        fs::create_dir_all("/run/cni").unwrap();
        let activate = |sockets: &str| {
            let daemon = lan.plugins().dir().join("dhcp");
            let daemon = daemon.to_string_lossy().into_owned();
            Cmd::new("python3").args(["-c", ACTIVATE, &daemon, sockets])
        };
        let two = activate("/run/one.sock,/run/two.sock")
            .deadline(Duration::from_secs(5))
            .output();
        assert!(!two.ok() && !two.timed_out, "{two}");
        let daemon = activate(DhcpDaemon::SOCKET).start();
        let netns = sandbox.netns("c1");
        let added = || lan.add(&netns).output.ok();
        let held = Held {
            netns: netns.clone(),
            result: Value::Null,
            address: [0, 0, 0, 0].into(),
        };
        held.wait_until("attached", added);
        lan.del(&netns).success();
        server.wait_for_leases(0);
        // The socket is systemd's, and stays.
        drop(daemon);
        assert!(fs::exists(DhcpDaemon::SOCKET).unwrap());
    });
}
