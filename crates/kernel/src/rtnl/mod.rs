//! Links, addresses, routes, neighbours and rules: the routing family of netlink.
//!
//! A [`Change`] is one request; [`Rtnl::commit`] sends many in one datagram. Links are found by name
//! or index, never by listing.

pub(crate) mod address;
mod advice;
mod bridge;
mod counters;
mod link;
mod link_change;
mod link_data;
mod neighbour;
mod netns_id;
mod new_link;
mod opaque;
mod relocate;
mod remove;
mod route;
mod rule;
mod table;
pub mod tc;

use std::fmt;
use std::io;

use linkspan_netlink::{Message, Request};

pub use address::Address;
pub use bridge::{BridgeVlan, VlanFlags};
pub use counters::Counters;
pub use link::{Link, OperState};
pub use link_change::{LinkChange, PortChange};
pub use link_data::{IpvlanMode, LinkData, MacvlanMode};
pub use neighbour::Neighbour;
pub use new_link::{Kind, NewLink, Peer};
pub use opaque::Opaque;
pub use relocate::{Arrival, Place, Rename, move_link};
pub use route::{NextHop, Route, RouteFilter};
pub use rule::Rule;

use crate::Error;
use crate::exchange::{Failure, Whole};
use crate::netns::Netns;
use crate::socket::Socket;

/// Reads a message as each kind of answer.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzing(message: &Message<'_>) {
    let _ = Link::decode(message);
    let _ = Address::decode(message);
    let _ = (Route::decode(message), Route::decode_looked_up(message));
    let _ = Rule::decode(message);
    let _ = bridge::vlans_of(message);
    let _ = bridge::vlans_of_link(message, 1);
    let _ = counters::decode(message);
    let _ = netns_id::decode(message);
    tc::fuzzing(message);
}

/// A routing socket in one network namespace.
#[derive(Debug)]
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// Opens it in the caller's namespace.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn open() -> Result<Self, Error> {
        Socket::open(None)
            .map(|socket| Self { socket })
            .map_err(|error| Error::new("open", "a socket to the kernel's routing", error))
    }

    /// Opens it in another namespace; it stays there.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and those of entering the namespace.
    pub fn open_in(namespace: &Netns) -> Result<Self, Error> {
        namespace.run(Self::open)?
    }

    /// Makes changes, in order, 32 in one send. Each stands for itself: one that fails does not keep
    /// those after it from being made.
    ///
    /// # Errors
    /// When the kernel cannot be asked at all; what it says of each change is in the list.
    pub fn commit(&self, changes: &[Change]) -> Result<Vec<Result<(), Error>>, Error> {
        let requests: Vec<Request> = changes.iter().map(Change::request).collect();
        let outcomes = self
            .socket
            .exchange(&requests, |_, _| ())
            .map_err(|error| {
                Error::unanswered(
                    "send",
                    format!("{} changes to the kernel", changes.len()),
                    error,
                )
            })?;
        let explain = |(outcome, change): (Result<(), Failure>, &Change)| {
            outcome.map_err(|failure| change.refused(failure))
        };
        Ok(outcomes.into_iter().zip(changes).map(explain).collect())
    }

    /// Makes one change.
    ///
    /// # Errors
    /// What the kernel says of it.
    pub fn change(&self, change: Change) -> Result<(), Error> {
        self.commit(&[change])?.into_iter().collect()
    }

    /// Sends one request whose answers go to `take`: with [`ACK`] all of them, without it the only one.
    fn ask(
        &self,
        operation: &str,
        object: &dyn fmt::Display,
        request: Request,
        mut take: impl FnMut(&Message<'_>),
    ) -> Result<(), Error> {
        let outcomes = self
            .socket
            .exchange(&[request], |_, message| take(message))
            .map_err(|error| Error::unanswered(operation, object.to_string(), error))?;
        outcomes.into_iter().try_for_each(|outcome| {
            outcome.map_err(|failure| failure.into_error(operation, object.to_string()))
        })
    }

    fn dump<T>(
        &self,
        operation: &str,
        object: &dyn fmt::Display,
        request: &Request,
        decode: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        self.list(operation, object, request, Whole::Required, decode)
    }

    fn list<T>(
        &self,
        operation: &str,
        object: &dyn fmt::Display,
        request: &Request,
        whole: Whole,
        decode: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        self.socket
            .dump(request, whole, decode)
            .map_err(|error| Error::unanswered(operation, object.to_string(), error))?
            .map_err(|failure| failure.into_error(operation, object.to_string()))
    }

    /// Runs a dump that the kernel does not watch: what moves up, because something before it is removed
    /// between two datagrams, is left out without a word. What fits into one datagram is listed at once; a
    /// longer list is right when it comes out the same twice.
    fn dump_unwatched<T: PartialEq>(
        &self,
        operation: &str,
        object: &dyn fmt::Display,
        request: &Request,
        decode: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        /// As many as fit into the first datagram, of 4 KiB.
        const AT_ONCE: usize = 30;
        const ATTEMPTS: u32 = 100;
        let mut last = self.dump(operation, object, request, &decode)?;
        for _ in 0..ATTEMPTS {
            if last.len() <= AT_ONCE {
                return Ok(last);
            }
            let next = self.dump(operation, object, request, &decode)?;
            if next == last {
                return Ok(last);
            }
            last = next;
        }
        let error = io::Error::from_raw_os_error(libc::EINTR);
        Err(Error::new(operation, object.to_string(), error))
    }
}

