//! What becomes of a packet that is forwarded, as far as rules tell.
//!
//! Only what is certain counts: a rule that may meet the packet and lets it pass makes its fate unknown, and one that may meet it
//! and drops it is passed over.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_netfilter::Filter;
use linkspan_nft::{Action, Outline};

/// The first packet of a connection over TCP, from a container to somewhere beyond the host.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// The host's link that it comes in by.
    pub(super) input: String,
    /// The link that it leaves by.
    pub(super) output: String,
    /// The container's address.
    pub(super) source: IpAddr,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Passes,
    /// A rule throws it away.
    DroppedByRule,
    /// No rule decides, and so the policy throws it away.
    DroppedByPolicy,
    Unknown,
}

/// What becomes of it in a chain that others lead to.
enum Course {
    Ends(Fate),
    GoesOn,
}

/// How deep chains lead to each other, at most: the kernel allows as many.
const DEPTH: usize = 16;

/// `IPPROTO_TCP`
const TCP: u8 = 6;

/// What a filter makes of a packet.
pub(super) fn fate(filter: &Filter, packet: &Packet) -> Fate {
    if filter
        .is_ipv6
        .is_some_and(|is_ipv6| is_ipv6 != packet.source.is_ipv6())
    {
        return Fate::Passes;
    }
    match course(filter, &filter.chain, packet, DEPTH) {
        Course::Ends(fate) => fate,
        Course::GoesOn if filter.drops_by_default => Fate::DroppedByPolicy,
        Course::GoesOn => Fate::Passes,
    }
}

fn course(filter: &Filter, chain: &str, packet: &Packet, depth: usize) -> Course {
    let rules = filter.rules.as_ref().and_then(|rules| rules.get(chain));
    let (Some(rules), Some(depth)) = (rules, depth.checked_sub(1)) else {
        // An empty chain of the older iptables is none of these.
        return match filter.rules {
            Some(_) if depth > 0 => Course::GoesOn,
            _ => Course::Ends(Fate::Unknown),
        };
    };
    for rule in rules {
        let meeting = meets(rule, packet);
        if meeting == Meeting::Never {
            continue;
        }
        let is_certain = meeting == Meeting::Surely;
        let next = match &rule.action {
            Action::Nothing => Course::GoesOn,
            Action::Accept => Course::Ends(Fate::Passes),
            Action::Drop => Course::Ends(Fate::DroppedByRule),
            Action::Jump(to) => course(filter, to, packet, depth),
            Action::Goto(to) => match (course(filter, to, packet, depth), is_certain) {
                (Course::GoesOn, true) => return Course::GoesOn,
                (course, _) => course,
            },
            Action::Return if is_certain => return Course::GoesOn,
            Action::Return | Action::Unknown => Course::Ends(Fate::Unknown),
        };
        match (next, is_certain) {
            (Course::GoesOn, _) => {}
            (Course::Ends(fate), true) => return Course::Ends(fate),
            (Course::Ends(Fate::DroppedByRule | Fate::DroppedByPolicy), false) => {}
            (Course::Ends(_), false) => return Course::Ends(Fate::Unknown),
        }
    }
    Course::GoesOn
}

/// Whether a rule is about the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meeting {
    Never,
    Maybe,
    Surely,
}

