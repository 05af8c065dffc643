//! DEL of the plugins that make a link with one end on the host.
//!
//! Everything is tried, whatever else failed: netfilter first, so that nothing is sent to where nobody
//! is any more; then the link and the addresses at the same time, since the kernel takes its time to
//! remove a link. An IPAM plugin that needs the link gives the addresses back before it goes.

use std::thread::{self, ScopedJoinHandle};

use linkspan_kernel::rtnl::{Change, Link, Rtnl};
use linkspan_netfilter::{Attachment, Owner};
use linkspan_plan::Namespaces;
use linkspan_plan::fault::{all, explain, gone};
use linkspan_plugin::spec::{Attachment as Valid, Error, MacAddr};
use linkspan_plugin::{Call, Ipam, Log};
use linkspan_spans::{Here, here};

use super::{free, is_of_another, mac_tells};

/// What is to be detached.
pub struct Detach<'c, 'i, C> {
    call: &'c Call<'i, C>,
    owner: &'c Owner,
    netfilter: Option<Attachment>,
    is_guarded: bool,
    link: Option<String>,
    interim: Option<String>,
    kind: Option<&'static str>,
}

impl<'c, 'i, C: Sync> Detach<'c, 'i, C> {
    /// The container's interface and its addresses.
    pub fn new(call: &'c Call<'i, C>, owner: &'c Owner) -> Self {
        Self {
            call,
            owner,
            netfilter: None,
            is_guarded: false,
            link: None,
            interim: None,
            kind: None,
        }
    }

    /// And this of netfilter.
    #[must_use]
    pub fn netfilter(mut self, attachment: Attachment) -> Self {
        self.netfilter = Some(attachment);
        self
    }

    /// What is in netfilter guards others against the container, so it goes when the container's link is gone.
    #[must_use]
    pub fn guarded(mut self, is_guarded: bool) -> Self {
        self.is_guarded = is_guarded;
        self
    }

    /// The interface is of this kind and lives in the container alone: whoever is root in there can have given it
    /// another name.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
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
        let netfilter = || self.netfilter.as_ref().map_or(Ok(()), Attachment::remove);
        let ipam = self.call.ipam();
        if self.is_guarded {
            return free(ipam, Ipam::del, || {
                all([self.remove_links(here().as_ref()), netfilter()])
            });
        }
        let netfilter = netfilter();
        let freed = match &ipam {
            Ok(Some(ipam)) if !ipam.needs_link() => self.remove_links_during(|| ipam.del()),
            _ => free(ipam, Ipam::del, || self.remove_links(here().as_ref())),
        };
        all([netfilter, freed])
    }

    /// Removes the links on a thread while something else is done.
    fn remove_links_during(&self, other: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let (outer, log) = (here(), Log::here());
        let links = || Log::hear(log, || self.remove_links(outer.as_ref()));
        thread::scope(|scope| {
            let links = thread::Builder::new().spawn_scoped(scope, links);
            let other = other();
            let links = match links.map(ScopedJoinHandle::join) {
                Ok(Ok(links)) => links,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // On a host where no thread is to be had, one after the other.
                Err(_) => self.remove_links(outer.as_ref()),
            };
            all([links, other])
        })
    }

    /// The host's end first, which takes the container's with it: that needs nothing of the container's
    /// namespace. What is there then has been made by others, or under another name.
    fn remove_links(&self, here: Option<&Here>) -> Result<(), Error> {
        let _span = Here::enter(here, || "remove the links");
        let outside = match &self.link {
            Some(name) => remove_own(name),
            None => Ok(()),
        };
        all([outside, self.remove_inside()])
    }

    fn remove_inside(&self) -> Result<(), Error> {
        let Some(namespaces) = crate::attach::namespaces_if_there(self.call)? else {
            return Ok(());
        };
        let ifname = self.call.ifname()?.as_str();
        let is_found = self.remove_one(ifname, &namespaces)?;
        if let Some(name) = &self.interim {
            self.remove_one(name, &namespaces)?;
        }
        match self.kind {
            Some(kind) if !is_found => self.remove_renamed(kind, &namespaces),
            _ => Ok(()),
        }
    }

    /// Removes the link of this name, unless it is another's; whether it was there.
    fn remove_one(&self, name: &str, namespaces: &Namespaces) -> Result<bool, Error> {
        let container = namespaces.container()?;
        let link = match container.rtnl().link(name) {
            Ok(link) => link,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(explain(error)),
        };
        // No plugin's, whatever name whoever is root in there has given it.
        if link.is_loopback() || is_of_another(self.call, self.owner, &link, namespaces)? {
            return Ok(false);
        }
        gone(container.rtnl().delete_link(&link.name)).map(|()| true)
    }

    /// Removes the interface under whatever name it has by now: told by its alias, or by its MAC address in the result
    /// of ADD.
    fn remove_renamed(&self, kind: &str, namespaces: &Namespaces) -> Result<(), Error> {
        let rtnl = namespaces.container()?.rtnl();
        let alias = self.owner.to_string();
        let result = self.call.prev_result().ok().flatten().unwrap_or_default();
        let told: Vec<MacAddr> = result
            .interfaces
            .iter()
            .filter(|one| !one.sandbox.is_empty())
            .filter_map(|one| one.mac.parse().ok())
            .collect();
        let is_it = |link: &&Link| {
            let is_marked = link.alias.as_deref().is_some_and(Owner::is_named_by);
            let is_told = link
                .mac
                .is_some_and(|mac| told.contains(&MacAddr::new(mac)));
            link.is_kind(kind) && (link.alias.as_ref() == Some(&alias) || (is_told && !is_marked))
        };
        let links = rtnl.links_seen().map_err(explain)?;
        all(links.iter().filter(is_it).map(|link| {
            if link.alias.as_ref() == Some(&alias) || mac_tells(&result, link, namespaces)? {
                gone(rtnl.change(Change::DeleteLink(link.index)))
            } else {
                Ok(())
            }
        }))
    }
}

/// Removes the link of this name on the host, which is made from the attachment: nobody else's has it, whatever its
/// alias says.
fn remove_own(name: &str) -> Result<(), Error> {
    let rtnl = Rtnl::open().map_err(explain)?;
    match rtnl.link(name) {
        Ok(link) if link.is_kind("veth") => gone(rtnl.delete_link(name)),
        Ok(_) => Ok(()),
        Err(error) => gone(Err(error)),
    }
}

/// Removes the links on the host whose alias names an attachment of the network that is not in use. One whose alias
/// somebody has replaced does not say of which network it is; its own DEL finds it.
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
