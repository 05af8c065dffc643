//! What goes into a client and what comes out of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::lease::{Lease, Unusable};
use crate::message::{MalformedMessage, Message};

/// A source of chance: any `u32` as likely as any other. It need not be one that nobody can foresee, but with one that is,
/// nobody who does not hear the questions can answer them.
pub type Random<'a> = &'a mut dyn FnMut() -> u32;

/// What a client is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// By what the server knows the client: option 61 with its type byte. One in `provided` takes its place.
    pub client_id: Vec<u8>,
    /// The interface's hardware address.
    pub hardware: [u8; 6],
    /// What is asked of the server: the codes of option 55.
    pub requested: Vec<u8>,
    /// Options that are sent along with each DISCOVER and REQUEST, by code. Those that the protocol itself needs are not
    /// replaced by them (50, 53, 54, 55; 0, 52 and 255 are no options).
    pub provided: Vec<(u8, Vec<u8>)>,
    /// Answers are asked for by broadcast.
    pub broadcast: bool,
    /// The longest message that the client can receive, in bytes: the MTU without the headers of IP and UDP (28).
    pub longest_message: u16,
    /// For how long answers are awaited after a send (`-timeout`).
    pub timeout: Duration,
    /// How far apart resends get at most, but for a second of chance (`-resendmax`).
    pub resend_max: Duration,
    /// When the first acquisition gives up (`-resendtimeout`).
    pub give_up: Duration,
}

/// Where a client begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Without anything: INIT.
    Discover,
    /// With a lease of before, whose address the interface has: INIT-REBOOT. Its term may be
    /// [`Term::Unknown`](super::Term::Unknown), and its times may be over.
    Reboot(Box<Lease>),
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Time has passed.
    Wake,
    /// A message came to the client's port.
    Received {
        /// The message.
        message: &'a Message,
        /// The source of the packet.
        from: Ipv4Addr,
        /// The source of the frame.
        from_mac: [u8; 6],
    },
    /// Something came from a server's port that is no message.
    Malformed(MalformedMessage),
    /// The link has come up, or has changed otherwise so that it is worth asking at once.
    LinkUp,
    /// The answer to [`Action::Probe`].
    Probed {
        /// The address.
        address: Ipv4Addr,
        /// Who has it, if anybody.
        in_use: Option<[u8; 6]>,
    },
    /// The address is to be given back, and nothing else is wanted.
    Release,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answers are awaited from now on: before what is sent next, a socket is needed that receives.
    Listen,
    /// No answer is awaited any longer.
    Close,
    /// A message is to be sent. It may come without [`Listen`](Self::Listen), where none is answered (RELEASE, DECLINE).
    Send(Outgoing),
    /// Whether anybody has this address is to be found out by ARP probes (RFC 5227, 2.1.1) and told
    /// ([`Event::Probed`]). It is for the driver to choose how many and how long; a few tenths of a second do. Without an
    /// answer within three seconds the address is taken.
    Probe(Ipv4Addr),
    /// The address may be used, until the lease expires.
    Bound {
        /// What is held.
        lease: Lease,
        /// What is new about it.
        change: Change,
    },
    /// The address must no longer be used. The client goes on and looks for another.
    Lost {
        /// What was held.
        lease: Lease,
        /// Why it is no more.
        loss: Loss,
    },
    /// An answer that was for us could not be used; for the log.
    Ignored {
        /// Who sent it.
        from: Ipv4Addr,
        /// Why.
        why: Unusable,
    },
    /// The first acquisition has given up. The last: the client is at its end.
    Failed(Failure),
    /// After [`Event::Release`], the last.
    Done,
}

/// What is new about a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// All of it: none was held.
    New,
    /// Its times alone.
    Renewed,
    /// The interface is to be configured otherwise: another address, prefix, router, route, MTU, or other names.
    Changed {
        /// What was held until now.
        from: Box<Lease>,
    },
    /// Nothing but perhaps its times: a server says after a reboot that it still holds.
    Confirmed,
    /// Nothing: no server has answered after a reboot, and the lease is held until its end (RFC 2131, 3.2).
    Kept,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message.
    pub message: Message,
    /// Where to.
    pub to: Destination,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To everybody on the link, from 0.0.0.0, or from the message's `ciaddr` where it has one.
    Broadcast,
    /// To one server.
    Unicast {
        /// The client's address.
        from: Ipv4Addr,
        /// The server's.
        to: Ipv4Addr,
        /// To which hardware address the last answer says: the server's own, or a router's or relay's.
        mac: Option<[u8; 6]>,
    },
}

/// A server's refusal, a NAK.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the DHCP server {server} refused {address}{}", .text.as_ref().map(|text| format!(": \"{text}\"")).unwrap_or_default())]
pub struct Refused {
    /// Who refused: the server's identifier, or where the packet came from.
    pub server: Ipv4Addr,
    /// What was asked for.
    pub address: Ipv4Addr,
    /// What it has to say about it.
    pub text: Option<String>,
}

/// Why an address must no longer be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// A server said so.
    #[error(transparent)]
    Refused(Refused),
    /// Its time is over.
    #[error("the lease expired, and no DHCP server renewed it")]
    Expired,
}

/// Why the first acquisition gave up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was heard.
    #[error("no DHCP server answered {sent} requests within {} seconds", .waited.as_secs())]
    NoAnswer {
        /// How many were sent.
        sent: u32,
        /// For how long.
        waited: Duration,
    },
    /// Offers came, but what was offered was not given.
    #[error(
        "the DHCP server {server} offered {address} and then did not answer the request for it"
    )]
    NotAcknowledged {
        /// Who offered last.
        server: Ipv4Addr,
        /// What.
        address: Ipv4Addr,
    },
    /// What was offered was refused when it was asked for.
    #[error(transparent)]
    Refused(Refused),
    /// What was offered is used by others.
    #[error(
        "every address that DHCP servers offered is in use by somebody else, the last one, {address}, by {}",
        mac_text(by)
    )]
    InUse {
        /// The last one.
        address: Ipv4Addr,
        /// Who has it.
        by: [u8; 6],
    },
    /// Answers came, but none of use.
    #[error("{count} answers of DHCP servers could not be used, the last one because: {why}")]
    Unusable {
        /// How many.
        count: u32,
        /// What was wrong with the last one.
        why: String,
    },
}

pub(super) fn mac_text(mac: &[u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}