fn meets(rule: &Outline, packet: &Packet) -> Meeting {
    let is_other_family = rule
        .is_ipv6
        .is_some_and(|is_ipv6| is_ipv6 != packet.source.is_ipv6());
    let is_other_link = |pattern: &Option<String>, name: &str| {
        let pattern = pattern.as_deref();
        pattern.is_some_and(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => !name.starts_with(beginning),
            None => pattern != name,
        })
    };
    let net = |net: (IpAddr, u8)| IpNet::new(net.0, net.1).ok();
    let source = rule.source.and_then(net);
    let never = is_other_family
        || rule.spares_new
        || rule.protocol.is_some_and(|protocol| protocol != TCP)
        || is_other_link(&rule.input, &packet.input)
        || is_other_link(&rule.output, &packet.output)
        || source.is_some_and(|source| !source.contains(&packet.source));
    // Where exactly it is sent to is open.
    let destination = rule.destination.filter(|(_, length)| *length > 0);
    match (never, rule.is_partial || destination.is_some()) {
        (true, _) => Meeting::Never,
        (false, true) => Meeting::Maybe,
        (false, false) => Meeting::Surely,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use linkspan_netfilter::Keeper;
    use linkspan_testkit::rows;

    use super::*;

    /// A rule of words: conditions, then what it does; `maybe` is a condition that is not understood.
    fn rule(words: &str) -> Outline {
        let mut rule = Outline::default();
        for word in words.split_whitespace() {
            match word.split_once(':').unwrap_or((word, "")) {
                ("from", net) => {
                    let net: IpNet = net.parse().unwrap();
                    rule.source = Some((net.addr(), net.prefix_len()));
                }
                ("in", link) => rule.input = Some(link.to_owned()),
                ("out", link) => rule.output = Some(link.to_owned()),
                ("protocol", number) => rule.protocol = Some(number.parse().unwrap()),
                ("answers", _) => rule.spares_new = true,
                ("maybe", _) => rule.is_partial = true,
                ("accept", _) => rule.action = Action::Accept,
                ("drop", _) => rule.action = Action::Drop,
                ("return", _) => rule.action = Action::Return,
                ("jump", _) => rule.action = Action::Jump("other".to_owned()),
                ("goto", _) => rule.action = Action::Goto("other".to_owned()),
                ("map", _) => rule.action = Action::Unknown,
                _ => assert_eq!(word, "log"),
            }
        }
        rule
    }

    fn rules(text: &str) -> Vec<Outline> {
        let rules = text.split(';').filter(|rule| !rule.is_empty());
        rules.map(rule).collect()
    }

    /// Of a container on cni0, by eth0, where the chain leads to another by `jump` and `goto`.
    fn fate_by(drops_by_default: bool, chain: &str, other: &str) -> Fate {
        let chains = [("FORWARD", chain), ("other", other)];
        let chains = chains.map(|(name, text)| (name.to_owned(), rules(text)));
        let filter = Filter {
            keeper: Keeper::Iptables,
            table: "filter".to_owned(),
            chain: "FORWARD".to_owned(),
            is_ipv6: Some(false),
            drops_by_default,
            rules: Some(BTreeMap::from(chains)),
        };
        let packet = Packet {
            input: "cni0".to_owned(),
            output: "eth0".to_owned(),
            source: "10.22.0.2".parse().unwrap(),
        };
        fate(&filter, &packet)
    }

    #[test]
    fn where_the_policy_is_to_drop() {
        for (chain, other, expected) in rows![
            { ("", "", Fate::DroppedByPolicy) },
            { ("from:10.22.0.0/16 accept", "", Fate::Passes) },
            { ("from:10.9.0.0/16 accept", "", Fate::DroppedByPolicy) },
            { ("in:docker0 accept", "", Fate::DroppedByPolicy) },
            { ("out:docker0 jump", "accept", Fate::DroppedByPolicy) },
            { ("in:cni* accept", "", Fate::Passes) },
            { ("answers accept", "", Fate::DroppedByPolicy) },
            { ("protocol:1 accept", "", Fate::DroppedByPolicy) },
            { ("protocol:6 accept", "", Fate::Passes) },
            { ("maybe accept", "", Fate::Unknown) },
            { ("maybe map", "", Fate::Unknown) },
            { ("jump", "from:10.22.0.2/32 accept", Fate::Passes) },
            { ("jump;accept", "return;drop", Fate::Passes) },
            { ("jump;accept", "maybe return;drop", Fate::Unknown) },
            { ("goto;accept", "", Fate::DroppedByPolicy) },
            { ("maybe goto;accept", "", Fate::Passes) },
            { ("maybe jump", "accept", Fate::Unknown) },
            { ("jump", "jump", Fate::Unknown) },
        ] {
            assert_eq!(fate_by(true, chain, other), expected, "{chain} | {other}");
        }
    }

    #[test]
    fn where_the_policy_is_to_accept() {
        for (chain, other, expected) in rows![
            { ("", "", Fate::Passes) },
            { ("drop", "", Fate::DroppedByRule) },
            { ("log;in:cni0 drop", "", Fate::DroppedByRule) },
            { ("maybe drop", "", Fate::Passes) },
            { ("answers drop", "", Fate::Passes) },
            { ("maybe jump", "drop", Fate::Passes) },
            { ("jump", "drop", Fate::DroppedByRule) },
        ] {
            assert_eq!(fate_by(false, chain, other), expected, "{chain} | {other}");
        }
    }
}
