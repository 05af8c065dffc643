//! Containers of Podman, on networks that it has written itself.

use std::thread;
use std::time::Instant;

use linkspan_proof::scale;
use linkspan_testkit::{Cmd, Output, Podman, Protocol::Tcp, Protocol::Udp, rows};

use crate::traffic::{Published, SECOND_V4, SECOND_V6, parse};
use crate::world::{PORT, Serving, World, at_a_time, whole_alone, world};

const PORTS: [Published; 2] = [(Tcp, "", 8080), (Udp, "", 8080)];

/// Containers that were there before: options and ports, of each kind, so that all constant rules are there.
const FIRST: [(&str, &[Published]); 3] = rows![
    (
        "--network one",
        &[
            (Tcp, "", 7001),
            (Udp, "", 7001),
            (Tcp, SECOND_V4, 7002),
            (Udp, SECOND_V6, 7002)
        ]
    ),
    ("--network two", &[(Tcp, "", 7003), (Udp, SECOND_V4, 7003)]),
    (
        "--mac-address 02:00:00:00:00:01",
        &[(Tcp, "", 7004), (Udp, SECOND_V4, 7004)]
    ),
];

/// A host with Podman and the networks `one`, of both families, and `two`, which is small. Containers on each of them and on Podman's own network, which has no
/// file, have been there before.
#[track_caller]
fn podman<F: FnOnce(&World<'_>, &Host)>(scenario: F) {
    world(|world| {
        let host = Host(Podman::new(world.host));
        host.0
            .run("network create --ipv6 --subnet 10.90.0.0/24 --subnet fd00:90::/64 one");
        host.0.run("network create --subnet 10.91.0.0/29 two");
        world.begin(|world| host.run_first(world));
        scenario(world, &host);
    });
}

struct Host(Podman);

impl Host {
    /// Containers come and go. What only a leftover of them can tell of.
    #[track_caller]
    fn run_first(&self, world: &World<'_>) -> Vec<String> {
        let first = FIRST.map(|(options, ports)| {
            let container = self.run("first", options, ports);
            world.assert_works(&container);
            self.end("first");
            container.names()
        });
        first.concat()
    }

    /// Starts a container, and serves in it.
    #[track_caller]
    fn run(&self, name: &str, options: &str, ports: &[Published]) -> Serving {
        let _ = self.try_run(name, options, ports).success();
        self.serve(name, ports)
    }

    fn try_run(&self, name: &str, options: &str, ports: &[Published]) -> Output {
        self.command(name, options, ports).output()
    }

    fn command(&self, name: &str, options: &str, ports: &[Published]) -> Cmd {
        let published = ports.iter().map(|(protocol, host_ip, port)| {
            let at = match host_ip {
                &"" => String::new(),
                ip if ip.contains(':') => format!("[{ip}]:"),
                ip => format!("{ip}:"),
            };
            let protocol = match protocol {
                Tcp => "tcp",
                Udp => "udp",
            };
            format!("--publish {at}{port}:{PORT}/{protocol}")
        });
        let published: Vec<_> = published.collect();
        self.0
            .start(name, &format!("{options} {}", published.join(" ")))
    }

    /// Serves in a container that runs.
    #[track_caller]
    fn serve(&self, name: &str, ports: &[Published]) -> Serving {
        Serving::of(self.0.container(name), ports)
    }

    #[track_caller]
    fn end(&self, names: &str) {
        self.0.run(&format!("rm --force --time 0 {names}"));
    }
}

/// Containers: options, ports, the addresses and the MAC address that they must have.
type Container = (
    &'static str,
    &'static [Published],
    &'static [&'static str],
    &'static str,
);

