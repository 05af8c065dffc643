//! Several networks for one container.

mod error;
mod labels;
mod operations;

use std::path::PathBuf;

use linkspan_spec::{ContainerId, IfName, NameError, NetworkList, NetworkName};

pub use self::error::{PodError, PodFailure};
pub use self::labels::with_labels;
pub use self::operations::{Order, PodAttachment};
use crate::{Endpoint, InvalidArg};

/// What go-cni attaches a container's loopback interface by; what that has attached is detached by the same names.
const LOOPBACK: &str =
    r#"{"cniVersion":"0.3.1","name":"cni-loopback","plugins":[{"type":"loopback"}]}"#;

/// What the names of interfaces begin with, when nothing else is said.
const PREFIX: &str = "eth";

/// A container, or the pod that shares its network namespace, in several networks.
///
/// # Examples
/// ```
/// use linkspan_runtime::{Pod, PortMapping, Protocol, load_network_bytes};
///
/// let front = load_network_bytes(br#"{"cniVersion":"1.1.0","name":"front","type":"bridge"}"#)?;
/// let store = load_network_bytes(br#"{"cniVersion":"1.1.0","name":"store","type":"macvlan"}"#)?;
/// let port = PortMapping::new(8080, 80, Protocol::Tcp)?;
/// let pod = Pod::new("c1".parse()?)
///     .with_netns("/run/netns/c1")
///     .with_network(front, |eth0| eth0.with_port_mappings([port]))?
///     .with_network(store, |eth1| eth1)?;
/// let names: Vec<_> = pod.networks().iter().map(|one| one.endpoint.ifname.as_str()).collect();
/// assert_eq!(names, ["eth0", "eth1"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pod {
    container_id: ContainerId,
    netns: Option<PathBuf>,
    prefix: String,
    args: Vec<(String, String)>,
    networks: Vec<PodNetwork>,
}

/// One of a pod's networks, and the pod's end in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PodNetwork {
    /// The network.
    pub network: NetworkList,
    /// The pod's end.
    pub endpoint: Endpoint,
}

/// What cannot be one of a pod's networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPod {
    /// Another network has the interface's name.
    #[error("the pod has an interface {:?} already, in network {:?}", ifname.as_str(), network.as_str())]
    Taken {
        /// The name.
        ifname: IfName,
        /// The network that has it.
        network: NetworkName,
    },
    /// The prefix of the names makes none that an interface can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An argument of the pod is none.
    #[error(transparent)]
    Arg(#[from] InvalidArg),
}

impl Pod {
    /// A pod without a namespace and in no network.
    pub fn new(container_id: ContainerId) -> Self {
        Self {
            container_id,
            netns: None,
            prefix: PREFIX.to_owned(),
            args: Vec::new(),
            networks: Vec::new(),
        }
    }

    /// The same pod in the namespace at `path`.
    #[must_use]
    pub fn with_netns(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        for one in &mut self.networks {
            one.endpoint.netns = Some(path.clone());
        }
        self.netns = Some(path);
        self
    }

    /// The same pod, whose interfaces in networks that come from here on are named with this before their number. Default: `eth`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The same pod with one more pair of `CNI_ARGS` in each network.
    ///
    /// # Errors
    /// As [`Endpoint::with_arg`].
    pub fn with_arg(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidArg> {
        let pair = (key.into(), value.into());
        crate::endpoint::check_arg(&pair)?;
        for one in &mut self.networks {
            one.endpoint.args.push(pair.clone());
        }
        self.args.push(pair);
        Ok(self)
    }

    /// The same pod with its loopback interface as the first of its networks, by the plugin `loopback`: the network
    /// `cni-loopback` and the interface `lo`, as go-cni names them (`WithLoNetwork`). Newer runtimes set the interface up by
    /// themselves and need no plugin for it.
    ///
    /// # Errors
    /// When the pod has an interface `lo` already.
    pub fn with_loopback(self) -> Result<Self, InvalidPod> {
        let ifname: IfName = "lo".parse()?;
        // The text is ours and is a list.
        let Ok(network) = NetworkList::parse(LOOPBACK.as_bytes()) else {
            return Ok(self);
        };
        let mut pod = self.with_interface(ifname, network, |lo| lo)?;
        pod.networks.rotate_right(1);
        Ok(pod)
    }

    /// The same pod in one more network, with an interface whose name has the first number that is free. `arguments` makes of the
    /// pod's end what it is to be in this network: with its capabilities, and arguments of its own.
    ///
    /// # Errors
    /// When no interface can have the name that the [prefix](Self::with_prefix) makes.
    pub fn with_network(
        self,
        network: NetworkList,
        arguments: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Result<Self, InvalidPod> {
        let mut names = (0..=self.networks.len()).map(|number| format!("{}{number}", self.prefix));
        let is_free = |name: &String| self.of_interface(name).is_none();
        let name = names.find(is_free).unwrap_or_default();
        self.with_interface(name.parse()?, network, arguments)
    }

    /// As [`with_network`](Self::with_network), with a name for the interface.
    ///
    /// # Errors
    /// When another of the pod's networks has the name.
    pub fn with_interface(
        mut self,
        ifname: IfName,
        network: NetworkList,
        arguments: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Result<Self, InvalidPod> {
        let mut endpoint = Endpoint::new(self.container_id.clone(), ifname);
        endpoint.netns.clone_from(&self.netns);
        endpoint.args.clone_from(&self.args);
        let endpoint = arguments(endpoint);
        if let Some(other) = self.of_interface(endpoint.ifname.as_str()) {
            return Err(InvalidPod::Taken {
                network: other.network.name.clone(),
                ifname: endpoint.ifname,
            });
        }
        self.networks.push(PodNetwork { network, endpoint });
        Ok(self)
    }

    /// The container.
    pub fn container_id(&self) -> &ContainerId {
        &self.container_id
    }

    /// The networks, in the order in which they are attached.
    pub fn networks(&self) -> &[PodNetwork] {
        &self.networks
    }

    fn of_interface(&self, ifname: &str) -> Option<&PodNetwork> {
        let mut networks = self.networks.iter();
        networks.find(|one| one.endpoint.ifname.as_str() == ifname)
    }
}
