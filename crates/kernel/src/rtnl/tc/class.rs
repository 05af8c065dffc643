//! Classes of a tree of token buckets.

use std::fmt;

use linkspan_netlink::{Attributes, Message, Request};

use super::rate::{
    RATE_SPEC, burst_of, bytes_per_second, large_rate, rate_of, rate_spec, same_burst, ticks,
};
use super::{Handle, Header, TCA_KIND, TCA_OPTIONS, u32_at};
use crate::Error;
use crate::rtnl::{CHANGE, DUMP, REQUEST, Rtnl};

/// A class of an htb qdisc: a token bucket that may borrow from its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HtbClass {
    /// Its own handle, with the qdisc's major number.
    pub handle: Handle,
    /// The qdisc, or the class that it borrows from.
    pub parent: Handle,
    /// Bits for each second that it has for itself; rounded down to whole bytes.
    pub rate: u64,
    /// Bits for each second that it may reach by borrowing.
    pub ceil: u64,
    /// Bytes that may leave at once at the rate.
    pub burst: u32,
    /// Bytes that may leave at once at the ceiling.
    pub cburst: u32,
    /// Who borrows first: the lowest.
    pub priority: u32,
    /// Bytes that leave at a turn; `None`: a tenth of what the rate is in a second, which the kernel
    /// grumbles about in its log when it is below 1,000 or above 200,000.
    pub quantum: Option<u32>,
}

// linux/pkt_sched.h
const TCA_HTB_PARMS: u16 = 1;
const TCA_HTB_RATE64: u16 = 6;
const TCA_HTB_CEIL64: u16 = 7;

impl HtbClass {
    /// A class of the qdisc with the same major number that has this rate and borrows nothing.
    pub fn new(handle: Handle, rate: u64, burst: u32) -> Self {
        Self {
            handle,
            parent: Handle::new(handle.major(), 0),
            rate,
            ceil: rate,
            burst,
            cburst: burst,
            priority: 0,
            quantum: None,
        }
    }

    /// Whether one that was read back is this one. The kernel keeps a burst as the time that it takes,
    /// in units of 64 ns, so what it tells is near; it keeps 274 seconds at most.
    pub fn agrees_with(&self, found: &Self) -> bool {
        let same_bucket = |rate, burst, found_rate, found_burst| {
            bytes_per_second(rate) == bytes_per_second(found_rate)
                && same_burst(rate, longest(rate, burst), found_burst, u64::BITS)
        };
        (self.handle, self.parent, self.priority) == (found.handle, found.parent, found.priority)
            && same_bucket(self.rate, self.burst, found.rate, found.burst)
            && same_bucket(self.ceil, self.cburst, found.ceil, found.cburst)
            && self
                .quantum
                .is_none_or(|quantum| found.quantum == Some(quantum))
    }

    pub(in crate::rtnl) fn request(&self, kind: u16, flags: u16, link: u32) -> Request {
        let header = Header {
            link,
            handle: self.handle,
            parent: self.parent,
            info: 0,
        };
        let mut request = header.request(kind, flags);
        request
            .string(TCA_KIND, "htb")
            .nest(TCA_OPTIONS, |options| {
                options.bytes(TCA_HTB_PARMS, &self.parameters());
                large_rate(self.rate).map(|rate| options.u64(TCA_HTB_RATE64, rate));
                large_rate(self.ceil).map(|rate| options.u64(TCA_HTB_CEIL64, rate));
            });
        request
    }

    /// `struct tc_htb_opt`
    fn parameters(&self) -> Vec<u8> {
        let buffer = |rate, burst| u32::try_from(ticks(rate, burst)).unwrap_or(u32::MAX);
        let numbers = [
            buffer(self.rate, self.burst),
            buffer(self.ceil, self.cburst),
            self.quantum.unwrap_or(0),
            // The level is the kernel's.
            0,
            self.priority,
        ];
        let mut bytes = rate_spec(self.rate).to_vec();
        bytes.extend_from_slice(&rate_spec(self.ceil));
        bytes.extend_from_slice(&numbers.map(u32::to_ne_bytes).concat());
        bytes
    }

    pub(crate) fn decode(message: &Message<'_>) -> Option<Self> {
        const NUMBERS: usize = 2 * RATE_SPEC;
        let header = Header::decode(message)?;
        let attributes = Attributes::new(message.attributes(super::HEADER));
        if attributes.get(TCA_KIND)?.as_str() != Some("htb") {
            return None;
        }
        let options = attributes.get(TCA_OPTIONS)?.nested();
        let bytes = options.get(TCA_HTB_PARMS)?.payload;
        let large = |kind| options.get(kind)?.as_u64();
        let rate = rate_of(bytes, large(TCA_HTB_RATE64))?;
        let ceil = rate_of(bytes.get(RATE_SPEC..)?, large(TCA_HTB_CEIL64))?;
        let number = |position: usize| u32_at(bytes, NUMBERS + 4 * position);
        Some(Self {
            handle: header.handle,
            // Of a class right below the qdisc, the kernel says that it is below the root.
            parent: match header.parent {
                Handle::ROOT => Handle::new(header.handle.major(), 0),
                parent => parent,
            },
            rate,
            ceil,
            burst: burst_of(rate, number(0)?),
            cburst: burst_of(ceil, number(1)?),
            priority: number(4)?,
            quantum: number(2),
        })
    }
}

/// The largest burst that can be asked for at a rate, when `burst` is larger.
fn longest(rate: u64, burst: u32) -> u32 {
    burst.min(burst_of(rate, u32::MAX))
}

impl fmt::Display for HtbClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "class {}", self.handle)
    }
}

pub(in crate::rtnl) fn delete(link: u32, handle: Handle) -> Request {
    let header = Header {
        link,
        handle,
        parent: Handle(0),
        info: 0,
    };
    header.request(libc::RTM_DELTCLASS, CHANGE)
}

impl Rtnl {
    /// The classes of the htb qdisc of the link with this index; none when it has no such qdisc.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is no such link.
    pub fn htb_classes(&self, link: u32) -> Result<Vec<HtbClass>, Error> {
        let header = Header {
            link,
            handle: Handle(0),
            parent: Handle(0),
            info: 0,
        };
        let request = header.request(libc::RTM_GETTCLASS, REQUEST | DUMP);
        let object = format!("classes of link {link}");
        self.dump("list", &object, &request, HtbClass::decode)
    }
}
