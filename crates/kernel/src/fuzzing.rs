//! What reads the kernel's answers, for a fuzzer: any bytes are given to everything that may meet them.

use linkspan_netlink::Messages;

use crate::conntrack;
use crate::exchange;
use crate::link_events;
use crate::rtnl;
use crate::xtables::{self, Protocol};

/// Reads `bytes` as a datagram of netlink, each message as every kind of answer.
pub fn netlink(bytes: &[u8]) {
    for message in Messages::new(bytes) {
        let _ = exchange::error_of(&message);
        let _ = link_events::decode(&message, None);
        rtnl::fuzzing(&message);
        let _ = conntrack::fuzzing(&message);
    }
}

/// Reads `bytes` as a table of the older iptables, whose chain FORWARD is where the first bytes say.
pub fn xtables(bytes: &[u8]) {
    let Some((ends, bytes)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let [a, b, c, d] = *ends;
    let forward = [
        usize::from(u16::from_ne_bytes([a, b])),
        usize::from(u16::from_ne_bytes([c, d])),
    ];
    for protocol in [Protocol::Ipv4, Protocol::Ipv6] {
        let _ = xtables::parse(protocol, Some(forward), bytes);
    }
}
