//! Routing rules: which table a packet's route is searched in.

use std::fmt;

use ipnet::IpNet;
use linkspan_netlink::{Attributes, Message, Request};

use super::address::{address, family, octets_of};
use super::{DUMP, Opaque, REQUEST, Rtnl};
use crate::Error;

/// Bytes of `struct fib_rule_hdr`.
const HEADER: usize = 12;

// linux/fib_rules.h
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PAD: u16 = 18;
const FRA_PROTOCOL: u16 = 21;
const FR_ACT_TO_TBL: u8 = 1;
const FIB_RULE_INVERT: u32 = 2;
/// Of rules, the flags that the kernel takes; the others are states.
const FLAGS: u32 = FIB_RULE_INVERT;

/// Packets from or to these addresses are routed by this table.
///
/// One that was listed is that very rule: whatever else it asks of a packet is kept, so that it can be
/// deleted, or made again, and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// IPv4 or IPv6 (`AF_…`).
    pub family: u8,
    /// Where the packet comes from.
    pub from: Option<IpNet>,
    /// Where it goes to.
    pub to: Option<IpNet>,
    /// The table.
    pub table: u32,
    /// The lowest comes first; `None` leaves it to the kernel.
    pub priority: Option<u32>,
    /// Who made it (`RTPROT_…`); 0 does not say.
    pub protocol: u8,
    /// What is done (`FR_ACT_…`): by default the table is searched.
    pub action: u8,
    /// The packet's type of service; 0 for all.
    pub tos: u8,
    /// It is for the packets that are not as said.
    pub inverted: bool,
    /// What else it asks of a packet: links, marks, ports, users.
    pub other: Opaque,
}

impl Rule {
    /// What comes from this subnet is routed by this table.
    pub fn from(source: IpNet, table: u32) -> Self {
        Self {
            family: family(source.addr()),
            from: Some(source),
            to: None,
            table,
            priority: None,
            protocol: libc::RTPROT_UNSPEC,
            action: FR_ACT_TO_TBL,
            tos: 0,
            inverted: false,
            other: Opaque::default(),
        }
    }

    pub(super) fn request(&self, kind: u16, flags: u16) -> Request {
        let mut request = Request::new(kind, flags);
        let length = |net: Option<IpNet>| net.map_or(0, |net| net.prefix_len());
        // Tables beyond a byte are in an attribute alone.
        let table = u8::try_from(self.table).unwrap_or(libc::RT_TABLE_UNSPEC);
        let [a, b, c, d] = if self.inverted { FIB_RULE_INVERT } else { 0 }.to_ne_bytes();
        let (to, from) = (length(self.to), length(self.from));
        request.header(&[
            self.family,
            to,
            from,
            self.tos,
            table,
            0,
            0,
            self.action,
            a,
            b,
            c,
            d,
        ]);
        for (kind, net) in [(FRA_SRC, self.from), (FRA_DST, self.to)] {
            net.map(|net| request.bytes(kind, &octets_of(self.family, net.network())));
        }
        self.priority
            .map(|priority| request.u32(FRA_PRIORITY, priority));
        request.u32(FRA_TABLE, self.table);
        if self.protocol != libc::RTPROT_UNSPEC {
            request.u8(FRA_PROTOCOL, self.protocol);
        }
        self.other.write(&mut request);
        request
    }

    pub(crate) fn decode(message: &Message<'_>) -> Option<Self> {
        let &[family, to, from, tos, table, _, _, action, a, b, c, d] =
            message.header::<HEADER>()?;
        let attributes = Attributes::new(message.attributes(HEADER));
        let net = |kind, prefix| {
            let address = address(family, attributes.get(kind)?.payload)?;
            IpNet::new(address, prefix).ok()
        };
        let number = |kind| attributes.get(kind)?.as_u32();
        let protocol = attributes.get(FRA_PROTOCOL).and_then(|by| by.as_u8());
        Some(Self {
            family,
            from: net(FRA_SRC, from),
            to: net(FRA_DST, to),
            table: number(FRA_TABLE).unwrap_or_else(|| table.into()),
            // The kernel does not tell the priority 0.
            priority: Some(number(FRA_PRIORITY).unwrap_or(0)),
            protocol: protocol.unwrap_or(libc::RTPROT_UNSPEC),
            action,
            tos,
            inverted: u32::from_ne_bytes([a, b, c, d]) & FLAGS != 0,
            other: other(&attributes),
        })
    }
}

/// What is not read, without what every rule has.
fn other(attributes: &Attributes<'_>) -> Opaque {
    const READ: [u16; 6] = [
        FRA_DST,
        FRA_SRC,
        FRA_PRIORITY,
        FRA_TABLE,
        FRA_PROTOCOL,
        FRA_PAD,
    ];
    let suppresses = attributes
        .get(FRA_SUPPRESS_PREFIXLEN)
        .and_then(|len| len.as_u32());
    let says_nothing = |kind| kind == FRA_SUPPRESS_PREFIXLEN && suppresses == Some(u32::MAX);
    Opaque::where_kind(attributes.clone(), |kind| {
        !(READ.contains(&kind) || says_nothing(kind))
    })
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inverted {
            f.write_str("not ")?;
        }
        if let Some(from) = self.from {
            write!(f, "from {from} ")?;
        }
        if let Some(to) = self.to {
            write!(f, "to {to} ")?;
        }
        write!(f, "lookup {}", self.table)
    }
}

impl Rtnl {
    /// The rules of a family (`AF_INET`, `AF_INET6`), in the order in which they are applied; none when
    /// the kernel does not have it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn rules(&self, family: u8) -> Result<Vec<Rule>, Error> {
        let mut request = Request::new(libc::RTM_GETRULE, REQUEST | DUMP);
        request.header(&[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        match self.dump_unwatched("list", &"routing rules", &request, Rule::decode) {
            Err(error) if error.is_unsupported() => Ok(Vec::new()),
            found => found,
        }
    }
}
