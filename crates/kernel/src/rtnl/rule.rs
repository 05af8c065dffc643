//! Routing rules: which table a packet's route is searched in.

use std::fmt;

use ipnet::IpNet;
use linkspan_netlink::{Attributes, Message, Request};

use super::address::{address, family, octets};
use super::{DUMP, REQUEST, Rtnl};
use crate::Error;

/// Bytes of `struct fib_rule_hdr`.
const HEADER: usize = 12;

// linux/fib_rules.h
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
const FR_ACT_TO_TBL: u8 = 1;

/// Packets from or to these addresses are routed by this table.
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
        }
    }

    pub(super) fn request(&self, kind: u16, flags: u16) -> Request {
        let mut request = Request::new(kind, flags);
        let length = |net: Option<IpNet>| net.map_or(0, |net| net.prefix_len());
        let table = u8::try_from(self.table).unwrap_or(libc::RT_TABLE_UNSPEC);
        let lengths = [length(self.to), length(self.from)];
        request.header(&[
            self.family,
            lengths[0],
            lengths[1],
            0,
            table,
            0,
            0,
            FR_ACT_TO_TBL,
            0,
            0,
            0,
            0,
        ]);
        self.from
            .map(|net| request.bytes(FRA_SRC, &octets(net.addr())));
        self.to
            .map(|net| request.bytes(FRA_DST, &octets(net.addr())));
        self.priority
            .map(|priority| request.u32(FRA_PRIORITY, priority));
        request.u32(FRA_TABLE, self.table);
        request
    }

    fn decode(message: &Message<'_>) -> Option<Self> {
        let &[family, to, from, _, table, ..] = message.header::<HEADER>()?;
        let attributes = Attributes::new(message.attributes(HEADER));
        let net = |kind, prefix| {
            let address = address(family, attributes.get(kind)?.payload)?;
            IpNet::new(address, prefix).ok()
        };
        let number = |kind| attributes.get(kind)?.as_u32();
        Some(Self {
            family,
            from: net(FRA_SRC, from),
            to: net(FRA_DST, to),
            table: number(FRA_TABLE).unwrap_or_else(|| table.into()),
            priority: number(FRA_PRIORITY),
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
    /// The rules of a family (`AF_INET`, `AF_INET6`).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn rules(&self, family: u8) -> Result<Vec<Rule>, Error> {
        let mut request = Request::new(libc::RTM_GETRULE, REQUEST | DUMP);
        request.header(&[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.dump("list", &"routing rules", &request, Rule::decode)
    }
}