/// One request that changes something and answers only whether it did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Changes settings of the link with this index.
    SetLink(u32, LinkChange),
    /// Removes the link with this index.
    DeleteLink(u32),
    /// Removes the link of this name.
    DeleteLinkNamed(String),
    /// Gives the link with this index another name beside its own.
    AddAltName(u32, String),
    /// Takes one of its other names from the link with this index.
    DeleteAltName(u32, String),
    /// Adds an address to the link with this index.
    AddAddress(u32, Address),
    /// Removes an address from the link with this index.
    DeleteAddress(u32, Address),
    /// Adds a route. One to the same destination by another way, with the same metric and in the same
    /// table, stays beside it: of IPv4 the newer is taken, of IPv6 both are.
    AddRoute(Route),
    /// Adds a route behind those with the same destination, metric and table, so that routes that were
    /// listed are in the same order when they are added again.
    AppendRoute(Route),
    /// Adds a route or puts it in the place of one with the same destination, metric and table.
    ReplaceRoute(Route),
    /// Removes a route.
    DeleteRoute(Route),
    /// Adds a neighbour or puts it in the place of another.
    ReplaceNeighbour(Neighbour),
    /// Removes a neighbour.
    DeleteNeighbour(Neighbour),
    /// Adds a routing rule.
    AddRule(Rule),
    /// Removes a routing rule.
    DeleteRule(Rule),
    /// Lets VLANs pass the bridge port with this index.
    AddBridgeVlan(u32, BridgeVlan),
    /// Keeps VLANs from passing the bridge port with this index.
    DeleteBridgeVlan(u32, BridgeVlan),
    /// Gives the link with this index a queueing discipline.
    AddQdisc(u32, tc::Qdisc),
    /// Removes the queueing discipline below this parent from the link with this index, with its
    /// classes and filters.
    DeleteQdisc(u32, tc::Handle),
    /// Adds a class to the htb qdisc of the link with this index.
    AddHtbClass(u32, tc::HtbClass),
    /// Removes a class from the htb qdisc of the link with this index.
    DeleteHtbClass(u32, tc::Handle),
    /// Adds a filter to a qdisc of the link with this index.
    AddFilter(u32, tc::Filter),
    /// Removes the filters of this priority below this parent from the link with this index.
    DeleteFilters(u32, tc::Handle, u16),
}

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = libc::NLM_F_ACK as u16;
const DUMP: u16 = libc::NLM_F_DUMP as u16;
const CHANGE: u16 = REQUEST | ACK;
const CREATE: u16 = CHANGE | libc::NLM_F_CREATE as u16;
const CREATE_NEW: u16 = CREATE | libc::NLM_F_EXCL as u16;
const APPEND: u16 = CREATE | libc::NLM_F_APPEND as u16;
const REPLACE: u16 = CREATE | libc::NLM_F_REPLACE as u16;

