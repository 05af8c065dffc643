//! DEL of the plugins that make a link with one end on the host.
//!
//! Everything is tried, whatever else failed: netfilter first, so that nothing is sent to where nobody
//! is any more; then the link and the addresses at the same time, since the kernel takes its time to
//! remove a link.

use std::thread::{self, ScopedJoinHandle};

use linkspan_kernel::rtnl::{Link, Rtnl};
use linkspan_netfilter::{Attachment, Owner};
use linkspan_plan::Namespaces;
use linkspan_plan::fault::{all, explain};
use linkspan_plugin::Call;
use linkspan_plugin::spec::{Attachment as Valid, Error};

use super::host_end;

/// What is to be detached.
pub struct Detach<'c, 'i, C> {
    call: &'c Call<'i, C>,
    owner: &'c Owner,
    netfilter: Option<Attachment>,
    link: Option<String>,
    interim: Option<String>,
}

impl<'c, 'i, C: Sync> Detach<'c, 'i, C> {
    /// The container's interface and its addresses.
    pub fn new(call: &'c Call<'i, C>, owner: &'c Owner) -> Self {
        Self {
            call,
            owner,
            netfilter: None,
            link: None,
            interim: None,
        }
    }

    /// And this of netfilter.
    #[must_use]
    pub fn netfilter(mut self, attachment: Attachment) -> Self {
        self.netfilter = Some(attachment);
        self
    }

    /// And the link of this name on the host, which may be there when the container's namespace is not.
    #[must_use]
    pub fn link(mut self, name: String) -> Self {
        self.link = Some(name);
        self
    }

    /// And the link of this name in the container: the interface before it was given its name.
    #[must_use]
    pub fn interim(mut self, name: String) -> Self {
        self.interim = Some(name);
        self
    }

    /// Detaches.
    ///
    /// # Errors
    /// All that could not be freed, after everything else was.
    pub fn run(self) -> Result<(), Error> {
        let netfilter = self.netfilter.as_ref().map_or(Ok(()), Attachment::remove);
        let (links, addresses) = thread::scope(|scope| {
            let links = thread::Builder::new().spawn_scoped(scope, || self.remove_links());
            let addresses = self.release();
            let links = match links.map(ScopedJoinHandle::join) {
                Ok(Ok(links)) => links,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // On a host where no thread is to be had, one after the other.
                Err(_) => self.remove_links(),
            };
            (links, addresses)
        });
        all([netfilter, links, addresses])
    }

    fn release(&self) -> Result<(), Error> {
        self.call.ipam()?.map_or(Ok(()), |ipam| ipam.del())
    }

    /// The host's end first, which takes the container's with it: that needs nothing of the container's
    /// namespace. What is there then has been made by others, or under another name.
    fn remove_links(&self) -> Result<(), Error> {
        let outside = match &self.link {
            Some(name) => remove_own(name, self.owner),
            None => Ok(()),
        };
        all([outside, self.remove_inside()])
    }

    fn remove_inside(&self) -> Result<(), Error> {
        let Some(namespaces) = crate::attach::namespaces_if_there(self.call)? else {
            return Ok(());
        };
        let ifname = self.call.ifname()?.as_str();
        let names = [Some(ifname), self.interim.as_deref()];
        all(names
            .into_iter()
            .flatten()
            .map(|name| self.remove_one(name, &namespaces)))
    }

    fn remove_one(&self, name: &str, namespaces: &Namespaces) -> Result<(), Error> {
        let container = namespaces.container()?;
        let link = match container.rtnl().link(name) {
            Ok(link) => link,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(explain(error)),
        };
        if self.is_of_another(&link, namespaces)? {
            return Ok(());
        }
        match container.rtnl().delete_link(&link.name) {
            Err(error) if !error.is_not_found() => Err(explain(error)),
            _ => Ok(()),
        }
    }

    /// Whether the container's link is that of another attachment, as its alias or that of its other end says.
    /// An ADD that was refused because the name is taken is followed by a DEL, too.
    fn is_of_another(&self, link: &Link, namespaces: &Namespaces) -> Result<bool, Error> {
        let own = self.owner.to_string();
        let names_another = |alias: &String| *alias != own && Owner::is_named_by(alias);
        if link.alias.as_ref().is_some_and(names_another) {
            return Ok(true);
        }
        let other_end = host_end(namespaces, link)?;
        let alias = other_end.and_then(|end| end.alias);
        Ok(alias.is_some_and(|alias| alias != own))
    }
}

/// Removes the link on the host, unless its alias says that it is another attachment's. One without an
/// alias has lost it to somebody; nobody else's has this name.
fn remove_own(name: &str, owner: &Owner) -> Result<(), Error> {
    let rtnl = Rtnl::open().map_err(explain)?;
    let link = match rtnl.link(name) {
        Ok(link) => link,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(explain(error)),
    };
    let is_own = link.alias.is_none_or(|alias| alias == owner.to_string());
    if !is_own || link.kind.as_deref() != Some("veth") {
        return Ok(());
    }
    match rtnl.delete_link(name) {
        Err(error) if !error.is_not_found() => Err(explain(error)),
        _ => Ok(()),
    }
}

/// Removes the links on the host whose alias names an attachment of the network that is not in use.
///
/// # Errors
/// All that could not be removed, after all others were.
pub fn collect_links(network: &str, valid: &[Valid]) -> Result<(), Error> {
    let rtnl = Rtnl::open().map_err(explain)?;
    let valid: Vec<String> = valid
        .iter()
        .map(|one| Owner::from_texts(network, &one.container_id, &one.ifname).to_string())
        .collect();
    let is_stale = |alias: &String| Owner::is_of_network(alias, network) && !valid.contains(alias);
    let links = rtnl.links_seen().map_err(explain)?;
    let stale = links.iter().filter(|link| {
        link.is_kind("veth")
            && link.name.starts_with("veth")
            && link.alias.as_ref().is_some_and(is_stale)
    });
    let failures = rtnl.remove_links(&stale.collect::<Vec<&Link>>());
    all(failures.into_iter().map(|error| Err(explain(error))))
}
