//! What goes with a network that is removed, and what keeps it from being removed.

use std::fmt;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Serialize;

use crate::Host;
use crate::attachment::Attachment;
use crate::link::Link;
use crate::network::Network;

/// What goes with a network.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// The network.
    pub network: String,
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// What stays that may be taken for the network's, and why.
    pub remarks: Vec<String>,
    /// The attachments whose container is not certainly gone: while there are any, nothing is removed.
    #[serde(skip)]
    pub attached: Vec<Attachment>,
}

/// Something that is done when a network is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// What is left of a container that is gone is removed.
    Forget {
        /// The container's ID.
        container: String,
        /// Its interface, where that is known.
        ifname: Option<String>,
        /// How it is known that it is gone.
        why: String,
    },
    /// The network's plugins are asked to remove what belongs to no attachment.
    Collect,
    /// The configuration's file is removed.
    File(PathBuf),
    /// The directory of reservations, which is empty then, is removed.
    Pool(PathBuf),
    /// The bridge is removed.
    Bridge(String),
}

/// What is done, as it stands after "will".
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forget {
                container,
                ifname,
                why,
            } => {
                let ifname = ifname
                    .as_ref()
                    .map(|name| format!(" ({name})"))
                    .unwrap_or_default();
                write!(f, "remove what is left of {container}{ifname}: {why}")
            }
            Self::Collect => f.write_str("have its plugins remove what belongs to no attachment"),
            Self::File(path) => write!(f, "remove {}", path.display()),
            Self::Pool(path) => write!(
                f,
                "remove {}, in which nothing is reserved then",
                path.display()
            ),
            Self::Bridge(name) => write!(f, "remove the bridge {name}, which nothing is on"),
        }
    }
}

impl Removal {
    /// What goes with a network of a host, as it was seen.
    pub fn of(host: &Host, network: &Network) -> Self {
        let name = network.name.clone().unwrap_or_default();
        let (gone, attached): (Vec<_>, Vec<_>) = host
            .attachments_of(&name)
            .cloned()
            .partition(|attachment| attachment.life.is_gone());
        let mut removal = Self {
            steps: gone.iter().map(forget).collect(),
            remarks: Vec::new(),
            attached,
            network: name,
        };
        let asks = network.list.as_ref().is_some_and(|list| {
            list.cni_version >= linkspan_spec::Command::Gc.since() && !list.disable_gc
        });
        if asks {
            removal.steps.push(Step::Collect);
        }
        removal.steps.push(Step::File(network.file.clone()));
        removal.add_pools(host, network);
        removal.add_bridges(host, network, &gone);
        removal.add_remarks(host, network);
        removal
    }

    fn add_pools(&mut self, host: &Host, network: &Network) {
        let directories: Vec<PathBuf> = network
            .pools()
            .map(|pool| pool.data_dir.join(&self.network))
            .collect();
        let pools = host
            .pools
            .iter()
            .filter(|pool| pool.network == self.network);
        for pool in
            pools.filter(|pool| directories.contains(&pool.directory) && pool.directory.is_dir())
        {
            self.steps.push(Step::Pool(pool.directory.clone()));
        }
    }

    fn add_bridges(&mut self, host: &Host, network: &Network, gone: &[Attachment]) {
        let Some(links) = host.links() else { return };
        for name in network.bridges() {
            let Some(bridge) = links.named(&name) else {
                continue;
            };
            let others = host
                .networks
                .iter()
                .filter(|other| other.file != network.file);
            let other = others
                .into_iter()
                .find(|other| other.bridges().contains(&name));
            let is_left = |link: &Link| {
                gone.iter()
                    .any(|one| one.host_link.as_ref() == Some(&link.name))
            };
            let on_it = links.links.iter().find(|link| {
                (link.master == Some(bridge.index)
                    || link.parent == Some(bridge.index) && link.parent_netns.is_none())
                    && !is_left(link)
            });
            let gateways = network.gateways();
            let is_lasting =
                |net: &&IpNet| !matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local());
            let foreign = bridge
                .addresses
                .iter()
                .filter(is_lasting)
                .find(|net| !gateways.contains(net));
            let why = match (
                bridge.kind.as_deref() == Some("bridge"),
                other,
                on_it,
                foreign,
            ) {
                (false, ..) => "it is no bridge".to_owned(),
                (_, Some(other), ..) => {
                    format!("network {} is on it", other.name.as_deref().unwrap_or("?"))
                }
                (_, _, Some(link), _) => format!("{} is on it", link.name),
                (_, _, _, Some(net)) => {
                    format!("it has the address {net}, which is no gateway of the network")
                }
                _ => {
                    self.steps.push(Step::Bridge(name));
                    continue;
                }
            };
            self.remarks.push(format!("the bridge {name} stays: {why}"));
        }
    }

    fn add_remarks(&mut self, host: &Host, network: &Network) {
        let shadowed = host
            .networks
            .iter()
            .filter(|other| other.shadowed_by.as_ref() == Some(&network.file));
        for other in shadowed {
            self.remarks.push(format!(
                "{} has a network of the same name, which will be the one in force",
                other.file.display()
            ));
        }
        let folder = network.file.with_file_name(&self.network);
        if folder.is_dir() {
            self.remarks.push(format!(
                "the folder {} stays, with the plugins in it",
                folder.display()
            ));
        }
    }
}

fn forget(attachment: &Attachment) -> Step {
    Step::Forget {
        container: attachment.container.clone(),
        ifname: attachment.ifname.clone(),
        why: attachment.life.why().unwrap_or_default().to_owned(),
    }
}
