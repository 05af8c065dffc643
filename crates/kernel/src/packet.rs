//! Packets of one link, below IP: for a client that has no address yet, and for what must bear an address that is no
//! longer the link's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::Error;
use crate::netns::Netns;

/// The hardware address that all on the link receive.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// Bytes of the largest packet that is read.
const ROOM: usize = 2048;

/// What is received: one kind of packet alone, since each that passes wakes whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packets {
    /// Whole UDP datagrams over IPv4 to this port.
    Udp(u16),
    /// ARP.
    Arp,
    /// What is in a VLAN, from its number on. None is received where a link of the VLAN takes it.
    Vlan,
}

/// A socket that sends and receives packets of one link, which begin after the link's own header.
///
/// As long as it is open the link's namespace lives. Closing it waits for a grace period of the kernel (about 15 ms).
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    link: u32,
    protocol: u16,
}

/// A packet, and the hardware address that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The sender on the link.
    pub from: [u8; 6],
    /// From its IP or ARP header on.
    pub bytes: Vec<u8>,
}

impl PacketSocket {
    /// Opens one for the link with this index in a namespace; it works from outside.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_RAW there; [`is_not_found`](Error::is_not_found) when there is no such link.
    pub fn open_in(netns: &Netns, link: u32, packets: Packets) -> Result<Self, Error> {
        netns.run(|| Self::open(link, packets))?
    }

    /// The same in the caller's namespace.
    ///
    /// # Errors
    /// As [`open_in`](Self::open_in).
    pub fn open(link: u32, packets: Packets) -> Result<Self, Error> {
        let fd =
            open(link, packets).map_err(|error| failed(link, "open a packet socket on", error))?;
        Ok(Self {
            fd,
            link,
            protocol: packets.protocol(),
        })
    }

    /// Sends a packet to this hardware address.
    ///
    /// # Errors
    /// `ENETDOWN` when the link is off, `ENXIO` when it is gone.
    pub fn send(&self, to: [u8; 6], bytes: &[u8]) -> Result<(), Error> {
        let address = address(self.link, self.protocol, Some(to));
        send(self.fd.as_fd(), bytes, &address)
            .map_err(|error| failed(self.link, "send a packet on", error))
    }

    /// The next packet that is there; `None` when there is none.
    ///
    /// # Errors
    /// `ENETDOWN` when the link went off, once.
    pub fn receive(&self) -> Result<Option<Packet>, Error> {
        let mut bytes = vec![0; ROOM];
        match receive(self.fd.as_fd(), &mut bytes) {
            Ok((length, from)) => {
                bytes.truncate(length);
                Ok(Some(Packet { from, bytes }))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(failed(self.link, "receive a packet on", error)),
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn failed(link: u32, operation: &str, error: io::Error) -> Error {
    Error::new(operation, format!("link {link}"), error)
}

fn open(link: u32, packets: Packets) -> io::Result<OwnedFd> {
    // Without a protocol nothing is received, so nothing comes past the filter before that is there.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)?;
    if let Packets::Udp(port) = packets {
        filter(fd.as_fd(), &datagrams_to(port))?;
    }
    bind(fd.as_fd(), &address(link, packets.protocol(), None))?;
    Ok(fd)
}

impl Packets {
    fn protocol(self) -> u16 {
        let protocol = match self {
            Self::Udp(_) => libc::ETH_P_IP,
            Self::Arp => libc::ETH_P_ARP,
            Self::Vlan => libc::ETH_P_8021Q,
        };
        protocol as u16
    }
}

fn address(link: u32, protocol: u16, to: Option<[u8; 6]>) -> libc::sockaddr_ll {
    let mut bytes = [0; 8];
    if let Some(to) = to {
        bytes[..6].copy_from_slice(&to);
    }
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: link as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: bytes,
    }
}

/// A program of the classic packet filter: UDP to this port, no fragment behind the first.
fn datagrams_to(port: u16) -> [libc::sock_filter; 9] {
    const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
    const LOAD_HALF_AFTER: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
    const HEADER_LENGTH: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let one = |code: u32, yes: u8, no: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt: yes,
        jf: no,
        k,
    };
    [
        one(LOAD_BYTE, 0, 0, 9),
        one(EQUAL, 0, 6, libc::IPPROTO_UDP as u32),
        one(LOAD_HALF, 0, 0, 6),
        one(ANY_BIT, 4, 0, 0x1fff),
        one(HEADER_LENGTH, 0, 0, 0),
        one(LOAD_HALF_AFTER, 0, 0, 2),
        one(EQUAL, 0, 1, port.into()),
        one(RETURN, 0, 0, ROOM as u32),
        one(RETURN, 0, 0, 0),
    ]
}

fn filter(fd: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the descriptor is open; the program and its length describe a slice that outlives the call and is only
    // read. rustix has no wrapper for it.
    let outcome = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    };
    checked(outcome as isize).map(drop)
}

fn bind(fd: BorrowedFd<'_>, address: &libc::sockaddr_ll) -> io::Result<()> {
    // SAFETY: the descriptor is open; the pointer is that of an address of this size, which is only read. rustix has no
    // addresses of this family.
    let outcome = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            (&raw const *address).cast(),
            size_of_val(address) as libc::socklen_t,
        )
    };
    checked(outcome as isize).map(drop)
}

fn send(fd: BorrowedFd<'_>, bytes: &[u8], address: &libc::sockaddr_ll) -> io::Result<()> {
    // SAFETY: the descriptor is open; both pointers come with their sizes and are only read.
    let sent = unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL,
            (&raw const *address).cast(),
            size_of_val(address) as libc::socklen_t,
        )
    };
    checked(sent).map(drop)
}

fn receive(fd: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<(usize, [u8; 6])> {
    let mut from = address(0, 0, None);
    let mut size = size_of_val(&from) as libc::socklen_t;
    // SAFETY: the descriptor is open; the kernel writes no more than the sizes that stand beside the pointers, to memory
    // that outlives the call.
    let received = unsafe {
        libc::recvfrom(
            fd.as_raw_fd(),
            room.as_mut_ptr().cast(),
            room.len(),
            libc::MSG_DONTWAIT,
            (&raw mut from).cast(),
            &raw mut size,
        )
    };
    let length = checked(received)?;
    let mut sender = [0; 6];
    sender.copy_from_slice(&from.sll_addr[..6]);
    Ok((length, sender))
}

fn checked(outcome: isize) -> io::Result<usize> {
    usize::try_from(outcome).map_err(|_negative| io::Error::last_os_error())
}
