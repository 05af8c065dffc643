//! DHCP's messages: RFC 2131's fixed fields and RFC 2132's options.
//!
//! A codec of our own, since it is a page: fixed fields, and options that are a code and bytes. What an option means is
//! read when it is asked for ([`Options`]), so that any option can be sent and none that a server sends is in the way.

mod names;
pub(crate) mod options;
#[cfg(test)]
mod properties;
mod read;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

pub use options::Options;
pub use read::Route;
pub(crate) use read::is_unicast;

/// The port at which servers listen.
pub const SERVER_PORT: u16 = 67;

/// The port at which clients listen.
pub const CLIENT_PORT: u16 = 68;

/// The longest message that is read, in bytes: what one UDP datagram can carry.
pub const LONGEST: usize = 65_507;

/// The shortest message that is written, in bytes: BOOTP's size, below which some relays drop (RFC 1542, 2.1).
const SHORTEST: usize = 300;

/// Where `sname` begins and ends, where `file` ends and the cookie stands, and where the options begin.
const SNAME: usize = 44;
const FILE: usize = 108;
const COOKIE: usize = 236;
const OPTIONS: usize = 240;

/// What tells DHCP's options from a vendor's own area (RFC 2131, 3).
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// Ethernet, and the length of its addresses (RFC 1700).
const ETHERNET: u8 = 1;
const MAC_BYTES: usize = 6;

/// The bit that asks for answers by broadcast (RFC 2131, 2).
const BROADCAST: u16 = 0x8000;

/// From a client to a server, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// BOOTREQUEST, 1.
    Request,
    /// BOOTREPLY, 2.
    Reply,
}

/// What a message is (option 53; RFC 2132, 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A client looks for servers.
    Discover = 1,
    /// A server offers an address.
    Offer = 2,
    /// A client asks for an address, or for more time with the one it has.
    Request = 3,
    /// A client says that an address is in use already.
    Decline = 4,
    /// A server gives what was asked for.
    Ack = 5,
    /// A server says that the address must not be used.
    Nak = 6,
    /// A client gives its address back.
    Release = 7,
    /// A client asks for configuration alone.
    Inform = 8,
}

/// A message between client and server, on Ethernet. `sname` and `file` are read where they carry options; what they
/// say about booting is of no use to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub op: Op,
    /// Which question an answer is for: chosen by the client, repeated by the server.
    pub xid: u32,
    /// For how many seconds the client has been asking.
    pub secs: u16,
    /// The client cannot receive unicast yet.
    pub broadcast: bool,
    /// The client's address, where it has one that it can answer ARP for.
    pub ciaddr: Ipv4Addr,
    /// "Your" address: what the server gives.
    pub yiaddr: Ipv4Addr,
    /// The next server for booting.
    pub siaddr: Ipv4Addr,
    /// The relay's address.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: [u8; 6],
    /// Everything else.
    pub options: Options,
}

/// Why bytes are not a DHCP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMessage {
    /// It ends within the fixed fields.
    #[error("{0} bytes are too few for a DHCP message, whose fixed part has 240")]
    Short(usize),
    /// It is longer than a datagram can be.
    #[error("{0} bytes are more than a datagram carries ({LONGEST})")]
    Long(usize),
    /// Neither a request nor a reply.
    #[error("op is {0}, which is neither a request (1) nor a reply (2)")]
    Op(u8),
    /// Not about an Ethernet interface.
    #[error("hardware type {kind} with {bytes} bytes is not Ethernet's (1 with 6)")]
    Hardware {
        /// `htype`.
        kind: u8,
        /// `hlen`.
        bytes: u8,
    },
    /// BOOTP with a vendor's own area, or no such message at all.
    #[error("the magic cookie of DHCP is missing")]
    Cookie,
    /// An option goes on behind the end of its field.
    #[error("option {0} goes on behind the end of its field")]
    Option(u8),
}

impl Message {
    /// A message of a client with all addresses zero and nothing but its kind (option 53).
    #[must_use]
    pub fn request(kind: Kind, xid: u32, chaddr: [u8; 6]) -> Self {
        let mut options = Options::default();
        options.set(options::KIND, &[kind as u8]);
        Self {
            op: Op::Request,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            options,
        }
    }

    /// Reads the payload of a datagram. An end option (255) that is missing is no fault: some servers leave it out.
    ///
    /// # Errors
    /// When the bytes are no DHCP message about an Ethernet interface.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        if bytes.len() > LONGEST {
            return Err(MalformedMessage::Long(bytes.len()));
        }
        let Some((fixed, area)) = bytes.split_first_chunk::<OPTIONS>() else {
            return Err(MalformedMessage::Short(bytes.len()));
        };
        if fixed[COOKIE..] != MAGIC {
            return Err(MalformedMessage::Cookie);
        }
        let op = match fixed[0] {
            1 => Op::Request,
            2 => Op::Reply,
            other => return Err(MalformedMessage::Op(other)),
        };
        if (fixed[1], usize::from(fixed[2])) != (ETHERNET, MAC_BYTES) {
            let (kind, bytes) = (fixed[1], fixed[2]);
            return Err(MalformedMessage::Hardware { kind, bytes });
        }
        let address =
            |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        Ok(Self {
            op,
            xid: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            secs: u16::from_be_bytes([fixed[8], fixed[9]]),
            broadcast: u16::from_be_bytes([fixed[10], fixed[11]]) & BROADCAST != 0,
            ciaddr: address(12),
            yiaddr: address(16),
            siaddr: address(20),
            giaddr: address(24),
            chaddr: [
                fixed[28], fixed[29], fixed[30], fixed[31], fixed[32], fixed[33],
            ],
            options: Options::parse(area, &fixed[FILE..COOKIE], &fixed[SNAME..FILE])?,
        })
    }

    /// The payload of a datagram, of at least 300 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SHORTEST);
        let op = match self.op {
            Op::Request => 1,
            Op::Reply => 2,
        };
        bytes.extend([op, ETHERNET, MAC_BYTES as u8, 0]);
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(if self.broadcast { BROADCAST } else { 0 }.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.resize(COOKIE, 0);
        bytes.extend(MAGIC);
        self.options.write(&mut bytes);
        if bytes.len() < SHORTEST {
            bytes.resize(SHORTEST, 0);
        }
        bytes
    }
}
