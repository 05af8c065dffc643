//! What is waited for: an event of the kernel, with a deadline.

use std::fmt;
use std::time::Duration;

use linkspan_kernel::monitor::Monitor;
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode};

use crate::fault::explain;
use crate::foresee::Outlook;
use crate::link::LinkRef;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// How long a link may take until it carries traffic: the kernel needs milliseconds.
const RUNNING_DEADLINE: Duration = Duration::from_secs(10);

/// How long duplicate address detection may take: a second for each address, by the kernel's defaults.
const ADDRESSES_DEADLINE: Duration = Duration::from_secs(5);

/// The addresses of a link are usable: duplicate address detection is over.
#[derive(Clone, Debug)]
pub struct AwaitAddresses(pub LinkRef);

/// A link carries traffic, and as a bridge port forwards it.
#[derive(Clone, Debug)]
pub struct AwaitRunning(pub LinkRef);

impl fmt::Display for AwaitAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wait until the addresses of {} are usable", self.0)
    }
}

impl fmt::Display for AwaitRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wait until {} carries traffic", self.0)
    }
}

impl Object for AwaitAddresses {}

impl Object for AwaitRunning {
    fn foresee(&self, _namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        Ok(vec![
            Outlook::made().why("so that the first packet is not lost"),
        ])
    }
}

impl Made for AwaitAddresses {
    fn make<'a>(&self, namespaces: &'a Namespaces, _undo: &mut Undo<'a>) -> Result<(), Error> {
        let side = namespaces.side(self.0.place)?;
        let index = namespaces.link(&self.0)?.index;
        let monitor = side.run(Monitor::open)?.map_err(explain)?;
        let outcome = monitor.await_addresses(side.rtnl(), index, ADDRESSES_DEADLINE);
        outcome.map_err(|error| {
            Error::new(ErrorCode::TRY_AGAIN_LATER, error.to_string()).with_details(
                "duplicate address detection found another host with this address, or did not finish",
            )
        })
    }
}

impl Made for AwaitRunning {
    fn make<'a>(&self, namespaces: &'a Namespaces, _undo: &mut Undo<'a>) -> Result<(), Error> {
        let Self(link) = self;
        let side = namespaces.side(link.place)?;
        let index = namespaces.link(link)?.index;
        let found = side.rtnl().link_at(index);
        if found.is_ok_and(|link| link.carries_traffic()) {
            return Ok(());
        }
        let monitor = side.run(Monitor::open)?.map_err(explain)?;
        let outcome = monitor.await_running(side.rtnl(), index, RUNNING_DEADLINE);
        outcome.map_err(|error| {
            explain(error).with_details(format!(
                "{link} was connected but does not forward; `ip -d link show` and, for a bridge with STP, \
                 `bridge link` tell its state"
            ))
        })
    }
}
