//! Matches of iptables, which nf_tables calls for its tables (`nft_compat`).
//!
//! In a table of iptables a condition is to be one of these wherever nf_tables has one of its own for it too: an
//! iptables that is older than the latter lists, saves and restores the rule without the condition.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// One match: what `iptables -m` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its name.
    pub name: &'static str,
    /// Which of its formats.
    pub revision: u32,
    /// What it compares, in that format.
    pub info: Vec<u8>,
}

/// `-m conntrack`: what is known of a packet's connection. What is not said here may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Any of these, the sum of [`ESTABLISHED`](Self::ESTABLISHED) and the others.
    pub states: u16,
    /// The number of its protocol.
    pub protocol: Option<u8>,
    /// Where its first packet was sent to, before any translation.
    pub original_destination: Option<IpAddr>,
    /// To which of these ports.
    pub original_port: Option<RangeInclusive<u16>>,
    /// Who answers.
    pub answerer: Option<IpAddr>,
    /// From which of these ports.
    pub answering_port: Option<RangeInclusive<u16>>,
}

// `XT_CONNTRACK_…` of linux/netfilter/xt_conntrack.h
const STATE: u16 = 1 << 0;
const PROTOCOL: u16 = 1 << 1;
const ORIGINAL_DESTINATION: u16 = 1 << 3;
const REPLY_SOURCE: u16 = 1 << 4;
const ORIGINAL_DESTINATION_PORT: u16 = 1 << 9;
const REPLY_SOURCE_PORT: u16 = 1 << 10;

impl Connection {
    /// It has seen packets in both directions.
    pub const ESTABLISHED: u16 = 1 << 1;
    /// It belongs to one that has, as an error does.
    pub const RELATED: u16 = 1 << 2;
    /// Its destination was translated.
    pub const DNAT: u16 = 1 << 7;

    /// As `struct xt_conntrack_mtinfo3` has it, in whole words of 8 bytes.
    pub fn to_match(&self) -> Match {
        let mut info = Vec::with_capacity(168);
        let [destination, destination_mask] = address_and_mask(self.original_destination);
        let [source, source_mask] = address_and_mask(self.answerer);
        info.extend_from_slice(&[0; 32]);
        info.extend([destination, destination_mask, source, source_mask].concat());
        // The other side of the answers; how long it is remembered.
        info.extend_from_slice(&[0; 32 + 8]);
        let [port, last_port] = ends(self.original_port.as_ref());
        let [answering, last_answering] = ends(self.answering_port.as_ref());
        let protocol = u16::from(self.protocol.unwrap_or_default());
        let compared = [protocol, 0, port, answering, 0, self.compared(), 0];
        let masks_and_ends = [self.states, 0, 0, last_port, last_answering, 0];
        for number in compared.into_iter().chain(masks_and_ends) {
            info.extend_from_slice(&number.to_ne_bytes());
        }
        info.resize(info.len().next_multiple_of(8), 0);
        Match {
            name: "conntrack",
            revision: 3,
            info,
        }
    }

    fn compared(&self) -> u16 {
        [
            (self.states != 0, STATE),
            (self.protocol.is_some(), PROTOCOL),
            (self.original_destination.is_some(), ORIGINAL_DESTINATION),
            (self.answerer.is_some(), REPLY_SOURCE),
            (self.original_port.is_some(), ORIGINAL_DESTINATION_PORT),
            (self.answering_port.is_some(), REPLY_SOURCE_PORT),
        ]
        .into_iter()
        .filter(|(is_compared, _)| *is_compared)
        .fold(0, |flags, (_, flag)| flags | flag)
    }
}

/// Each in the 16 bytes that either version of IP has there.
fn address_and_mask(address: Option<IpAddr>) -> [[u8; 16]; 2] {
    match address {
        None => [[0; 16]; 2],
        Some(IpAddr::V6(address)) => [address.octets(), [0xff; 16]],
        Some(IpAddr::V4(address)) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            [bytes, [0xff; 16]]
        }
    }
}

fn ends(ports: Option<&RangeInclusive<u16>>) -> [u16; 2] {
    ports.map_or([0; 2], |ports| [*ports.start(), *ports.end()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-m conntrack --ctstate DNAT --ctproto tcp --ctorigdst 192.0.2.1 --ctorigdstport 8080:8089 --ctreplsrc
    /// 10.22.0.2 --ctreplsrcport 80:89`, as iptables 1.8.9 sent it to the kernel: what is not zero in it.
    #[test]
    fn a_connection_is_described_as_iptables_does() {
        let connection = Connection {
            states: Connection::DNAT,
            protocol: Some(6),
            original_destination: Some([192, 0, 2, 1].into()),
            original_port: Some(8080..=8089),
            answerer: Some([10, 22, 0, 2].into()),
            answering_port: Some(80..=89),
        };
        let Match { info, .. } = connection.to_match();
        assert_eq!(info.len(), 168);
        let words = info.chunks(8).enumerate();
        let set: Vec<String> = words
            .filter(|(_, word)| *word != [0; 8])
            .map(|(at, word)| format!("{at} {:016x}", u64::from_be_bytes(word.try_into().unwrap())))
            .collect();
        assert_eq!(
            set,
            [
                "4 c000020100000000",
                "6 ffffffffffffffff",
                "7 ffffffffffffffff",
                "8 0a16000200000000",
                "10 ffffffffffffffff",
                "11 ffffffffffffffff",
                "17 06000000901f5000",
                "18 00001b0600008000",
                "19 00000000991f5900",
            ]
        );
    }
}
