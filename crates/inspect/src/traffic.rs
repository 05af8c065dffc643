//! What attachments carry: counters of their interfaces, as the containers count them, at two times.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use linkspan_kernel::rtnl::{Counters, Rtnl};
use serde::Serialize;

use crate::Host;
use crate::attachment::Attachment;

/// What interfaces had carried at a time.
#[derive(Debug)]
pub struct Sample {
    at: Instant,
    /// By the namespace's inode and the number of the link in it.
    counters: HashMap<(u64, u32), Counters>,
}

/// How much an attachment carries, as its container sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// What it receives.
    pub receive: Rate,
    /// What it sends.
    pub send: Rate,
}

/// How much passes in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Bits.
    pub bits_per_second: u64,
    /// Packets.
    pub packets_per_second: u64,
}

impl Sample {
    /// Counts what the interfaces of a host's attachments have carried. Namespaces that cannot be entered are left out.
    pub fn take(host: &Host) -> Self {
        let wanted: HashSet<u64> = host
            .attachments
            .iter()
            .filter_map(|one| one.namespace)
            .collect();
        let namespaces = host
            .namespaces
            .iter()
            .filter(|namespace| wanted.contains(&namespace.inode));
        let mut counters = HashMap::new();
        for namespace in namespaces {
            let counted = namespace
                .open()
                .and_then(|netns| Rtnl::open_in(&netns).ok()?.counters().ok());
            let counted = counted.into_iter().flatten();
            counters.extend(counted.map(|(link, count)| ((namespace.inode, link), count)));
        }
        Self {
            at: Instant::now(),
            counters,
        }
    }

    /// What an attachment has carried in each second since an earlier sample. `None` where its interface is not in both, or has
    /// counted backwards: then it is another by now.
    pub fn rates(&self, earlier: &Self, host: &Host, one: &Attachment) -> Option<Rates> {
        let link = host.interface(one)?.index;
        let key = (one.namespace?, link);
        let (before, now) = (earlier.counters.get(&key)?, self.counters.get(&key)?);
        let seconds = self.at.duration_since(earlier.at).as_secs_f64();
        let rate = |bytes: Option<u64>, packets: Option<u64>| {
            let per_second = |count: f64| (count / seconds).round() as u64;
            Some(Rate {
                bits_per_second: per_second(bytes? as f64 * 8.0),
                packets_per_second: per_second(packets? as f64),
            })
        };
        let passed = |count: fn(&Counters) -> u64| count(now).checked_sub(count(before));
        Some(Rates {
            receive: rate(
                passed(|one| one.received_bytes),
                passed(|one| one.received_packets),
            )?,
            send: rate(passed(|one| one.sent_bytes), passed(|one| one.sent_packets))?,
        })
    }

    /// The time since an earlier sample, in seconds.
    pub fn seconds_since(&self, earlier: &Self) -> f64 {
        self.at.duration_since(earlier.at).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Seen;
    use crate::life::Life;
    use crate::link::{Link, Links};
    use crate::namespace::Namespace;

    fn sample(at: Instant, received_bytes: u64) -> Sample {
        let counters = Counters {
            received_bytes,
            received_packets: received_bytes / 1000,
            ..Counters::default()
        };
        Sample {
            at,
            counters: [((7, 2), counters)].into(),
        }
    }

    #[test]
    fn a_rate_is_what_passed_by_the_time_that_it_took() {
        let link = Link {
            index: 2,
            name: "eth0".into(),
            ..Link::default()
        };
        let namespace = Namespace {
            inode: 7,
            links: Some(Links {
                links: vec![link],
                ..Links::default()
            }),
            ..Namespace::default()
        };
        let host = Host {
            namespaces: vec![namespace],
            ..Host::default()
        };
        let mut one = Attachment::unknown(Life::Alive);
        one.namespace = Some(7);
        let begun = Instant::now();
        let later = begun + Duration::from_millis(500);
        let rates =
            |one: &Attachment, from, to| sample(later, to).rates(&sample(begun, from), &host, one);
        assert_eq!(rates(&one, 0, 0), None, "no interface was seen");
        one.seen.push(Seen::Interface {
            name: "eth0".into(),
            namespace: 7,
        });
        let expected = Rate {
            bits_per_second: 80_000,
            packets_per_second: 10,
        };
        assert_eq!(rates(&one, 1000, 6000).unwrap().receive, expected);
        assert_eq!(rates(&one, 1000, 6000).unwrap().send, Rate::default());
        assert_eq!(rates(&one, 6000, 1000), None, "it is another");
    }
}
