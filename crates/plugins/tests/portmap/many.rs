//! Thousands of attachments, and many at once.

use std::fs;
use std::thread;
use std::time::Duration;

use linkspan_testkit::{Call, Netns, Plugins, Sandbox, needs, rows};
use serde_json::{Value, json};

use super::world::publish;

/// How long thousands of calls may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(600);

/// Container number so and so: its ID, address and port; attached to nothing, which `portmap` does not notice.
struct Many {
    ours: Plugins,
    netns: Netns,
}

impl Many {
    fn new(host: &Sandbox) -> Self {
        host.run(
            "ip link add cni0 type bridge; ip addr add 10.22.0.1/16 dev cni0; ip link set cni0 up",
        );
        Self {
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            netns: host.netns("container"),
        }
    }

    fn config(&self, number: usize) -> Value {
        let mut config = publish(&[&format!("{}:80/tcp", 10_000 + number)]);
        let address = format!("10.22.{}.{}/16", 1 + number / 250, 1 + number % 250);
        for (key, value) in rows! {
            ("cniVersion", json!("1.1.0")),
            ("name", json!("net")),
            ("type", json!("portmap")),
            ("prevResult", json!({ "cniVersion": "1.1.0", "ips": [{ "address": address }] })),
        } {
            config[key] = value;
        }
        config
    }

    fn call(&self, verb: &str, number: usize) -> Call {
        let call = self.ours.call(verb, &self.config(number));
        call.container(&format!("c{number}"))
            .netns(self.netns.path())
            .ifname("eth0")
    }

    /// How many messages the call sends to netlink, and system calls it makes at all but for memory, since how much the
    /// allocator asks for depends on the order of keys that are hashed.
    fn cost(&self, verb: &str, number: usize) -> (usize, usize) {
        let strace = ["strace", "-f", "-qq", "-o", "/run/trace"];
        self.call(verb, number).cmd().under(&strace).run();
        let trace = fs::read_to_string("/run/trace").unwrap();
        let messages = trace
            .lines()
            .filter(|line| {
                line.contains("sendto(") || line.contains("sendmsg(") || line.contains("NETLINK")
            })
            .count();
        let of_memory = |line: &&str| {
            ["mmap(", "munmap(", "mremap(", "brk("]
                .iter()
                .any(|call| line.contains(call))
        };
        (
            messages,
            trace.lines().filter(|line| !of_memory(line)).count(),
        )
    }
}

/// How many rules and how many elements there are.
pub(crate) fn count(host: &Sandbox) -> (usize, usize) {
    let ruleset = host.host().json("nft -j list ruleset");
    let objects = ruleset["nftables"].as_array().unwrap();
    let rules = objects
        .iter()
        .filter(|object| object.get("rule").is_some())
        .count();
    let elements = |object: &Value| {
        let of = |kind: &str| object[kind]["elem"].as_array().map_or(0, Vec::len);
        of("set") + of("map")
    };
    (rules, objects.iter().map(elements).sum())
}

/// plugins#510, moby#53466, antrea#1499, promise 7: the number of rules is the same for one and for two thousand, and
/// so is what an ADD and a DEL ask of the kernel.
#[test]
fn the_two_thousandth_costs_what_the_second_costs() {
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let many = Many::new(host);
        many.call("ADD", 0).run().success();
        let (rules, elements) = count(host);
        let second = many.cost("ADD", 1);
        many.cost("DEL", 1);
        many.call("ADD", 1).run().success();
        let second_del = many.cost("DEL", 1);
        for number in 1..1999 {
            many.call("ADD", number).run().success();
        }
        assert_eq!(many.cost("ADD", 1999), second);
        assert_eq!(count(host), (rules, 2000 * elements));
        assert_eq!(many.cost("DEL", 1999), second_del);
        assert_eq!(count(host), (rules, 1999 * elements));
        for number in 0..1999 {
            many.call("DEL", number).run().success();
        }
        assert_eq!(count(host), (rules, 0));
        many.ours.gc(&many.config(0), &[]).success();
        assert_eq!(count(host), (0, 0));
    });
}

/// hashicorp/nomad#6567, netavark#274, promise 21: fifty at once, on a host where nothing is there yet.
#[test]
fn fifty_at_once_do_not_disturb_each_other() {
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let many = Many::new(host);
        for round in 0..3 {
            let all = |verb: &str| {
                thread::scope(|scope| {
                    let calls: Vec<_> = (0..50)
                        .map(|number| {
                            let call = many.call(verb, number);
                            scope.spawn(move || call.run().success())
                        })
                        .collect();
                    calls.into_iter().for_each(|call| {
                        call.join().unwrap();
                    });
                });
            };
            all("ADD");
            all("CHECK");
            let (rules, elements) = count(host);
            assert_eq!((rules, elements), (RULES, 50 * 3), "round {round}");
            all("DEL");
            assert_eq!(count(host).1, 0);
            many.ours.gc(&many.config(0), &[]).success();
            assert_eq!(
                host.run(
                    "nft list ruleset; find /run/cni -path '*/events' -prune -o ! -type d -print"
                ),
                ""
            );
        }
    });
}

/// Of fifty that want the same port at the same time, one gets it; the others leave nothing.
#[test]
fn of_fifty_for_one_port_one_gets_it() {
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let many = Many::new(host);
        let call = |verb: &str, number: usize| {
            let mut config = many.config(number);
            // Half of them want it at one address only, and conflict all the same.
            let address = if number.is_multiple_of(2) {
                ""
            } else {
                "10.22.0.1:"
            };
            config["runtimeConfig"] =
                publish(&[&format!("{address}8080:80/tcp")])["runtimeConfig"].clone();
            let call = many.ours.call(verb, &config);
            call.container(&format!("c{number}"))
                .netns(many.netns.path())
                .ifname("eth0")
        };
        let succeeded = thread::scope(|scope| {
            let calls: Vec<_> = (0..50)
                .map(|number| {
                    let call = call("ADD", number);
                    scope.spawn(move || call.run().output.ok())
                })
                .collect();
            let outcomes: Vec<bool> = calls.into_iter().map(|call| call.join().unwrap()).collect();
            outcomes
        });
        assert_eq!(succeeded.iter().filter(|one| **one).count(), 1);
        assert_eq!(count(host).1, 3);
        let winner = succeeded.iter().position(|one| *one).unwrap();
        call("CHECK", winner).run().success();
        call("DEL", winner).run().success();
        assert_eq!(count(host).1, 0);
        assert_eq!(
            host.run("find /run/cni -type f -name '*.json'; find /run/cni -type l"),
            ""
        );
    });
}

/// The rules for ports of IPv4 whose connections are masqueraded from the container's subnet and the loopback.
const RULES: usize = 21;