const CONTAINERS: [Container; 6] = rows![
    ("--network one", &PORTS, &[], ""),
    (
        "--network one,two",
        &[(Tcp, "", 8081), (Udp, SECOND_V6, 8081)],
        &[],
        ""
    ),
    (
        "--network one --ip 10.90.0.77 --mac-address 02:00:00:00:00:77",
        &[(Tcp, SECOND_V4, 8082)],
        &["10.90.0.77"],
        "02:00:00:00:00:77"
    ),
    (
        "--network one --ip6 fd00:90::78",
        &[(Udp, "::", 8083)],
        &["fd00:90::78"],
        ""
    ),
    (
        "--network two:ip=10.91.0.5,mac=02:00:00:00:00:79 --network one:ip=10.90.0.79",
        &[(Udp, "127.0.0.1", 8084)],
        &["10.91.0.5", "10.90.0.79"],
        "02:00:00:00:00:79"
    ),
    ("", &[(Tcp, "0.0.0.0", 8085)], &[], ""),
];

#[test]
fn containers_are_reached_by_all_that_they_promise() {
    podman(|world, host| {
        let mut containers = Vec::new();
        for (number, (options, ports, ips, mac)) in CONTAINERS.into_iter().enumerate() {
            let container = host.run(&format!("c{number}"), options, ports);
            for ip in ips {
                assert!(
                    container.pod.ips.contains(&parse(ip)),
                    "{options}: {:?}",
                    container.pod.ips
                );
            }
            let links = container.pod.netns.run("ip -oneline link");
            assert!(links.contains(mac), "{options}: {links}");
            containers.push(container);
        }
        containers
            .iter()
            .for_each(|container| world.assert_works(container));
        world.assert_neighbours(&containers[0], &containers[2]);
        world.assert_neighbours(&containers[2], &containers[3]);
        world.assert_healthy();
        drop(containers);
        host.end("c0 c1 c2 c3 c4 c5");
    });
}

/// podman#19583, nerdctl#665: an address that was asked for is the container's again each time that it comes back, however it went.
#[test]
fn containers_come_back() {
    podman(|world, host| {
        let other = host.run("other", "--network one", &[]);
        host.run(
            "c",
            "--network one --ip 10.90.0.77 --mac-address 02:00:00:00:00:77",
            &PORTS,
        );
        for way in [
            "restart --time 0 c",
            "stop --time 0 c && PODMAN start c",
            "kill c && PODMAN wait c && PODMAN start c",
        ] {
            for command in way.split("&& PODMAN ") {
                host.0.run(command.trim());
            }
            let container = host.serve("c", &PORTS);
            assert!(
                container.pod.ips.contains(&parse("10.90.0.77")),
                "{way}: {:?}",
                container.pod.ips
            );
            world.assert_works(&container);
            world.assert_neighbours(&other, &container);
        }
        drop(other);
        host.end("c other");
    });
}

/// A container joins a network and leaves it while it runs.
#[test]
fn networks_come_and_go() {
    if !whole_alone() {
        return;
    }
    podman(|world, host| {
        host.run("c", "--network one", &PORTS);
        for _ in 0..2 {
            host.0.run("network connect two c");
            let both = host.serve("c", &PORTS);
            assert_eq!(both.pod.ips.len(), 3, "{:?}", both.pod.ips);
            world.assert_works(&both);
            drop(both);
            host.0.run("network disconnect two c");
            world.assert_works(&host.serve("c", &PORTS));
        }
        host.end("c");
    });
}

/// podman#5431, podman#8048: what a firewall's reload took is given back by `podman network reload`, and by `linkspan reconcile`.
#[test]
fn the_ruleset_is_flushed() {
    podman(|world, host| {
        let container = host.run("c", "--network one", &PORTS);
        world.flush_ruleset();
        linkspan("reconcile");
        world.assert_works(&container);
        world.flush_ruleset();
        drop(container);
        host.0.run("network reload c");
        world.assert_works(&host.serve("c", &PORTS));
        world.flush_ruleset();
        host.end("c");
        host.run_first(world);
    });
}

