//! Connections that the kernel remembers from before a port was published, or from when it was.
//!
//! A datagram of a remembered connection goes where the first one went, whatever the rules say by now: to
//! nobody, or to a container that is gone, as long as the client does not stop sending (kubernetes#95258).
//! TCP ends by itself. Nothing here fails an ADD or a DEL: where connections cannot be asked for, they are
//! not tracked, or end when the client is silent for some time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;

use linkspan_kernel::conntrack::{Connection, Connections, Conntrack};
use linkspan_kernel::rtnl::Rtnl;

use super::{PublishedPorts, Transport};

/// `RTN_LOCAL`
const LOCAL: u8 = 2;

/// After ports were published: makes the kernel forget connections to them that somebody else answers.
pub(super) fn forget_before(part: &PublishedPorts) {
    let container = part.container.addr();
    let locals = Locals::default();
    delete(&connections(part, None), &|one| {
        one.answered_by != Some(container) && one.destination.is_some_and(|to| locals.include(to))
    });
}

/// After ports were withdrawn: makes the kernel forget connections to them that the container answers.
pub(super) fn forget_after(part: &PublishedPorts) {
    let container = part.container.addr();
    delete(&connections(part, Some(container)), &|_| true);
}

fn connections(part: &PublishedPorts, answered_by: Option<IpAddr>) -> Vec<Connections> {
    let family = Connections::answered_by(part.container.addr()).family;
    let ports = part.single_ports();
    ports
        .filter(|port| port.protocol != Transport::Tcp)
        .map(|port| Connections {
            destination: port.host_address,
            answered_by,
            ..Connections::to_port(family, port.protocol.number(), port.host_port)
        })
        .collect()
}

fn delete(which: &[Connections], is_stale: &dyn Fn(&Connection) -> bool) {
    if which.is_empty() {
        return;
    }
    // As said above: without an answer, there is nothing more to be done.
    let _ = Conntrack::open().and_then(|conntrack| conntrack.delete_those(which, is_stale));
}

/// Which addresses are this host's own. What merely passes through it to a port of the same number elsewhere
/// is not stale.
#[derive(Default)]
struct Locals {
    rtnl: RefCell<Option<Rtnl>>,
    known: RefCell<HashMap<IpAddr, bool>>,
}

impl Locals {
    fn include(&self, address: IpAddr) -> bool {
        let ask = || {
            let mut rtnl = self.rtnl.borrow_mut();
            let rtnl = match &mut *rtnl {
                Some(rtnl) => rtnl,
                none => none.insert(Rtnl::open().ok()?),
            };
            let route = rtnl.route_to(address).ok()??;
            Some(route.kind == LOCAL)
        };
        let mut known = self.known.borrow_mut();
        *known.entry(address).or_insert_with(|| ask() == Some(true))
    }
}
