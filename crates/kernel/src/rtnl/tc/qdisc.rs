//! Queueing disciplines: what becomes of packets that a link cannot or must not send yet.

use std::fmt;
use std::time::Duration;

use linkspan_netlink::{Attribute, AttributeWriter, Attributes, Message, Request};

use super::rate::{
    RATE_SPEC, burst_of, bytes_per_second, large_rate, microsecond_ticks, rate_of, rate_spec,
    same_burst, ticks,
};
use super::{Handle, Header, TCA_KIND, TCA_OPTIONS, u32_at};
use crate::Error;
use crate::rtnl::{ACK, REQUEST, Rtnl};

/// A queueing discipline of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qdisc {
    /// Its own handle.
    pub handle: Handle,
    /// Where it hangs: [`Handle::ROOT`], [`Handle::INGRESS`] or a class.
    pub parent: Handle,
    /// What it is.
    pub kind: QdiscKind,
}

/// What a queueing discipline is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QdiscKind {
    /// A token bucket: one rate for all that the link sends.
    Tbf(Tbf),
    /// A tree of token buckets, one for each class.
    Htb(Htb),
    /// One packet after another; so many bytes may wait, more are dropped.
    Bfifo(u32),
    /// A place for filters of what the link receives.
    Ingress,
    /// A place for filters of what the link receives and of what it sends.
    Clsact,
    /// Of a kind that is not read; it is made with the kernel's defaults.
    Other(String),
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tbf {
    /// Bits for each second, in whole bytes: the kernel rounds down to a multiple of 8.
    pub rate: u64,
    /// Bytes that may leave at once after a pause.
    pub burst: u32,
    /// Bytes that may wait; more are dropped.
    pub limit: u32,
    /// The burst is whole microseconds, rounded down: what programs ask for that count in these.
    pub whole_microseconds: bool,
}

/// A tree of token buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Htb {
    /// The minor number of the class of packets that no filter puts elsewhere; 0: they are not limited.
    pub default_class: u16,
}

// linux/pkt_sched.h
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
const TCA_HTB_INIT: u16 = 2;
/// `TC_HTB_PROTOVER`
const HTB_VERSION: u32 = 3;
/// Bytes sent at a turn are the rate divided by this, unless a class says otherwise; `tc`'s default.
const HTB_RATE_TO_QUANTUM: u32 = 10;

impl Qdisc {
    /// One for all that a link sends; its handle is `1:`.
    pub fn root(kind: QdiscKind) -> Self {
        Self {
            handle: Handle::new(1, 0),
            parent: Handle::ROOT,
            kind,
        }
    }

    /// A place for filters of what a link receives.
    pub fn ingress() -> Self {
        Self::of_ingress(QdiscKind::Ingress)
    }

    /// A place for filters of what a link receives and of what it sends.
    pub fn clsact() -> Self {
        Self::of_ingress(QdiscKind::Clsact)
    }

    fn of_ingress(kind: QdiscKind) -> Self {
        Self {
            handle: Handle::new(0xffff, 0),
            parent: Handle::INGRESS,
            kind,
        }
    }

    /// It hangs at the link itself.
    pub(in crate::rtnl) fn is_outermost(&self) -> bool {
        [Handle::ROOT, Handle::INGRESS].contains(&self.parent)
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
            .string(TCA_KIND, self.kind.name())
            .nest(TCA_OPTIONS, |options| self.kind.write(options));
        request
    }

    pub(crate) fn decode(message: &Message<'_>) -> Option<Self> {
        if message.kind != libc::RTM_NEWQDISC {
            return None;
        }
        let header = Header::decode(message)?;
        let attributes = Attributes::new(message.attributes(super::HEADER));
        let kind = attributes.get(TCA_KIND)?.as_str()?;
        Some(Self {
            handle: header.handle,
            parent: header.parent,
            kind: QdiscKind::decode(kind, attributes.get(TCA_OPTIONS).as_ref()),
        })
    }
}

impl fmt::Display for Qdisc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "qdisc {} {}", self.kind.name(), self.handle)
    }
}

pub(in crate::rtnl) fn delete(link: u32, parent: Handle) -> Request {
    let header = Header {
        link,
        handle: Handle(0),
        parent,
        info: 0,
    };
    header.request(libc::RTM_DELQDISC, crate::rtnl::CHANGE)
}

impl QdiscKind {
    /// Its name, as `tc` shows it.
    pub fn name(&self) -> &str {
        match self {
            Self::Tbf(_) => "tbf",
            Self::Htb(_) => "htb",
            Self::Bfifo(_) => "bfifo",
            Self::Ingress => "ingress",
            Self::Clsact => "clsact",
            Self::Other(name) => name,
        }
    }

    fn write(&self, options: &mut AttributeWriter) {
        match self {
            Self::Tbf(tbf) => tbf.write(options),
            Self::Htb(htb) => htb.write(options),
            // struct tc_fifo_qopt
            Self::Bfifo(limit) => {
                options.raw(&limit.to_ne_bytes());
            }
            Self::Ingress | Self::Clsact | Self::Other(_) => {}
        }
    }

