//! Packets below IP, and the events of links and namespaces.

use std::time::{Duration, Instant};

use linkspan_kernel::link_events::{LinkEvent, LinkEvents};
use linkspan_kernel::netns::Netns;
use linkspan_kernel::packet::{BROADCAST, PacketSocket, Packets};
use linkspan_testkit::sandbox;
use rustix::event::{PollFd, PollFlags, poll};

use crate::{cable, container, host_socket};

/// Waits until there is something to read, no longer than a second.
fn is_ready(fd: impl std::os::fd::AsFd) -> bool {
    let limit = Duration::from_secs(1).try_into().unwrap();
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)).unwrap() > 0
}

/// An IPv4 header without options (or with four bytes of them), and ports behind it.
fn datagram(protocol: u8, fragment: u16, options: bool, port: u16) -> Vec<u8> {
    let words = if options { 6 } else { 5 };
    let mut packet = vec![0; words * 4];
    packet[0] = 0x40 | words as u8;
    packet[6..8].copy_from_slice(&fragment.to_be_bytes());
    packet[9] = protocol;
    packet.extend([0, 67]);
    packet.extend(port.to_be_bytes());
    packet.extend([0; 4]);
    packet
}

#[test]
fn only_whole_datagrams_to_the_port_are_received() {
    sandbox(|_| {
        let (a, b) = cable(&host_socket());
        let out = PacketSocket::open(a.index, Packets::Udp(1)).unwrap();
        let in_ = PacketSocket::open(b.index, Packets::Udp(68)).unwrap();
        assert_eq!(in_.receive().unwrap(), None);
        let others = [
            datagram(6, 0, false, 68),
            datagram(17, 100, false, 68),
            datagram(17, 0, false, 67),
            datagram(17, 0, true, 67),
            vec![0x45; 12],
        ];
        let wanted = [datagram(17, 0, false, 68), datagram(17, 0x4000, true, 68)];
        for packet in others.iter().chain(&wanted) {
            out.send(BROADCAST, packet).unwrap();
        }
        assert!(is_ready(&in_));
        for packet in wanted {
            let received = in_.receive().unwrap().unwrap();
            assert_eq!((Some(received.from), received.bytes), (a.mac, packet));
        }
        assert_eq!(in_.receive().unwrap(), None);
    });
}

#[test]
fn arp_is_received_apart_from_all_else() {
    sandbox(|_| {
        let (a, b) = cable(&host_socket());
        let out = PacketSocket::open(a.index, Packets::Arp).unwrap();
        let in_ = PacketSocket::open(b.index, Packets::Arp).unwrap();
        let other = PacketSocket::open(b.index, Packets::Udp(68)).unwrap();
        out.send(BROADCAST, b"an ARP packet").unwrap();
        assert!(is_ready(&in_));
        assert_eq!(in_.receive().unwrap().unwrap().bytes, b"an ARP packet");
        assert_eq!(other.receive().unwrap(), None);
    });
}

/// A socket that is open in a namespace keeps it alive; one that hears of its events does not.
#[test]
fn the_end_of_a_namespace_is_heard_of() {
    sandbox(|host| {
        let events = LinkEvents::open().unwrap();
        let (made, netns, rtnl) = container(host, "a");
        let number = host_socket().assign_netns_id(&netns).unwrap();
        let lo = rtnl.link("lo").unwrap().index;
        rtnl.change(linkspan_kernel::rtnl::Change::SetLink(
            lo,
            linkspan_kernel::rtnl::LinkChange::down(),
        ))
        .unwrap();
        assert!(is_ready(&events));
        let heard = events.take().unwrap();
        let expected = LinkEvent::Link {
            netns: Some(number),
            index: lo,
        };
        assert!(heard.contains(&expected), "{heard:?}");
        host.run("ip link set lo down");
        assert!(is_ready(&events));
        let own = LinkEvent::Link {
            netns: None,
            index: lo,
        };
        assert!(events.take().unwrap().contains(&own));
        drop((rtnl, netns));
        made.delete();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if is_ready(&events)
                && events
                    .take()
                    .unwrap()
                    .contains(&LinkEvent::NamespaceGone(number))
            {
                return;
            }
        }
        panic!("nobody told of the end of the namespace");
    });
}

#[test]
fn a_link_that_is_not_there_is_told() {
    sandbox(|host| {
        let (_made, netns, _rtnl) = container(host, "a");
        let error = PacketSocket::open_in(&netns, 99, Packets::Arp).unwrap_err();
        assert!(error.is_not_found(), "{error}");
        let own = Netns::current().unwrap();
        PacketSocket::open_in(&own, 1, Packets::Arp).unwrap();
    });
}
