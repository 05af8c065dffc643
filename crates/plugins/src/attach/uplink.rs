//! The link that traffic leaves by when nothing more is known of its destination.

use linkspan_kernel::rtnl::{Link, Route, RouteFilter};
use linkspan_plan::Side;
use linkspan_plan::fault::explain;
use linkspan_plugin::spec::{Error, ErrorCode};

use super::routes::MAIN_TABLE;

/// The link of the default route with the lowest metric; IPv4's come first.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when there is no default route.
pub fn uplink(side: &Side) -> Result<Link, Error> {
    let filter = RouteFilter {
        table: Some(MAIN_TABLE),
        ..RouteFilter::default()
    };
    let routes = side.rtnl().routes(filter).map_err(explain)?;
    let link = routes
        .iter()
        .filter(|route| route.destination.prefix_len() == 0)
        .filter_map(|route| Some((rank(route), link_of(route)?)))
        .min();
    let (_, index) = link.ok_or_else(|| {
        Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            "no default route interface found",
        )
        .with_details("name the interface in the configuration, or add a default route")
    })?;
    side.rtnl().link_at(index).map_err(explain)
}

fn rank(route: &Route) -> (bool, u32) {
    (
        route.destination.addr().is_ipv6(),
        route.priority.unwrap_or_default(),
    )
}

fn link_of(route: &Route) -> Option<u32> {
    route.link.or(route.next_hops.first().map(|hop| hop.link))
}
