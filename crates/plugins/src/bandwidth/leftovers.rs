//! The links that shape what containers send, found without the containers.

use linkspan_kernel::rtnl::tc::{Handle, Target};
use linkspan_kernel::rtnl::{Link, Rtnl};
use linkspan_netfilter::Owner;
use linkspan_plan::fault::{all, explain, gone};
use linkspan_plan::identity::{IFB_PREFIX, ifb_names};
use linkspan_plugin::spec::{Attachment, Error, Success};

/// The ifbs of an attachment, under either name. One without an alias is of the reference. Where somebody has replaced the
/// alias, it is the attachment's when the result of ADD, if there is one, has it. One whose alias names another
/// attachment is of another interface of the same container.
///
/// # Errors
/// What the kernel says.
pub(super) fn own_ifbs(
    owner: &Owner,
    result: Option<&Success>,
    rtnl: &Rtnl,
) -> Result<Vec<Link>, Error> {
    let mut own = Vec::new();
    for name in ifb_names(owner) {
        let link = match rtnl.link(&name) {
            Ok(link) => link,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(explain(error)),
        };
        let is_told = |result: &Success| result.interfaces.iter().any(|one| one.name == name);
        let is_own = match link.alias.as_deref() {
            Some(alias) if Owner::is_named_by(alias) => alias == owner.to_string(),
            Some(alias) if !alias.is_empty() => result.is_none_or(is_told),
            _ => true,
        };
        if link.is_kind("ifb") && is_own {
            own.push(link);
        }
    }
    Ok(own)
}

/// Removes the ifbs of attachments of the network that are not valid, and those of the reference that no
/// traffic reaches any more.
///
/// # Errors
/// All that could not be removed, after all others were.
pub(super) fn collect(network: &str, valid: &[Attachment]) -> Result<(), Error> {
    let rtnl = Rtnl::open().map_err(explain)?;
    let valid: Vec<Owner> = valid
        .iter()
        .map(|one| Owner::from_texts(network, &one.container_id, &one.ifname))
        .collect();
    let links = rtnl.links_seen().map_err(explain)?;
    let is_ifb = |link: &&Link| link.is_kind("ifb") && link.name.starts_with(IFB_PREFIX);
    let (marked, unmarked): (Vec<&Link>, Vec<&Link>) = links
        .iter()
        .filter(is_ifb)
        .partition(|link| link.alias.as_deref().is_some_and(Owner::is_named_by));
    let is_stale = |link: &&Link| {
        let alias = link.alias.as_deref().unwrap_or_default();
        Owner::is_of_network(alias, network) && !valid.iter().any(|one| one.to_string() == alias)
    };
    let mut stale: Vec<&Link> = marked.into_iter().filter(is_stale).collect();
    let dead = dead(&unmarked, &valid, &rtnl).map(|dead| stale.extend(dead));
    let failures = rtnl.remove_links(&stale);
    let failures = failures.into_iter().map(|error| Err(explain(error)));
    all([dead].into_iter().chain(failures))
}

/// Of ifbs that do not say whose they are, those that shape and that nothing is redirected to: the reference
/// makes the limit last, after the redirection, so one that has a limit is not being made.
fn dead<'l>(unmarked: &[&'l Link], valid: &[Owner], rtnl: &Rtnl) -> Result<Vec<&'l Link>, Error> {
    let valid_names: Vec<String> = valid.iter().flat_map(ifb_names).collect();
    let mut dead = Vec::new();
    for link in unmarked {
        match rtnl.qdisc(link.index, Handle::ROOT) {
            Ok(Some(_)) if !valid_names.contains(&link.name) => dead.push(*link),
            Err(error) if !error.is_not_found() => return Err(explain(error)),
            _ => {}
        }
    }
    if dead.is_empty() {
        return Ok(dead);
    }
    // Of all there are: one that is missing in the list may be the one that redirects.
    let links = rtnl.links().map_err(explain)?;
    for link in links.iter().filter(|link| link.is_kind("veth")) {
        let filters = match rtnl.filters(link.index, Handle::INGRESS_FILTERS) {
            Ok(filters) => filters,
            // It is gone meanwhile.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(explain(error)),
        };
        dead.retain(|dead| {
            let target = Target::Redirect(dead.index);
            filters.iter().all(|filter| filter.target != target)
        });
    }
    Ok(dead)
}

/// Removes an ifb, which need not be there any more.
pub(super) fn remove(link: &Link, rtnl: &Rtnl) -> Result<(), Error> {
    gone(rtnl.delete_link(&link.name))
}
