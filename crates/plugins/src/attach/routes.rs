//! Routes of the container's interface, apart from those of others.

use std::time::Duration;

use linkspan_kernel::rtnl::{NextHop, Route};
use linkspan_plan::{Namespaces, Routing};
use linkspan_plugin::spec::{Error, ErrorCode};
use linkspan_state::lock::Lock;

/// How long another may work on the routes of the namespace.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// Keeps others from choosing and filling tables of the container's namespace, until it is dropped. Where there is no
/// place for a lock nobody is kept: runtimes attach the networks of a container one after the other.
///
/// # Errors
/// When somebody else does so for too long.
pub fn lock(namespaces: &Namespaces) -> Result<Option<Lock>, Error> {
    let Some(netns) = namespaces.container()?.netns() else {
        return Ok(None);
    };
    match Lock::of_container(netns, LOCK_DEADLINE) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::TIMEDOUT.raw_os_error()) => {
            Err(Error::new(
                ErrorCode::INTERNAL,
                "cannot lock the routes of the container's network namespace: another plugin works on them all \
                 the time",
            )
            .with_details("the call can be repeated"))
        }
        lock => Ok(lock.ok()),
    }
}

/// The main routing table, `RT_TABLE_MAIN`.
pub const MAIN_TABLE: u32 = 254;

/// Of a route, what leaves by the link with this index; `None` when nothing does. A route that goes several
/// ways at once can go by several links (plugins#1253).
pub fn own_part(route: &Route, link: u32) -> Option<Route> {
    if route.next_hops.is_empty() {
        return (route.link == Some(link)).then(|| standing_alone(route));
    }
    let own = |hop: &&NextHop| hop.link == link;
    with_hops(route, route.next_hops.iter().filter(own))
}

/// What a plugin does to take the part of a route away that leaves by this link.
pub fn without_own_part(route: &Route, link: u32) -> Option<Routing> {
    let own = own_part(route, link)?;
    let others = route.next_hops.iter().filter(|hop| hop.link != link);
    match with_hops(route, others) {
        // IPv6 has each way as a route of its own.
        Some(rest) if route.destination.addr().is_ipv4() => Some(Routing::Route {
            route: Box::new(rest),
            before: Some(Box::new(standing_alone(route))),
        }),
        _ => Some(Routing::NoRoute(Box::new(own))),
    }
}

/// The route with these ways alone; `None` without any.
fn with_hops<'h>(route: &Route, hops: impl Iterator<Item = &'h NextHop>) -> Option<Route> {
    let mut route = standing_alone(route);
    route.next_hops = hops.cloned().collect();
    if let [only] = route.next_hops.as_slice() {
        (route.link, route.gateway) = (Some(only.link), only.gateway);
        (route.onlink, route.other) = (only.onlink, only.other.clone());
        route.next_hops.clear();
    } else if route.next_hops.is_empty() {
        return None;
    }
    Some(route)
}

/// The route with its ways in itself: a next hop object goes when its link is switched off.
fn standing_alone(route: &Route) -> Route {
    Route {
        next_hop_object: None,
        ..route.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(link: u32, gateway: &str) -> NextHop {
        NextHop {
            link,
            gateway: Some(gateway.parse().unwrap()),
            weight: 1,
            onlink: link == 2,
            other: linkspan_kernel::rtnl::Opaque::default(),
        }
    }

    fn several(destination: &str, hops: Vec<NextHop>) -> Route {
        Route {
            link: None,
            next_hops: hops,
            ..Route::new(destination.parse().unwrap(), None, 0)
        }
    }

    #[test]
    fn the_ways_of_other_links_stay() {
        let route = several(
            "0.0.0.0/0",
            vec![hop(1, "10.1.0.1"), hop(2, "10.2.0.1"), hop(2, "10.2.0.9")],
        );
        let own = own_part(&route, 2).unwrap();
        assert_eq!(own.next_hops.len(), 2);
        let one = own_part(&route, 1).unwrap();
        assert_eq!((one.link, one.next_hops.len()), (Some(1), 0));
        assert_eq!(one.gateway, Some("10.1.0.1".parse().unwrap()));
        assert_eq!(own_part(&route, 3), None);
        assert_eq!(without_own_part(&route, 3), None);
        let Some(Routing::Route { route: rest, .. }) = without_own_part(&route, 2) else {
            panic!("of IPv4, the rest replaces the whole");
        };
        assert_eq!(*rest, one);
        let Some(Routing::NoRoute(taken)) = without_own_part(&one, 1) else {
            panic!("nothing is left");
        };
        assert_eq!(*taken, one);
    }

    #[test]
    fn of_ipv6_each_way_is_taken_away_by_itself() {
        let route = several("::/0", vec![hop(1, "fd01::1"), hop(2, "fd02::1")]);
        let Some(Routing::NoRoute(taken)) = without_own_part(&route, 2) else {
            panic!("the other way stays");
        };
        assert_eq!((taken.link, taken.onlink), (Some(2), true));
    }
}
