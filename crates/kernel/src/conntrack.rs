//! Connections that the kernel remembers, and making it forget them.
//!
//! A datagram that belongs to a remembered connection goes where its first one went, whatever the rules
//! say by now. So who publishes a port, or takes an address away, has what is remembered of it deleted.

use std::io;
use std::net::IpAddr;

use linkspan_netlink::{AttributeWriter, Attributes, Message, Request};
use rustix::net::AddressFamily;

use crate::Error;
use crate::exchange::Whole;
use crate::netfilter::NetfilterSocket;
use crate::netns::Netns;
use crate::rtnl::address::{address, family, octets};
use crate::sysctl;

/// A socket to connection tracking in one network namespace.
#[derive(Debug)]
pub struct Conntrack {
    socket: NetfilterSocket,
}

/// Which connections: those that are as every field says that is not `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// IPv4 or IPv6 (`AF_…`).
    pub family: u8,
    /// The transport protocol (`IPPROTO_…`).
    pub protocol: Option<u8>,
    /// The address that they were made to, before any translation.
    pub destination: Option<IpAddr>,
    /// The port that they were made to, before any translation.
    pub destination_port: Option<u16>,
    /// The address that answers, after any translation: the container's.
    pub answered_by: Option<IpAddr>,
}

/// A connection that the kernel remembers, as far as [`Connections`] tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// IPv4 or IPv6 (`AF_…`).
    pub family: u8,
    /// The transport protocol (`IPPROTO_…`).
    pub protocol: Option<u8>,
    /// The address that it was made to, before any translation.
    pub destination: Option<IpAddr>,
    /// The port that it was made to, before any translation; only protocols that have ports.
    pub destination_port: Option<u16>,
    /// The address that answers, after any translation.
    pub answered_by: Option<IpAddr>,
}

/// Reads a message as a connection.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzing(message: &Message<'_>) -> Option<Request> {
    let all = [libc::AF_INET, libc::AF_INET6].map(|family| Connections::of_family(family as u8));
    deletion(message, &all, &|_| true)
}

impl Connection {
    fn read(family: u8, original: &Attributes<'_>, reply: &Attributes<'_>) -> Self {
        let ip_of = |tuple: &Attributes<'_>, v4, v6| {
            let ip = tuple.get(CTA_TUPLE_IP)?.nested();
            let is_ipv4 = i32::from(family) == libc::AF_INET;
            let kind = if is_ipv4 { v4 } else { v6 };
            address(family, ip.get(kind)?.payload)
        };
        let proto = original.get(CTA_TUPLE_PROTO).map(|proto| proto.nested());
        let proto = |kind| proto.as_ref()?.get(kind);
        Self {
            family,
            protocol: proto(CTA_PROTO_NUM).and_then(|number| number.as_u8()),
            destination: ip_of(original, CTA_IP_V4_DST, CTA_IP_V6_DST),
            destination_port: proto(CTA_PROTO_DST_PORT).and_then(|port| port.as_be16()),
            answered_by: ip_of(reply, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
        }
    }
}

// linux/netfilter/nfnetlink_conntrack.h
const CT_GET: u16 = message_kind(1);
const CT_DELETE: u16 = message_kind(2);
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;
/// What of a tuple a filter looks at (`CTA_FILTER_F_…`, net/netfilter/nf_internals.h).
const LOOK_AT_SOURCE: u32 = 1 << 0;
const LOOK_AT_DESTINATION: u32 = 1 << 1;
const LOOK_AT_PROTOCOL: u32 = 1 << 3;
const LOOK_AT_DESTINATION_PORT: u32 = 1 << 5;

/// Bytes of `struct nfgenmsg`.
const HEADER: usize = 4;

const fn message_kind(message: u16) -> u16 {
    (libc::NFNL_SUBSYS_CTNETLINK as u16) << 8 | message
}

impl Connections {
    /// All of a family (`AF_…`), to be narrowed by setting fields.
    pub fn of_family(family: u8) -> Self {
        Self {
            family,
            protocol: None,
            destination: None,
            destination_port: None,
            answered_by: None,
        }
    }

    /// Those of a protocol (`IPPROTO_…`) that were made to a port, at whatever address of a family.
    pub fn to_port(family: u8, protocol: u8, port: u16) -> Self {
        Self {
            protocol: Some(protocol),
            destination_port: Some(port),
            ..Self::of_family(family)
        }
    }

    /// Those that were made to an address.
    pub fn to_address(destination: IpAddr) -> Self {
        Self {
            destination: Some(destination),
            ..Self::of_family(family(destination))
        }
    }

    /// Those that an address answers, by whatever address it was called.
    pub fn answered_by(address: IpAddr) -> Self {
        Self {
            answered_by: Some(address),
            ..Self::of_family(family(address))
        }
    }

