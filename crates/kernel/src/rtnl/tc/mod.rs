//! Traffic control: queueing disciplines, classes and filters.
//!
//! Everything goes by classful handles: a qdisc hangs below a parent, [`Handle::ROOT`] or
//! [`Handle::INGRESS`], and has a handle of its own, below which its classes and filters are.

mod class;
mod filter;
mod qdisc;
mod rate;

use std::fmt;

use linkspan_netlink::{Message, Request};

pub use class::HtbClass;
pub(super) use class::delete as delete_class;
pub(super) use filter::delete as delete_filters;
pub use filter::{Filter, Match, Target};
pub(super) use qdisc::delete as delete_qdisc;
pub use qdisc::{Htb, Qdisc, QdiscKind, Tbf};

/// Bytes of `struct tcmsg`.
const HEADER: usize = 20;

// linux/rtnetlink.h
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

/// Reads a message as what is listed of traffic control.
#[cfg(feature = "fuzzing")]
pub(super) fn fuzzing(message: &Message<'_>) {
    let _ = Qdisc::decode(message);
    let _ = HtbClass::decode(message);
    let _ = Filter::decode(message);
}

/// The name of a qdisc, a class or a place for them: `major:minor`, 16 bits each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(u32);

impl Handle {
    /// The parent of the qdisc for what a link sends (`TC_H_ROOT`).
    pub const ROOT: Self = Self(0xffff_ffff);
    /// The parent of the qdisc for what a link receives (`TC_H_INGRESS`, `TC_H_CLSACT`).
    pub const INGRESS: Self = Self(0xffff_fff1);
    /// Where the filters of an ingress or clsact qdisc for what is received are (`TC_H_MIN_INGRESS`).
    pub const INGRESS_FILTERS: Self = Self::new(0xffff, 0xfff2);
    /// Where the filters of a clsact qdisc for what is sent are (`TC_H_MIN_EGRESS`).
    pub const EGRESS_FILTERS: Self = Self::new(0xffff, 0xfff3);

    /// A qdisc has the minor number 0, its classes have others.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self((major as u32) << 16 | minor as u32)
    }

    /// The number of the qdisc.
    pub const fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The number of the class; 0 for the qdisc itself.
    pub const fn minor(self) -> u16 {
        self.0 as u16
    }
}

/// As `tc` writes it, in hexadecimal digits.
impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.minor()) {
            (Self::ROOT, _) => f.write_str("root"),
            (Self::INGRESS, _) => f.write_str("ingress"),
            (_, 0) => write!(f, "{:x}:", self.major()),
            (_, minor) => write!(f, "{:x}:{minor:x}", self.major()),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `struct tcmsg`
#[derive(Clone, Copy, Debug)]
struct Header {
    link: u32,
    handle: Handle,
    parent: Handle,
    /// Of a filter: its priority and the protocol in network byte order.
    info: u32,
}

impl Header {
    /// A request that begins with it.
    fn request(self, kind: u16, flags: u16) -> Request {
        let mut bytes = [0; HEADER];
        bytes[4..8].copy_from_slice(&self.link.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.handle.0.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.parent.0.to_ne_bytes());
        bytes[16..].copy_from_slice(&self.info.to_ne_bytes());
        let mut request = Request::new(kind, flags);
        request.header(&bytes);
        request
    }

    fn decode(message: &Message<'_>) -> Option<Self> {
        let bytes = message.header::<HEADER>()?;
        let number = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self {
            link: number(4)?,
            handle: Handle(number(8)?),
            parent: Handle(number(12)?),
            info: number(16)?,
        })
    }
}

/// The 32-bit integer at a position of a structure that the kernel wrote.
fn u32_at(bytes: &[u8], position: usize) -> Option<u32> {
    let bytes = bytes.get(position..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}