    fn decode(name: &str, options: Option<&Attribute<'_>>) -> Self {
        let nested = options.map(Attribute::nested);
        let known = match name {
            "tbf" => nested.as_ref().and_then(Tbf::decode).map(Self::Tbf),
            "htb" => nested.as_ref().and_then(Htb::decode).map(Self::Htb),
            "bfifo" => options
                .and_then(|options| u32_at(options.payload, 0))
                .map(Self::Bfifo),
            "ingress" => Some(Self::Ingress),
            "clsact" => Some(Self::Clsact),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl Tbf {
    /// One whose packets wait no longer than `latency`: what leaves in that time at the rate, and a
    /// burst, may wait.
    pub fn with_latency(rate: u64, burst: u32, latency: Duration) -> Self {
        let bytes = u128::from(bytes_per_second(rate));
        let waiting = bytes.saturating_mul(latency.as_micros()) / 1_000_000;
        let limit = u32::try_from(waiting + u128::from(burst)).unwrap_or(u32::MAX);
        Self {
            rate,
            burst,
            limit,
            whole_microseconds: false,
        }
    }

    /// Whether one that was read back is this one. The kernel keeps a burst as the time that it takes,
    /// in 32 bits of 64 ns, so what it tells is near, or cut.
    pub fn agrees_with(&self, found: &Self) -> bool {
        bytes_per_second(self.rate) == bytes_per_second(found.rate)
            && self.limit == found.limit
            && same_burst(self.rate, self.burst, found.burst, u32::BITS)
    }

    /// `struct tc_tbf_qopt` and what is beside it.
    fn write(&self, options: &mut AttributeWriter) {
        let mut parameters = rate_spec(self.rate).to_vec();
        // No second rate for peaks.
        parameters.extend_from_slice(&[0; RATE_SPEC]);
        parameters.extend_from_slice(&self.limit.to_ne_bytes());
        let ticks = if self.whole_microseconds {
            microsecond_ticks(self.rate, self.burst)
        } else {
            ticks(self.rate, self.burst)
        };
        let buffer = u32::try_from(ticks);
        parameters.extend_from_slice(&buffer.unwrap_or(u32::MAX).to_ne_bytes());
        parameters.extend_from_slice(&0u32.to_ne_bytes());
        options.bytes(TCA_TBF_PARMS, &parameters);
        // Kernels from 3.13 take the burst in bytes from the attribute, when there is one.
        if !self.whole_microseconds || buffer.is_err() {
            options.u32(TCA_TBF_BURST, self.burst);
        }
        large_rate(self.rate).map(|rate| options.u64(TCA_TBF_RATE64, rate));
    }

    fn decode(options: &Attributes<'_>) -> Option<Self> {
        const LIMIT: usize = 2 * RATE_SPEC;
        let parameters = options.get(TCA_TBF_PARMS)?.payload;
        let large = options.get(TCA_TBF_RATE64).and_then(|rate| rate.as_u64());
        let rate = rate_of(parameters, large)?;
        Some(Self {
            rate,
            burst: burst_of(rate, u32_at(parameters, LIMIT + 4)?),
            limit: u32_at(parameters, LIMIT)?,
            whole_microseconds: false,
        })
    }
}

impl Htb {
    /// `struct tc_htb_glob`
    fn write(&self, options: &mut AttributeWriter) {
        let numbers = [
            HTB_VERSION,
            HTB_RATE_TO_QUANTUM,
            self.default_class.into(),
            0,
            0,
        ];
        let bytes = numbers.map(u32::to_ne_bytes).concat();
        options.bytes(TCA_HTB_INIT, &bytes);
    }

    fn decode(options: &Attributes<'_>) -> Option<Self> {
        let default_class = u32_at(options.get(TCA_HTB_INIT)?.payload, 8)?;
        Some(Self {
            default_class: u16::try_from(default_class).ok()?,
        })
    }
}

impl Rtnl {
    /// The qdisc that hangs below this parent at the link with this index; `None` when there is none, or
    /// only what the kernel puts there while the link is down.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is no such link.
    pub fn qdisc(&self, link: u32, parent: Handle) -> Result<Option<Qdisc>, Error> {
        let header = Header {
            link,
            handle: Handle(0),
            parent,
            info: 0,
        };
        // Without the echo, kernels before 6.9 tell the answer to those who listen to events alone. Of one that is not
        // shown there is the acknowledgement alone.
        let flags = REQUEST | ACK | libc::NLM_F_ECHO as u16;
        let request = header.request(libc::RTM_GETQDISC, flags);
        let object = format!("{parent} qdisc of link {link}");
        let mut found = None;
        let outcome = self.ask("find", &object, request, |message| {
            found = found.take().or_else(|| Qdisc::decode(message));
        });
        match outcome {
            // EINVAL: there is one that is not shown.
            Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::EINVAL)) => Ok(None),
            outcome => outcome.map(|()| found),
        }
    }
}
