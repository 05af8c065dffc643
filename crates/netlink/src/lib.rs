//! The wire format of netlink: messages and attributes, no I/O.
//!
//! Every family that Linkspan speaks (routing, nf_tables, conntrack) shares this format: a
//! [`nlmsghdr`](https://docs.kernel.org/userspace-api/netlink/intro.html), a fixed header of the
//! family, and attributes that nest. [`Request`] writes it, [`Messages`] and [`Attributes`] read it.
//! Reading never panics and never trusts a length that the sender gave.
//!
//! ```
//! use linkspan_netlink::{Attributes, Messages, Request};
//!
//! let mut request = Request::new(16, 0x5);
//! request.header(&[0; 16]);
//! request.string(3, "eth0").nest(18, |info| {
//!     info.string(1, "veth");
//! });
//! let bytes = request.finish(7);
//!
//! let message = Messages::new(&bytes).next().expect("one message");
//! assert_eq!((message.kind, message.sequence), (16, 7));
//! let name = Attributes::new(message.attributes(16)).get(3).expect("a name");
//! assert_eq!(name.as_str(), Some("eth0"));
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod read;
mod write;

pub use read::{Attribute, Attributes, Message, Messages};
pub use write::{AttributeWriter, Request};

/// Length of a message's header in bytes (`struct nlmsghdr`).
pub const HEADER_LEN: usize = 16;

/// Length of an attribute's header in bytes (`struct nlattr`).
pub const ATTRIBUTE_HEADER_LEN: usize = 4;

/// Marks an attribute whose payload is attributes (`NLA_F_NESTED`).
pub const NESTED: u16 = 1 << 15;

/// Set by the kernel on integers in network byte order (`NLA_F_NET_BYTEORDER`).
pub const NET_BYTE_ORDER: u16 = 1 << 14;

/// Messages and attributes start at multiples of this many bytes (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;

/// The next multiple of the alignment.
const fn align(length: usize) -> usize {
    (length + ALIGNMENT - 1) & !(ALIGNMENT - 1)
}

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
