//! Root in a container answers the plugin's questions in the kernel's place.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use linkspan_testkit::sandbox;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, SendFlags, SocketFlags, SocketType, sendto, socket_with,
};
use serde_json::json;

use super::host::{Host, dual_stack, network};

/// Refusals (`NLMSG_ERROR`, `EEXIST`) of the first requests of a socket that counts them from 1.
fn refusals() -> Vec<u8> {
    const LENGTH: u32 = 36;
    let mut bytes = Vec::new();
    for sequence in 1..=8u32 {
        bytes.extend(LENGTH.to_ne_bytes());
        bytes.extend([2, 0, 0, 0]);
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend((-17i32).to_ne_bytes());
        bytes.extend([0; 16]);
    }
    bytes
}

/// Sends them to all netlink sockets of the calling thread's namespace until it is told to stop.
fn flood(stop: &AtomicBool) {
    let open = |protocol: Option<Protocol>| {
        let flags = SocketFlags::NONBLOCK;
        socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol).unwrap()
    };
    let forgers = [("0", open(None)), ("12", open(Some(netlink::NETFILTER)))];
    let refusals = refusals();
    while !stop.load(Ordering::Relaxed) {
        // "sk Eth Pid Groups …"
        let sockets = fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        for line in sockets.lines() {
            let mut words = line.split_whitespace().skip(1);
            let (family, port) = (words.next(), words.next());
            let port = port.and_then(|port| port.parse::<u32>().ok());
            for (protocol, forger) in &forgers {
                if let (true, Some(port @ 1..)) = (family == Some(protocol), port) {
                    let to = SocketAddrNetlink::new(port, 0);
                    for _ in 0..200 {
                        if sendto(forger, &refusals, SendFlags::empty(), &to).is_err() {
                            break;
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn an_attachment_does_not_believe_what_a_process_in_the_container_sends() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true, "ipam": dual_stack() }));
        let netns = sandbox.netns("c1");
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| netns.enter(|| flood(&stop)));
            let rounds = || {
                for _ in 0..10 {
                    host.add(&config, &netns).success();
                    host.call("DEL", &config, &netns).run().success();
                }
            };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(rounds));
            stop.store(true, Ordering::Relaxed);
            if let Err(panic) = outcome {
                std::panic::resume_unwind(panic);
            }
        });
    });
}

/// A link that comes from a container may have any.
#[test]
fn a_link_is_not_taken_for_one_that_it_has_as_another_name() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({}));
        let container = sandbox.netns("c1");
        sandbox
            .host()
            .run("ip link add other type bridge; ip link property add dev other altname cni0");
        host.add(&config, &container)
            .fails(999, &["\"cni0\"", "exists"]);
        host.del(&config, &container).success();
        let other = &sandbox.host().ip_json("address show dev other")[0];
        assert_eq!(other["addr_info"], json!([]));
        sandbox.host().run("ip link show dev other");
    });
}
