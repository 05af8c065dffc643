//! DHCP messages (RFC 2131, figure 1), read and written without Linkspan's own code.

use std::net::Ipv4Addr;

/// Options (RFC 2132).
pub mod dhcp_option {
    /// Subnet mask.
    pub const MASK: u8 = 1;
    /// Routers.
    pub const ROUTER: u8 = 3;
    /// Interface MTU.
    pub const MTU: u8 = 26;
    /// Requested address.
    pub const REQUESTED: u8 = 50;
    /// Lease time in seconds.
    pub const LEASE_TIME: u8 = 51;
    /// Message type.
    pub const KIND: u8 = 53;
    /// Server identifier.
    pub const SERVER: u8 = 54;
    /// Parameter request list.
    pub const WANTED: u8 = 55;
    /// Renewal time in seconds.
    pub const T1: u8 = 58;
    /// Rebinding time in seconds.
    pub const T2: u8 = 59;
    /// Client identifier.
    pub const CLIENT: u8 = 61;
}

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const HEADER: usize = 236;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpMessage {
    /// 1 from a client, 2 from a server.
    pub op: u8,
    /// What ties answers to questions.
    pub xid: u32,
    /// The client wants its answers broadcast.
    pub broadcast: bool,
    /// The client's address, where it has one.
    pub ciaddr: Ipv4Addr,
    /// The address that it is given.
    pub yiaddr: Ipv4Addr,
    /// The client's hardware address.
    pub mac: [u8; 6],
    /// Options in their order.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl DhcpMessage {
    /// DHCPDISCOVER.
    pub const DISCOVER: u8 = 1;
    /// DHCPOFFER.
    pub const OFFER: u8 = 2;
    /// DHCPREQUEST.
    pub const REQUEST: u8 = 3;
    /// DHCPDECLINE.
    pub const DECLINE: u8 = 4;
    /// DHCPACK.
    pub const ACK: u8 = 5;
    /// DHCPNAK.
    pub const NAK: u8 = 6;
    /// DHCPRELEASE.
    pub const RELEASE: u8 = 7;

    /// What the payload of a datagram says; `None` when it is no DHCP.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let rest = rest.strip_prefix(&COOKIE)?;
        let word = |at: usize| {
            let word = header[at..at + 4].try_into().ok();
            word.map(u32::from_be_bytes)
        };
        Some(Self {
            op: header[0],
            xid: word(4)?,
            broadcast: header[10] & 0x80 != 0,
            ciaddr: word(12)?.into(),
            yiaddr: word(16)?.into(),
            mac: header[28..34].try_into().ok()?,
            options: read_options(rest),
        })
    }

    /// The payload of a datagram. Of an option's value 255 bytes are written at most.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(&[self.op, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&self.xid.to_be_bytes());
        bytes[10] = u8::from(self.broadcast) << 7;
        bytes[12..16].copy_from_slice(&self.ciaddr.octets());
        bytes[16..20].copy_from_slice(&self.yiaddr.octets());
        bytes[28..34].copy_from_slice(&self.mac);
        bytes.extend(COOKIE);
        for (code, value) in &self.options {
            let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
            bytes.extend([*code, length]);
            bytes.extend(&value[..usize::from(length)]);
        }
        bytes.push(255);
        bytes
    }

    /// The value of an option.
    #[must_use]
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        let mut options = self.options.iter();
        let found = options.find(|(found, _)| *found == code);
        found.map(|(_, value)| value.as_slice())
    }

    /// Its type; 0 without one.
    #[must_use]
    pub fn kind(&self) -> u8 {
        let kind = self.option(dhcp_option::KIND);
        kind.and_then(|value| value.first().copied())
            .unwrap_or_default()
    }

    /// A server's answer to it, with its type and these options alone.
    #[must_use]
    pub fn answer(&self, kind: u8, address: Ipv4Addr, options: &[(u8, &[u8])]) -> Self {
        let own = [(dhcp_option::KIND, vec![kind])].into_iter();
        let others = options.iter().map(|(code, value)| (*code, value.to_vec()));
        Self {
            op: 2,
            yiaddr: address,
            options: own.chain(others).collect(),
            ..self.clone()
        }
    }
}

fn read_options(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut options = Vec::new();
    while let [code, rest @ ..] = bytes {
        let (value, rest) = match (code, rest) {
            (0, rest) => {
                bytes = rest;
                continue;
            }
            (255, _) => break,
            (_, [length, rest @ ..]) if rest.len() >= usize::from(*length) => {
                rest.split_at(usize::from(*length))
            }
            _ => break,
        };
        options.push((*code, value.to_vec()));
        bytes = rest;
    }
    options
}