    /// What both have in common: at least the connections of both.
    fn and(self, other: Self) -> Self {
        fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.filter(|one| other.as_ref() == Some(one))
        }
        Self {
            family: self.family,
            protocol: same(self.protocol, other.protocol),
            destination: same(self.destination, other.destination),
            destination_port: same(self.destination_port, other.destination_port),
            answered_by: same(self.answered_by, other.answered_by),
        }
    }

    /// A request for all of them. Kernels before 5.8 do not filter, and answer with the whole family.
    fn query(&self, filtered: bool) -> Request {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        let mut request = Request::new(CT_GET, flags);
        request.header(&[self.family, 0, 0, 0]);
        if filtered {
            self.as_the_kernel_matches().write_filter(&mut request);
        }
        request
    }

    /// What of it the kernel can be asked for.
    ///
    /// # Kernel
    /// Of IPv6 no addresses: it lets pass all but those that are asked for
    /// (`ctnetlink_filter_match_tuple` compares the wrong way round; seen in 6.1 and 6.18). No ports
    /// without a protocol.
    fn as_the_kernel_matches(&self) -> Self {
        let is_ipv4 = i32::from(self.family) == libc::AF_INET;
        let may_ask_for_reply = |_: &IpAddr| is_ipv4 && reads_replies();
        Self {
            destination: self.destination.filter(|_| is_ipv4),
            answered_by: self.answered_by.filter(may_ask_for_reply),
            destination_port: self.destination_port.filter(|_| self.protocol.is_some()),
            ..*self
        }
    }

    fn write_filter(&self, request: &mut Request) {
        let looked_at = [
            (self.destination.is_some(), LOOK_AT_DESTINATION),
            (self.protocol.is_some(), LOOK_AT_PROTOCOL),
            (self.destination_port.is_some(), LOOK_AT_DESTINATION_PORT),
        ];
        let flags = looked_at.into_iter().filter(|(is_asked, _)| *is_asked);
        let original = flags.fold(0, |all, (_, flag)| all | flag);
        let reply = self.answered_by.map_or(0, |_| LOOK_AT_SOURCE);
        if original | reply == 0 {
            return;
        }
        request.nest(CTA_TUPLE_ORIG, |tuple| {
            self.destination
                .map(|address| write_ip(tuple, address, CTA_IP_V4_DST));
            self.protocol.map(|protocol| {
                tuple.nest(CTA_TUPLE_PROTO, |proto| {
                    proto.u8(CTA_PROTO_NUM, protocol);
                    self.destination_port
                        .map(|port| proto.be16(CTA_PROTO_DST_PORT, port));
                })
            });
        });
        request.nest(CTA_TUPLE_REPLY, |tuple| {
            self.answered_by
                .map(|address| write_ip(tuple, address, CTA_IP_V4_SRC));
        });
        request.nest(CTA_FILTER, |filter| {
            filter
                .u32(CTA_FILTER_ORIG_FLAGS, original)
                .u32(CTA_FILTER_REPLY_FLAGS, reply);
        });
    }

    /// Whether a connection is one of them.
    fn include(&self, one: &Connection) -> bool {
        self.family == one.family
            && (self.protocol.is_none() || self.protocol == one.protocol)
            && (self.destination_port.is_none() || self.destination_port == one.destination_port)
            && (self.destination.is_none() || self.destination == one.destination)
            && (self.answered_by.is_none() || self.answered_by == one.answered_by)
    }
}

/// One address of a tuple.
fn write_ip(tuple: &mut AttributeWriter, address: IpAddr, kind: u16) -> &mut AttributeWriter {
    tuple.nest(CTA_TUPLE_IP, |ip| {
        ip.bytes(kind, &octets(address));
    })
}

/// Whether the kernel reads what is asked of the reply. Before 5.17, unless that was mended in it, it
/// read there what was asked of the original direction, and then found nothing.
fn reads_replies() -> bool {
    sysctl::read("kernel/osrelease").is_ok_and(|release| is_at_least(&release, (5, 17)))
}

fn is_at_least(release: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= wanted)
}

impl Conntrack {
    /// Opens it in the caller's namespace. Asks nothing of the kernel yet.
    ///
    /// # Errors
    /// [`is_unsupported`](Error::is_unsupported) when the kernel has no netfilter netlink.
    pub fn open() -> Result<Self, Error> {
        let socket = NetfilterSocket::open()?;
        // To be closed without waiting for what others have deleted, either.
        Ok(Self { socket })
    }

    /// Opens it in another namespace; it stays there.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and those of entering the namespace.
    pub fn open_in(namespace: &Netns) -> Result<Self, Error> {
        namespace.run(Self::open)?
    }

