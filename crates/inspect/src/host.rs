//! All that was seen.

use linkspan_state::origin::Boot;
use serde::Serialize;

use crate::attachment::{self, Attachment, Sources};
use crate::containers::Names;
use crate::link::{Link, Links};
use crate::namespace::{Namespace, Namespaces};
use crate::netfilter::Netfilter;
use crate::network::{self, Network};
use crate::pool::{self, Pool};
use crate::{Places, Problem, Seen};

/// What there is on this host.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// The networks of the configuration directories, in the order in which they are looked for.
    pub networks: Vec<Network>,
    /// What is attached, in the order of networks, containers and interfaces.
    pub attachments: Vec<Attachment>,
    /// The pools of addresses, in the order of their directories.
    pub pools: Vec<Pool>,
    /// The network namespaces, in the order of their inodes.
    pub namespaces: Vec<Namespace>,
    /// What netfilter says of containers.
    #[serde(skip)]
    pub netfilter: Netfilter,
    /// What could not be read: what is told is less than there is.
    pub blind_spots: Vec<Problem>,
}

impl Host {
    /// Looks at all of it. What cannot be read is told among the rest.
    pub fn look(places: &Places) -> Self {
        let mut problems = Vec::new();
        let networks = network::read(&places.config_dirs, &mut problems);
        let mut pools = pool::read(places, &networks, &mut problems);
        let mut namespaces = Namespaces::read(&mut problems);
        let (names, boot) = (Names::read(), Boot::current().ok());
        let netfilter = Netfilter::read(&mut problems);
        let gather = |namespaces: &Namespaces| {
            let sources = Sources {
                cache_dirs: &places.cache_dirs,
                pools: &pools,
                namespaces,
                netfilter: &netfilter,
                names: &names,
                boot: boot.as_ref(),
            };
            let mut problems = Vec::new();
            (attachment::gather(&sources, &mut problems), problems)
        };
        let mut gathered = gather(&namespaces);
        // Nothing is taken for gone before it was looked for everywhere.
        let is_unseen = |one: &Attachment| one.life.is_unseen();
        if gathered.0.iter().any(is_unseen) && namespaces.look_deeper() {
            gathered = gather(&namespaces);
        }
        let (attachments, unread) = gathered;
        problems.extend(unread);
        pool::tell_holders(&mut pools, &attachments);
        Self {
            networks,
            attachments,
            pools,
            namespaces: namespaces.all,
            netfilter,
            blind_spots: problems,
        }
    }

    /// Looks at the networks alone.
    pub fn networks_only(places: &Places) -> Self {
        let mut problems = Vec::new();
        Self {
            networks: network::read(&places.config_dirs, &mut problems),
            blind_spots: problems,
            ..Self::default()
        }
    }

    /// The links of the host itself.
    pub fn links(&self) -> Option<&Links> {
        let host = self.namespaces.iter().find(|namespace| namespace.host)?;
        host.links.as_ref()
    }

    /// The network that a runtime uses by a name.
    pub fn network(&self, name: &str) -> Option<&Network> {
        let mut networks = self.networks.iter();
        networks.find(|network| network.is_in_force() && network.name.as_deref() == Some(name))
    }

    /// The namespace in which an attachment's container was found.
    pub fn namespace_of(&self, attachment: &Attachment) -> Option<&Namespace> {
        let inode = attachment.namespace?;
        let mut namespaces = self.namespaces.iter();
        namespaces.find(|namespace| namespace.inode == inode)
    }

    /// The container's interface of an attachment, where it was seen.
    pub fn interface(&self, attachment: &Attachment) -> Option<&Link> {
        let links = self.namespace_of(attachment)?.links();
        attachment.seen.iter().find_map(|seen| match seen {
            Seen::Interface { name, .. } => links.named(name),
            _ => None,
        })
    }

    /// The attachments of a network.
    pub fn attachments_of<'h>(&'h self, network: &'h str) -> impl Iterator<Item = &'h Attachment> {
        let attachments = self.attachments.iter();
        attachments.filter(move |attachment| attachment.network == network)
    }

    /// The attachments whose container is certainly gone.
    pub fn stale(&self) -> impl Iterator<Item = &Attachment> {
        let attachments = self.attachments.iter();
        attachments.filter(|attachment| attachment.life.is_gone())
    }
}
