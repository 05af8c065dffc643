//! The route that a packet would take.

use std::net::IpAddr;

use linkspan_netlink::Request;

use super::Route;
use crate::Error;
use crate::rtnl::address::{family, octets};
use crate::rtnl::{REQUEST, Rtnl};

impl Rtnl {
    /// The route that this host takes to an address: its kind is `RTN_LOCAL` for an address of the host itself. `None`
    /// when there is none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn route_to(&self, destination: IpAddr) -> Result<Option<Route>, Error> {
        let octets = octets(destination);
        let prefix = u8::try_from(8 * octets.len()).unwrap_or_default();
        let mut request = Request::new(libc::RTM_GETROUTE, REQUEST);
        request.header(&[family(destination), prefix, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        request.bytes(libc::RTA_DST, &octets);
        let mut found = None;
        let object = format!("the route to {destination}");
        let outcome = self.ask("look up", &object, request, |message| {
            found = found.take().or(Route::decode_looked_up(message));
        });
        match outcome {
            Err(error) if is_unreachable(&error) => Ok(None),
            outcome => outcome.map(|()| found),
        }
    }
}

/// The errors that a route can be there to give, and that of a family that this kernel does not have.
fn is_unreachable(error: &Error) -> bool {
    matches!(
        error.errno(),
        Some(
            libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::EINVAL
                | libc::EACCES
                | libc::ESRCH
                | libc::EOPNOTSUPP
                | libc::EAFNOSUPPORT
        )
    )
}