    /// Makes the kernel forget the connections that any of `which` includes; returns how many there were.
    ///
    /// The kernel walks through its table once for each family.
    ///
    /// # Errors
    /// [`is_unsupported`](Error::is_unsupported) when the kernel cannot be asked about connections
    /// (`nf_conntrack_netlink` is missing); then it may track them all the same.
    pub fn delete(&self, which: &[Connections]) -> Result<usize, Error> {
        self.delete_those(which, &|_| true)
    }

    /// The same for those of them that `is_stale` accepts.
    ///
    /// # Errors
    /// Those of [`delete`](Self::delete).
    pub fn delete_those(
        &self,
        which: &[Connections],
        is_stale: &dyn Fn(&Connection) -> bool,
    ) -> Result<usize, Error> {
        let mut deleted = 0;
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            let family = family.as_raw() as u8;
            let of_family = which.iter().filter(|one| one.family == family);
            let wanted: Vec<Connections> = of_family.copied().collect();
            let found = self.find(&wanted, is_stale)?;
            deleted += self.delete_all(&found)?;
        }
        Ok(deleted)
    }

    /// Requests to delete the connections that any of `wanted`, all of one family, includes.
    fn find(
        &self,
        wanted: &[Connections],
        is_stale: &dyn Fn(&Connection) -> bool,
    ) -> Result<Vec<Request>, Error> {
        let Some(common) = wanted.iter().copied().reduce(Connections::and) else {
            return Ok(Vec::new());
        };
        let decode = |message: &Message<'_>| deletion(message, wanted, is_stale);
        match self.dump(&common.query(true), decode) {
            // Either it does not know such filters, or it knows nothing of connections at all.
            Err(error) if is_refusal(&error) => match self.dump(&common.query(false), decode) {
                Err(error) if is_refusal(&error) => Err(failed(
                    "list",
                    io::Error::from_raw_os_error(libc::EOPNOTSUPP),
                )),
                outcome => outcome,
            },
            outcome => outcome,
        }
    }

    fn dump(
        &self,
        query: &Request,
        decode: impl Fn(&Message<'_>) -> Option<Request>,
    ) -> Result<Vec<Request>, Error> {
        let outcome = self.socket.dump(query, Whole::Required, decode);
        outcome
            .map_err(|error| failed("list", error))?
            .map_err(|failure| failure.into_error("list", "tracked connections"))
    }

    /// Deletes connections; returns how many of them there still were.
    fn delete_all(&self, requests: &[Request]) -> Result<usize, Error> {
        let outcomes = self.socket.exchange(requests, |_, _| ());
        let mut deleted = 0;
        for outcome in outcomes.map_err(|error| failed("delete", error))? {
            match outcome {
                Ok(()) => deleted += 1,
                // It has ended meanwhile.
                Err(failure) if failure.errno == libc::ENOENT => {}
                Err(failure) => return Err(failure.into_error("delete", "tracked connections")),
            }
        }
        Ok(deleted)
    }
}

fn failed(operation: &str, error: io::Error) -> Error {
    Error::new(operation, "tracked connections", error)
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::EINVAL | libc::EOPNOTSUPP))
}

/// The request to delete the connection in `message`, when any of `wanted` includes it and it is stale:
/// that very one, not another that is like it since.
fn deletion(
    message: &Message<'_>,
    wanted: &[Connections],
    is_stale: &dyn Fn(&Connection) -> bool,
) -> Option<Request> {
    let &[family, ..] = message.header::<HEADER>()?;
    let attributes = Attributes::new(message.attributes(HEADER));
    let original = attributes.get(CTA_TUPLE_ORIG)?;
    let reply = attributes.get(CTA_TUPLE_REPLY)?.nested();
    let connection = Connection::read(family, &original.nested(), &reply);
    if !wanted.iter().any(|one| one.include(&connection)) || !is_stale(&connection) {
        return None;
    }
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    let mut request = Request::new(CT_DELETE, flags);
    request.header(&[family, 0, 0, 0]);
    request.nest(CTA_TUPLE_ORIG, |tuple| {
        tuple.raw(original.payload);
    });
    for kind in [CTA_ZONE, CTA_ID] {
        attributes
            .get(kind)
            .map(|attribute| request.bytes(kind, attribute.payload));
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        for newer in [
            "5.17",
            "5.17.0-rc1",
            "5.100.3-generic",
            "6.1.0-40-cloud-amd64",
            "10.0",
        ] {
            assert!(is_at_least(newer, (5, 17)), "{newer}");
        }
        for older in ["5.16.20", "5.4", "4.18.0-553.el8_10.x86_64", "5", "", "x.y"] {
            assert!(!is_at_least(older, (5, 17)), "{older}");
        }
    }
}
