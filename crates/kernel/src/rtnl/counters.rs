//! What links have carried.

use linkspan_netlink::{Attributes, Message, Request};

use super::{DUMP, REQUEST, Rtnl};
use crate::Error;
use crate::exchange::Whole;

// linux/if_link.h and linux/rtnetlink.h
const RTM_NEWSTATS: u16 = 92;
const RTM_GETSTATS: u16 = 94;
const IFLA_STATS_LINK_64: u16 = 1;
/// `IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)`
const LINK_64: u32 = 1;
/// Bytes of `struct if_stats_msg`.
const HEADER: usize = 12;

/// What a link has carried since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that it has received.
    pub received_packets: u64,
    /// Packets that it has sent.
    pub sent_packets: u64,
    /// Bytes that it has received.
    pub received_bytes: u64,
    /// Bytes that it has sent.
    pub sent_bytes: u64,
}

impl Rtnl {
    /// What each link of the namespace has carried, by its number; those of links that come or go meanwhile may be missing.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn counters(&self) -> Result<Vec<(u32, Counters)>, Error> {
        let mut request = Request::new(RTM_GETSTATS, REQUEST | DUMP);
        let mut header = [0; HEADER];
        header[8..].copy_from_slice(&LINK_64.to_ne_bytes());
        request.header(&header);
        self.list(
            "list",
            &"the counters of links",
            &request,
            Whole::NotRequired,
            decode,
        )
    }
}

pub(crate) fn decode(message: &Message<'_>) -> Option<(u32, Counters)> {
    if message.kind != RTM_NEWSTATS {
        return None;
    }
    let &[_, _, _, _, a, b, c, d, ..] = message.header::<HEADER>()?;
    let counters = Attributes::new(message.attributes(HEADER)).get(IFLA_STATS_LINK_64)?;
    // The first four fields of struct rtnl_link_stats64.
    let (numbers, _) = counters.payload.as_chunks::<8>();
    let [received_packets, sent_packets, received_bytes, sent_bytes] = *numbers.first_chunk()?;
    Some((
        u32::from_ne_bytes([a, b, c, d]),
        Counters {
            received_packets: u64::from_ne_bytes(received_packets),
            sent_packets: u64::from_ne_bytes(sent_packets),
            received_bytes: u64::from_ne_bytes(received_bytes),
            sent_bytes: u64::from_ne_bytes(sent_bytes),
        },
    ))
}

#[cfg(test)]
mod tests {
    use linkspan_testkit::sandbox;

    use super::*;

    #[test]
    fn what_a_link_has_carried_is_counted() {
        sandbox(|host| {
            let far = host.netns("far");
            host.host().connect("near", &far, "eth0");
            host.host().address("near", "192.0.2.1/24");
            far.address("eth0", "192.0.2.2/24");
            let rtnl = Rtnl::open().unwrap();
            let near = rtnl.link("near").unwrap().index;
            let counted = || {
                let all = rtnl.counters().unwrap();
                all.into_iter().find(|(index, _)| *index == near).unwrap().1
            };
            let before = counted();
            host.run("ping -qnc 3 -i 0.01 -s 1000 192.0.2.2");
            let after = counted();
            let told = host.host().ip_json("-statistics link show dev near");
            assert!(
                after.sent_packets >= before.sent_packets + 3,
                "{before:?} {after:?}"
            );
            assert!(
                (3000..9000).contains(&(after.received_bytes - before.received_bytes)),
                "{before:?} {after:?}"
            );
            let sent = told[0]["stats64"]["tx"]["packets"].as_u64().unwrap();
            assert!(
                sent >= after.sent_packets && sent < after.sent_packets + 20,
                "{told}"
            );
        });
    }
}