/// Podman is killed at any moment of `podman run`, and forgets what it had begun. The next container has the same ports; what nobody knows is found by
/// `linkspan gc` and `linkspan doctor` when its namespace has gone.
#[test]
fn podman_is_killed_while_a_container_starts() {
    podman(|world, host| {
        let options = "--network one";
        let began = Instant::now();
        host.run("c", options, &PORTS);
        let took = began.elapsed();
        host.end("c");
        let kills: u32 = scale(4, 40);
        for kill in 1..=kills {
            // Killed early, Podman may keep a name for what it does not know otherwise.
            let name = format!("c{kill}");
            let running = host.command(&name, options, &PORTS).start();
            thread::sleep(took * kill / kills);
            let _ = running.kill();
            world.host.run(LEFT_ALONE);
            let _ = host
                .0
                .cmd(&format!("rm --force --time 0 --ignore {name}"))
                .output();
        }
        world.host.run(FORGOTTEN);
        let container = host.run("last", options, &PORTS);
        // What Podman had cached notes no namespace, so that gc is told what is in use.
        linkspan(&format!("gc one --keep {}", container.pod.id));
        // The second finds the rules of those whose addresses the first has given back.
        linkspan("doctor --fix --yes");
        linkspan("doctor --fix --yes");
        world.assert_works(&container);
        drop(container);
        host.end("last");
    });
}

/// The command line for people.
#[track_caller]
fn linkspan(words: &str) -> String {
    Cmd::new(linkspan_proof::linkspan())
        .args(words.split(' '))
        .run()
}

/// Kills the programs that wait for a Podman which has been killed, with the port in their hands; there are no other containers.
const LEFT_ALONE: &str = "cd /proc; for process in [0-9]*; do
    case $(cat $process/comm 2>/dev/null) in conmon | crun) kill -9 $process;; esac
done";

/// Deletes the namespaces that such a Podman has made, where no process is.
const FORGOTTEN: &str =
    "cd /run/netns; for name in netns-*; do test ! -e $name || ip netns delete $name; done";

/// podman#3759, podman#9465: the machine goes down with the range full, and comes up.
#[test]
fn a_full_host_is_rebooted() {
    podman(|world, host| {
        let names: Vec<_> = (0..5).map(|number| format!("c{number}")).collect();
        for name in &names {
            host.run(name, "--network two", &[]);
        }
        let full = host.try_run("one-too-many", "--network two", &[]);
        assert!(
            full.stderr.contains("5 of 5 addresses are in use"),
            "{full}"
        );
        host.end("--ignore one-too-many");
        reboot(world, host);
        for name in &names[..3] {
            host.0.run(&format!("start {name}"));
        }
        for name in ["d0", "d1"] {
            world.assert_works(&host.run(name, "--network two", &[]));
        }
        for name in &names[..3] {
            world.assert_works(&host.serve(name, &[]));
        }
        // Podman forgets that those which it has not started again were attached, so nobody calls DEL for them.
        host.end("c3 c4");
        linkspan("gc two");
        host.end("c0 c1 c2 d0 d1");
        host.run_first(world);
    });
}

/// podman#12306: containers that start at the same time on a network whose bridge is not there.
#[test]
fn many_by_four() {
    podman(|world, host| {
        world.host.run("ip link delete cni-podman1");
        let names: Vec<_> = (0..scale(8, 24))
            .map(|number| format!("c{number}"))
            .collect();
        let containers = at_a_time(4, names, |name| host.run(&name, "--network one", &[]));
        let mut addresses: Vec<_> = containers.iter().flat_map(|one| &one.pod.ips).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 2 * containers.len(), "an address twice");
        containers.iter().for_each(|one| world.assert_works(one));
        let ids = containers.into_iter().map(Serving::stop_serving).collect();
        at_a_time(4, ids, |id| host.end(&id));
    });
}

/// The machine goes down and comes up, as far as it shows: its containers' processes end, nothing of the network and nothing in memory is there, and
/// it is another boot.
#[track_caller]
fn reboot(world: &World<'_>, host: &Host) {
    let processes = host.0.run("ps --format '{{.Pid}}'");
    assert!(!processes.is_empty(), "no container is running");
    world.host.run(&format!(
        "for process in {}; do kill -9 $(awk '/^PPid/ {{ print $2 }}' /proc/$process/status) $process; done
         findmnt -rno TARGET | grep -E '/(netns-|containers/|vfs-containers/)' | tac | xargs -r umount --lazy
         rm -rf /run/netns/netns-* /run/cni /run/libpod /run/crun /run/containers
         ip link delete cni-podman1; ip link delete cni-podman2",
        processes.replace('\n', " ")
    ));
    world.boot_anew();
}
