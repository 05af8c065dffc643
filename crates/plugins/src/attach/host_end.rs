//! The other end of the container's interface.

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::Link;
use linkspan_plan::Namespaces;
use linkspan_plan::fault::explain;
use linkspan_plugin::spec::Error;

/// The end on the host of a pair whose other end is this link in the container; `None` when it is no such
/// pair, or its other end is elsewhere.
///
/// Only the number of the namespace tells where the other end is: a link with the same index may well be
/// on the host too.
///
/// # Errors
/// What the kernel says.
pub fn host_end(namespaces: &Namespaces, inside: &Link) -> Result<Option<Link>, Error> {
    if let Some(imagined) = namespaces.imagined() {
        return Ok(imagined.host_end(inside).map(|link| (*link).clone()));
    }
    let (Some(index), Some(netns)) = (inside.parent, inside.parent_netns) else {
        return Ok(None);
    };
    if !inside.is_kind("veth") {
        return Ok(None);
    }
    let host = Netns::current().map_err(explain)?;
    let number = namespaces.container()?.rtnl().netns_id(&host);
    if number.map_err(explain)? != Some(netns) {
        return Ok(None);
    }
    match namespaces.host().rtnl().link_at(index) {
        Ok(link) => Ok(Some(link)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(explain(error)),
    }
}
