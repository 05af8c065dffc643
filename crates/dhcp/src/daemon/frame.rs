//! Packets as they travel, from the IP or ARP header on.

use std::net::Ipv4Addr;

use linkspan_kernel::checksum::checksum;

use crate::message::{CLIENT_PORT, SERVER_PORT};

/// Bytes of an IPv4 header without options.
const IP_HEADER: usize = 20;

/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

const UDP: u8 = 17;

/// Bytes of an ARP packet of IPv4 over Ethernet.
const ARP_LENGTH: usize = 28;

/// A message to a server as a UDP datagram over IPv4.
pub(super) fn datagram(from: Ipv4Addr, to: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let length = UDP_HEADER + message.len();
    let mut udp = Vec::with_capacity(length);
    udp.extend(CLIENT_PORT.to_be_bytes());
    udp.extend(SERVER_PORT.to_be_bytes());
    udp.extend((length as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(message);
    let sum = udp_checksum(from, to, &udp);
    udp[6..8].copy_from_slice(&sum.to_be_bytes());

    let mut packet = vec![0x45, 0];
    packet.extend(((IP_HEADER + length) as u16).to_be_bytes());
    // No number, not to be divided, 64 hops.
    packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(udp);
    packet
}

/// What follows the link's header of a frame in a VLAN: its number, and that the packet is IPv4's.
pub(super) fn tagged(vlan: u16, packet: &[u8]) -> Vec<u8> {
    let head = [vlan.to_be_bytes(), 0x0800u16.to_be_bytes()].concat();
    [&head, packet].concat()
}

/// The checksum of a datagram with its addresses; 0 stands for none, so what would be 0 is all ones.
fn udp_checksum(from: Ipv4Addr, to: Ipv4Addr, udp: &[u8]) -> u16 {
    let mut covered = Vec::with_capacity(12 + udp.len());
    covered.extend(from.octets());
    covered.extend(to.octets());
    covered.extend([0, UDP]);
    covered.extend((udp.len() as u16).to_be_bytes());
    covered.extend(udp);
    match checksum(&covered) {
        0 => u16::MAX,
        sum => sum,
    }
}

/// A datagram that came to the client's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    /// Who sent it.
    pub(super) from: Ipv4Addr,
    /// What is in it.
    pub(super) message: &'a [u8],
}

/// Reads a datagram to the client's port; `None` for what is none from a server's. Its checksum is not looked at: between
/// links of one machine packets travel without one.
pub(super) fn parse(packet: &[u8]) -> Option<Datagram<'_>> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let is_ipv4 = packet.first()? >> 4 == 4 && header >= IP_HEADER && packet.get(9) == Some(&UDP);
    let total = usize::from(number(packet, 2)?);
    let packet = packet.get(..total)?;
    let udp = packet.get(header..)?;
    let is_for_us = number(udp, 0)? == SERVER_PORT && number(udp, 2)? == CLIENT_PORT;
    let length = usize::from(number(udp, 4)?);
    let message = udp.get(UDP_HEADER..length)?;
    let from = Ipv4Addr::from(*packet.get(12..16)?.first_chunk::<4>()?);
    (is_ipv4 && is_for_us).then_some(Datagram { from, message })
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What an ARP packet asks or tells.
const ARP_REQUEST: u16 = 1;

fn arp(mac: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    // Ethernet, IPv4, the lengths of their addresses.
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(ARP_REQUEST.to_be_bytes());
    packet.extend(mac);
    packet.extend(sender.octets());
    packet.extend([0; 6]);
    packet.extend(target.octets());
    packet
}

/// Asks who has an address, without saying that anybody has it (RFC 5227, 2.1.1).
pub(super) fn probe(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    arp(mac, Ipv4Addr::UNSPECIFIED, address)
}

/// Tells everybody who has an address from now on (RFC 5227, 2.3).
pub(super) fn announcement(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    arp(mac, address, address)
}

/// Who else has the address, or is about to take it, by an ARP packet that came while it was probed.
pub(super) fn rival(packet: &[u8], own: [u8; 6], address: Ipv4Addr) -> Option<[u8; 6]> {
    let packet = packet.get(..ARP_LENGTH)?;
    let is_ipv4 = packet[..6] == [0, 1, 8, 0, 6, 4];
    let mac: [u8; 6] = *packet[8..].first_chunk()?;
    let (sender, target) = (&packet[14..18], &packet[24..28]);
    let has_it = sender == address.octets();
    let probes_it = sender == [0; 4] && target == address.octets();
    (is_ipv4 && mac != own && (has_it || probes_it)).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const TO: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];

    /// An answer: the same with the ports in turn.
    fn answer(message: &[u8]) -> Vec<u8> {
        let mut packet = datagram(TO, FROM, message);
        packet[20..24].copy_from_slice(&[0, 67, 0, 68]);
        packet
    }

    #[test]
    fn a_datagram_has_its_checksums() {
        for message in [&b"even"[..], b"odd", b""] {
            let packet = datagram(FROM, TO, message);
            assert_eq!(checksum(&packet[..20]), 0);
            let sum = number(&packet, 26).unwrap();
            let mut udp = packet[20..].to_vec();
            udp[6..8].fill(0);
            assert_eq!(udp_checksum(FROM, TO, &udp), sum);
            assert_ne!(sum, 0);
        }
    }

    #[test]
    fn an_answer_is_read_and_what_is_behind_it_is_not() {
        let mut packet = answer(b"hello");
        packet.extend(b"padding of a short frame");
        let found = parse(&packet).unwrap();
        assert_eq!((found.from, found.message), (TO, &b"hello"[..]));
        assert_eq!(parse(&datagram(TO, FROM, b"from a client")), None);
    }

    #[test]
    fn what_is_cut_short_is_not_read_beyond_its_end() {
        let whole = answer(b"hello");
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
        for (at, byte) in [(0, 0x65), (0, 0x44), (9, 6), (21, 66), (25, 255), (25, 7)] {
            let mut packet = whole.clone();
            packet[at] = byte;
            assert_eq!(parse(&packet), None, "{at}");
        }
    }

    #[test]
    fn a_rival_has_the_address_or_probes_it_too() {
        for (packet, found) in [
            (announcement(OTHER, FROM), Some(OTHER)),
            (arp(OTHER, FROM, TO), Some(OTHER)),
            (probe(OTHER, FROM), Some(OTHER)),
            (probe(OTHER, TO), None),
            (arp(OTHER, TO, FROM), None),
            (probe(OWN, FROM), None),
            (probe(OTHER, FROM)[..27].to_vec(), None),
        ] {
            assert_eq!(rival(&packet, OWN, FROM), found, "{packet:?}");
        }
    }
}
