//! In which order a container is taken away.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use linkspan_testkit::{Netns, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::world::{HOST_V4, World, publish};

/// A container at the end of a wire of its own: without it, the way to its address is the default route.
fn chain() -> [Value; 2] {
    let mut portmap = publish(&["8053:53/udp"]);
    let common = json!({ "cniVersion": "1.0.0", "name": "net" });
    super::world::merge(&mut portmap, &common);
    portmap["type"] = "portmap".into();
    let ipam = json!({ "type": "host-local", "subnet": "10.22.0.0/16" });
    let ptp = json!({ "cniVersion": "1.0.0", "name": "net", "type": "ptp", "ipam": ipam });
    [ptp, portmap]
}

/// Sends to the published port, always from the same one, while `act` does its work.
fn under_fire(outside: &Netns, act: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    let socket = outside.enter(|| UdpSocket::bind("0.0.0.0:4000")).unwrap();
    socket.connect(format!("{HOST_V4}:8053")).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // A refusal says that nobody is there any more.
                let _ = socket.send(b"?");
                thread::sleep(Duration::from_micros(200));
            }
        });
        thread::sleep(Duration::from_millis(100));
        act();
        thread::sleep(Duration::from_millis(100));
        is_over.store(true, Ordering::Relaxed);
    });
}

/// netavark#1482, promise 14: what is sent to a published port never leaves by the default route, since a chain is
/// taken down from its end: the port is gone, and forgotten, before the way to the container is.
#[test]
fn a_port_goes_before_the_way_to_the_container() {
    sandbox(|host| {
        let world = World::new(host);
        let [ptp, portmap] = chain();
        host.run(
            "nft add table inet spy
             nft add chain inet spy out '{ type filter hook postrouting priority 0; }'
             nft add rule inet spy out oifname uplink ip daddr 10.22.0.0/16 counter",
        );
        let leaked = || {
            !host
                .run("nft list chain inet spy out")
                .contains("packets 0 ")
        };
        for (id, order) in [("right", [1, 0]), ("wrong", [0, 1])] {
            let netns = host.netns(id);
            let result = world.ours.add(&ptp, id, &netns, "eth0").success();
            let configs = [&ptp, &portmap].map(|config| with_prev_result(config, &result));
            world.ours.add(&configs[1], id, &netns, "eth0").success();
            under_fire(&world.outside, || {
                for step in order {
                    world.ours.del(&configs[step], id, &netns, "eth0").success();
                }
            });
            assert_eq!(leaked(), id == "wrong", "{id}: {}", world.ruleset());
        }
    });
}