impl Change {
    fn request(&self) -> Request {
        match self {
            Self::SetLink(index, change) => change.request(*index),
            Self::DeleteLink(index) => link::delete(*index),
            Self::DeleteLinkNamed(name) => link::delete_named(name),
            Self::AddAltName(index, name) => {
                link::alt_name(link::RTM_NEWLINKPROP, CREATE_NEW, *index, name)
            }
            Self::DeleteAltName(index, name) => {
                link::alt_name(link::RTM_DELLINKPROP, CHANGE, *index, name)
            }
            Self::AddAddress(index, address) => {
                address.request(libc::RTM_NEWADDR, CREATE_NEW, *index)
            }
            Self::DeleteAddress(index, address) => {
                address.request(libc::RTM_DELADDR, CHANGE, *index)
            }
            Self::AddRoute(route) => route.request(libc::RTM_NEWROUTE, CREATE),
            Self::AppendRoute(route) => route.request(libc::RTM_NEWROUTE, APPEND),
            Self::ReplaceRoute(route) => route.request(libc::RTM_NEWROUTE, REPLACE),
            Self::DeleteRoute(route) => route.request(libc::RTM_DELROUTE, CHANGE),
            Self::ReplaceNeighbour(neighbour) => neighbour.request(libc::RTM_NEWNEIGH, REPLACE),
            Self::DeleteNeighbour(neighbour) => neighbour.request(libc::RTM_DELNEIGH, CHANGE),
            Self::AddRule(rule) => rule.request(libc::RTM_NEWRULE, CREATE_NEW),
            Self::DeleteRule(rule) => rule.request(libc::RTM_DELRULE, CHANGE),
            Self::AddBridgeVlan(index, vlan) => vlan.request(libc::RTM_SETLINK, *index),
            Self::DeleteBridgeVlan(index, vlan) => vlan.request(libc::RTM_DELLINK, *index),
            Self::AddQdisc(index, qdisc) => qdisc.request(libc::RTM_NEWQDISC, CREATE_NEW, *index),
            Self::DeleteQdisc(index, parent) => tc::delete_qdisc(*index, *parent),
            Self::AddHtbClass(index, class) => {
                class.request(libc::RTM_NEWTCLASS, CREATE_NEW, *index)
            }
            Self::DeleteHtbClass(index, class) => tc::delete_class(*index, *class),
            Self::AddFilter(index, filter) => {
                filter.request(libc::RTM_NEWTFILTER, CREATE_NEW, *index)
            }
            Self::DeleteFilters(index, parent, priority) => {
                tc::delete_filters(*index, *parent, *priority)
            }
        }
    }

    /// The error of a change that the kernel refused.
    fn refused(&self, mut failure: Failure) -> Error {
        let (operation, object) = self.describe();
        failure.errno = self.reason(failure.errno);
        let advice = self.advice(failure.errno);
        failure.into_error(operation, object).with_advice(advice)
    }

    /// What the kernel meant by an error number, where traffic control has its own.
    fn reason(&self, errno: i32) -> i32 {
        match (self, errno) {
            // A kind of qdisc, filter or action that this kernel does not have. What hangs below a class
            // may also miss the class.
            (Self::AddQdisc(_, qdisc), libc::ENOENT) if qdisc.is_outermost() => libc::EOPNOTSUPP,
            (Self::AddFilter(..), libc::ENOENT) => libc::EOPNOTSUPP,
            // No such qdisc to have filters.
            (Self::DeleteFilters(..), libc::EINVAL) => libc::ENOENT,
            _ => errno,
        }
    }

    /// What it does, and to what, for an error.
    fn describe(&self) -> (String, String) {
        let link = |index: &u32| format!("link {index}");
        match self {
            Self::SetLink(index, change) => (change.to_string(), link(index)),
            Self::DeleteLink(index) => ("delete".into(), link(index)),
            Self::DeleteLinkNamed(name) => ("delete".into(), format!("link {name:?}")),
            Self::AddAltName(index, name) => (format!("add the name {name:?} to"), link(index)),
            Self::DeleteAltName(index, name) => {
                (format!("take the name {name:?} from"), link(index))
            }
            Self::AddAddress(index, address) => (format!("add address {address} to"), link(index)),
            Self::DeleteAddress(index, address) => {
                (format!("delete address {address} from"), link(index))
            }
            Self::AddRoute(route) | Self::AppendRoute(route) => {
                ("add".into(), format!("route {route}"))
            }
            Self::ReplaceRoute(route) => ("replace".into(), format!("route {route}")),
            Self::DeleteRoute(route) => ("delete".into(), format!("route {route}")),
            Self::ReplaceNeighbour(neighbour) => ("set".into(), format!("neighbour {neighbour}")),
            Self::DeleteNeighbour(neighbour) => ("delete".into(), format!("neighbour {neighbour}")),
            Self::AddRule(rule) => ("add".into(), format!("rule {rule}")),
            Self::DeleteRule(rule) => ("delete".into(), format!("rule {rule}")),
            Self::AddBridgeVlan(index, vlan) => (format!("let {vlan} pass"), link(index)),
            Self::DeleteBridgeVlan(index, vlan) => (format!("keep {vlan} from"), link(index)),
            Self::AddQdisc(index, qdisc) => (format!("add {qdisc} to"), link(index)),
            Self::DeleteQdisc(index, parent) => {
                (format!("delete the {parent} qdisc of"), link(index))
            }
            Self::AddHtbClass(index, class) => (format!("add {class} to"), link(index)),
            Self::DeleteHtbClass(index, class) => (format!("delete class {class} of"), link(index)),
            Self::AddFilter(index, filter) => (format!("add {filter} to"), link(index)),
            Self::DeleteFilters(index, parent, priority) => (
                format!("delete the filters {priority} below {parent} of"),
                link(index),
            ),
        }
    }
}
