//! The kernel's own account of what it has, asked by netlink: a program that shows it takes longer than the run it is to judge.

use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketType, netlink, recv, send, socket, sockopt,
};

const HEADER: usize = 16;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// A socket in the namespace of whoever opened it.
pub(crate) struct Socket(OwnedFd);

impl Socket {
    #[track_caller]
    pub(crate) fn route() -> Self {
        // NETLINK_ROUTE is 0, which is what no protocol means.
        Self::open(None)
    }

    #[track_caller]
    pub(crate) fn netfilter() -> Self {
        Self::open(Some(netlink::NETFILTER))
    }

    #[track_caller]
    fn open(protocol: Option<rustix::net::Protocol>) -> Self {
        let socket = socket(AddressFamily::NETLINK, SocketType::RAW, protocol).unwrap();
        sockopt::set_socket_recv_buffer_size(&socket, 1 << 20).unwrap();
        Self(socket)
    }

    /// All objects of a kind, each as the kernel sends it behind netlink's header; none where the kernel has no such kind.
    #[track_caller]
    pub(crate) fn dump(&self, kind: u16, question: &[u8]) -> Vec<Vec<u8>> {
        let length = u32::try_from(HEADER + question.len()).unwrap();
        let mut request = length.to_ne_bytes().to_vec();
        request.extend(kind.to_ne_bytes());
        request.extend((REQUEST | DUMP).to_ne_bytes());
        request.extend([0; 8]);
        request.extend(question);
        send(&self.0, &request, SendFlags::empty()).unwrap();
        let mut objects = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let (length, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty()).unwrap();
            let mut rest = &buffer[..length];
            while rest.len() >= HEADER {
                let size = word(rest, 0) as usize;
                match half(rest, 4) {
                    DONE | ERROR => return objects,
                    _ => objects.push(rest[HEADER..size].to_vec()),
                }
                rest = &rest[size.next_multiple_of(4).min(rest.len())..];
            }
        }
    }
}

/// The attributes in some bytes, by their numbers.
pub(crate) fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while bytes.len() >= 4 {
        let length = usize::from(half(bytes, 0)).clamp(4, bytes.len());
        // The two highest bits are flags.
        found.push((half(bytes, 2) & 0x3fff, &bytes[4..length]));
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    found
}

/// An attribute within others; empty where it is not.
pub(crate) fn attribute<'a>(attributes: &[(u16, &'a [u8])], number: u16) -> &'a [u8] {
    let found = attributes.iter().find(|(known, _)| *known == number);
    found.map_or(&[], |(_, value)| value)
}

/// Text, which the kernel ends by a zero.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches('\0')
        .to_owned()
}

pub(crate) fn half(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .map_or(0, |two| u16::from_ne_bytes(two.try_into().unwrap()))
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .map_or(0, |four| u32::from_ne_bytes(four.try_into().unwrap()))
}
