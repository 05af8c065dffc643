//! What a server gave, and until when.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::action::Random;
use super::time::Time;
use crate::message::{Message, Options, Route, is_unicast};

/// How long a lease lasts of whose time the server said nothing, in seconds; as the reference.
const DEFAULT_SECONDS: u32 = 3600;

/// The least that a lease is taken to last, in seconds. A server that says less would have its clients do nothing else.
pub(super) const FEWEST_SECONDS: u32 = 4;

/// The least T1: a server may want to hear of its clients often, but not all the time.
const SOONEST: Duration = Duration::from_secs(2);

/// An address that is held, with what was said along with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The address and the subnet's prefix.
    pub address: Ipv4Net,
    /// Which server gave it (its server identifier); `None` where that is not known.
    pub server: Option<Ipv4Addr>,
    /// The hardware address that the server's answer came from: its own, or a relay's.
    pub server_mac: Option<[u8; 6]>,
    /// Until when.
    pub term: Term,
    /// The configuration that goes with the address.
    pub parameters: Parameters,
}

/// Until when a lease is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Term {
    /// To the end of time (RFC 2131, 3.3).
    Forever,
    /// Nobody knows: the lease was another program's. It is held until a server says otherwise, and servers are asked.
    Unknown,
    /// For a while.
    #[serde(rename_all = "camelCase")]
    Until {
        /// When it was asked for.
        acquired: Time,
        /// When its server is asked to renew it, T1.
        renew_at: Time,
        /// When any server is asked for it, T2.
        rebind_at: Time,
        /// From when on the address must not be used.
        expires_at: Time,
    },
}

/// The configuration that goes with an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// The routers on the subnet, the preferred one first.
    pub routers: Vec<Ipv4Addr>,
    /// All routes, the default route among them ([`Options::routes`](crate::message::Options::routes)).
    pub routes: Vec<Route>,
    /// The name servers, the preferred one first.
    pub dns: Vec<Ipv4Addr>,
    /// The domain in which names are looked up.
    pub domain: Option<String>,
    /// The domains that are tried for a name.
    pub search: Vec<String>,
    /// The interface's MTU in bytes.
    pub mtu: Option<u16>,
}

/// Why an OFFER or an ACK cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No address that an interface can have.
    #[error("{0} is no address that an interface can have")]
    Address(Ipv4Addr),
    /// No subnet mask (option 1).
    #[error("DHCP option Subnet Mask not found in DHCPACK, or it is no mask")]
    Mask,
}

impl Lease {
    /// The lease of another program, which may hold it for a server that nobody knows.
    #[must_use]
    pub fn adopted(address: Ipv4Net, parameters: Parameters) -> Self {
        Self {
            address,
            server: None,
            server_mac: None,
            term: Term::Unknown,
            parameters,
        }
    }

    /// From when on the address must not be used.
    #[must_use]
    pub fn expires_at(&self) -> Option<Time> {
        match self.term {
            Term::Until { expires_at, .. } => Some(expires_at),
            Term::Forever | Term::Unknown => None,
        }
    }

    /// Whether the address must not be used at this time.
    pub(super) fn is_over(&self, now: Time) -> bool {
        self.expires_at().is_some_and(|end| end <= now)
    }

    /// Whether an interface is configured otherwise by `other`. Who gave it and until when makes no difference there.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        self.address != other.address || self.parameters != other.parameters
    }

    /// The lease in an ACK for what was asked at `asked`: its time runs from then on (RFC 2131, 4.4.1). What a renewal
    /// leaves out is as in `old`.
    ///
    /// # Errors
    /// When the ACK has no address or no subnet mask.
    pub(super) fn from_ack(
        ack: &Message,
        mac: [u8; 6],
        asked: Time,
        old: Option<&Self>,
        random: Random<'_>,
    ) -> Result<Self, Unusable> {
        let address = address(ack)?;
        let old = old.filter(|old| old.address.addr() == address);
        let prefix = ack
            .options
            .prefix()
            .or_else(|| old.map(|old| old.address.prefix_len()))
            .ok_or(Unusable::Mask)?;
        Ok(Self {
            address: net(address, prefix)?,
            server: ack.options.server_id().or_else(|| old?.server),
            server_mac: Some(mac),
            term: term(ack, asked, random),
            parameters: Parameters::told(&ack.options, old.map(|old| &old.parameters)),
        })
    }
}

impl Parameters {
    /// What a server tells; where it says nothing of something, what it said of it before. A server that answers a renewal
    /// with less than the first time would take the way out of a running container otherwise.
    fn told(options: &Options, old: Option<&Self>) -> Self {
        let told = Self {
            routers: options.routers(),
            routes: options.routes(),
            dns: options.dns(),
            domain: options.domain(),
            search: options.search(),
            mtu: options.mtu(),
        };
        let Some(old) = old else {
            return told;
        };
        let (routers, routes) = match told.routes.is_empty() {
            true => (old.routers.clone(), old.routes.clone()),
            false => (told.routers, told.routes),
        };
        Self {
            routers,
            routes,
            dns: or(told.dns, &old.dns),
            domain: told.domain.or_else(|| old.domain.clone()),
            search: or(told.search, &old.search),
            mtu: told.mtu.or(old.mtu),
        }
    }
}

fn or<T: Clone>(told: Vec<T>, old: &[T]) -> Vec<T> {
    if told.is_empty() { old.to_vec() } else { told }
}

/// The address in an OFFER or ACK, if an interface can have it.
pub(super) fn address(message: &Message) -> Result<Ipv4Addr, Unusable> {
    let address = message.yiaddr;
    if is_unicast(&address) {
        Ok(address)
    } else {
        Err(Unusable::Address(address))
    }
}

/// The address in its subnet; what stands for the subnet itself or for all in it is no host's (but RFC 3021).
fn net(address: Ipv4Addr, prefix: u8) -> Result<Ipv4Net, Unusable> {
    let net = Ipv4Net::new(address, prefix).ok().ok_or(Unusable::Mask)?;
    let is_host = prefix > 30 || ![net.network(), net.broadcast()].contains(&address);
    if is_host {
        Ok(net)
    } else {
        Err(Unusable::Address(address))
    }
}

/// T1, T2 and the end. What a server says of T1 and T2 counts where T1 < T2 < the end; otherwise they are half and seven
/// eighths (RFC 2131, 4.4.5). Both come up to a tenth earlier, by chance, so that not all clients of a network that
/// started together ask together.
fn term(ack: &Message, asked: Time, random: Random<'_>) -> Term {
    let seconds = ack.options.lease_time().unwrap_or(DEFAULT_SECONDS);
    if seconds == u32::MAX {
        return Term::Forever;
    }
    let duration = Duration::from_secs(seconds.max(FEWEST_SECONDS).into());
    let said = |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let rebinding = said(ack.options.rebinding_time())
        .filter(|t2| *t2 < duration && *t2 > SOONEST * 2)
        .unwrap_or(duration * 7 / 8);
    let renewal = said(ack.options.renewal_time())
        .filter(|t1| *t1 < rebinding)
        .unwrap_or(rebinding * 4 / 7);
    let by = random() % 1001;
    let early = |span: Duration| span - span / 10 * by / 1000;
    Term::Until {
        acquired: asked,
        renew_at: asked + early(renewal).max(SOONEST),
        rebind_at: asked + early(rebinding),
        expires_at: asked + duration,
    }
}
