//! Telling neighbours where an address is now: gratuitous ARP and unsolicited neighbour advertisement.
//!
//! An address that is given to another container has another hardware address; neighbours that
//! remember the old one cannot reach it for many seconds unless they are told.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::{Error, checksum};

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const BROADCAST: [u8; 6] = [0xff; 6];
/// The MAC address of the IPv6 multicast group of all nodes (RFC 2464, 7).
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Announces addresses on the link with this index and hardware address, in the calling thread's
/// namespace. Nobody answers; that nobody listens is no error.
///
/// # Errors
/// When the link is gone or switched off.
pub fn announce(index: u32, mac: [u8; 6], addresses: &[IpAddr]) -> Result<(), Error> {
    let failed = |error| Error::new("announce addresses on", format!("link {index}"), error);
    // Protocol 0: it sends and receives nothing.
    let socket = rustix::net::socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|error| failed(error.into()))?;
    for address in addresses {
        let frame = match address {
            IpAddr::V4(address) => gratuitous_arp(mac, *address),
            IpAddr::V6(address) => neighbour_advertisement(mac, *address),
        };
        send(&socket, index, &frame).map_err(failed)?;
    }
    Ok(())
}

/// An ARP request for one's own address (RFC 5227, 3: an announcement).
fn gratuitous_arp(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    const ETHERNET: [u8; 2] = [0, 1];
    const IPV4: [u8; 2] = [8, 0];
    const REQUEST: [u8; 2] = [0, 1];
    let mut frame = ethernet(BROADCAST, mac, ETHERTYPE_ARP);
    frame.extend_from_slice(&ETHERNET);
    frame.extend_from_slice(&IPV4);
    frame.extend_from_slice(&[6, 4]);
    frame.extend_from_slice(&REQUEST);
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&address.octets());
    frame.extend_from_slice(&[0; 6]);
    frame.extend_from_slice(&address.octets());
    frame
}

/// A neighbour advertisement to all nodes with the override flag (RFC 4861, 7.2.6).
fn neighbour_advertisement(mac: [u8; 6], address: Ipv6Addr) -> Vec<u8> {
    const ICMPV6: u8 = 58;
    const ADVERTISEMENT: u8 = 136;
    const OVERRIDE: u8 = 0x20;
    const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
    let mut body = vec![ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    body.extend_from_slice(&address.octets());
    body.extend_from_slice(&[TARGET_LINK_LAYER_ADDRESS, 1]);
    body.extend_from_slice(&mac);
    let sum = checksum_v6(address, ALL_NODES, ICMPV6, &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());

    let mut frame = ethernet(ALL_NODES_MAC, mac, ETHERTYPE_IPV6);
    frame.extend_from_slice(&[0x60, 0, 0, 0, 0, body.len() as u8, ICMPV6, 255]);
    frame.extend_from_slice(&address.octets());
    frame.extend_from_slice(&ALL_NODES.octets());
    frame.extend_from_slice(&body);
    frame
}

fn ethernet(destination: [u8; 6], source: [u8; 6], ethertype: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(86);
    frame.extend_from_slice(&destination);
    frame.extend_from_slice(&source);
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame
}

/// The Internet checksum with IPv6's pseudo header (RFC 8200, 8.1).
fn checksum_v6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, body: &[u8]) -> u16 {
    let length = (body.len() as u32).to_be_bytes();
    let pseudo = [
        &source.octets()[..],
        &destination.octets()[..],
        &length[..],
        &[0, 0, 0, protocol][..],
        body,
    ]
    .concat();
    checksum::checksum(&pseudo)
}

fn send(socket: &OwnedFd, index: u32, frame: &[u8]) -> io::Result<()> {
    let mut address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: 0,
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    address.sll_addr[..6].copy_from_slice(&frame[..6]);
    // SAFETY: the descriptor is open; the pointers and lengths describe `frame` and `address`, which
    // outlive the call. rustix has no type for packet socket addresses.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            size_of_val(&address) as libc::socklen_t,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_message_with_its_checksum_is_zero() {
        let address: Ipv6Addr = "fd00::5".parse().unwrap();
        let frame = neighbour_advertisement([2, 0, 0, 0, 0, 1], address);
        assert_eq!(frame.len(), 14 + 40 + 32);
        assert_eq!(checksum_v6(address, ALL_NODES, 58, &frame[54..]), 0);
    }

    #[test]
    fn a_gratuitous_arp_asks_for_its_own_address() {
        let frame = gratuitous_arp([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 1, 0, 2));
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[..6], BROADCAST);
        assert_eq!(frame[28..32], frame[38..42]);
    }
}
