//! Several networks for one container.

use std::fmt;
use std::path::PathBuf;
use std::thread;

use linkspan_spans::{Here, here};
use linkspan_spec::decode::{self, DecodeError, Map};
use linkspan_spec::{
    Command, ContainerId, ErrorCode, IfName, NameError, NetworkList, NetworkName, PluginConfig,
    Success, Value,
};
use serde::{Deserialize, Serialize};

use crate::trace::operation;
use crate::turn::InTurn;
use crate::{Endpoint, Error, InvalidArg, Outcome, Runtime};

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

/// In which order a pod's networks are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One after the other; those after one that failed are not tried. As go-cni's `SetupSerially`.
    #[default]
    Serial,
    /// All at the same time, each on a thread of its own. As go-cni's `Setup`.
    Parallel,
}

/// A pod's attachment to one of its networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PodAttachment {
    /// The network.
    pub network: NetworkName,
    /// The interface in the pod.
    pub ifname: IfName,
    /// The result of ADD.
    pub result: Success,
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

/// A network whose plugins are told labels of the container, as `args.cni.labels`: what CNI's conventions have for what a plugin may
/// ignore. Labels that are there stay.
///
/// # Errors
/// When `args` or `args.cni` of a plugin is something else than an object, or `labels` something else than a list.
pub fn with_labels<K: AsRef<str>, V: AsRef<str>>(
    mut network: NetworkList,
    labels: impl IntoIterator<Item = (K, V)>,
) -> Result<NetworkList, DecodeError> {
    let label = |(key, value): (K, V)| {
        let mut map = Map::new();
        map.insert("key".into(), key.as_ref().into());
        map.insert("value".into(), value.as_ref().into());
        Value::Object(map)
    };
    let labels: Vec<Value> = labels.into_iter().map(label).collect();
    for plugin in &mut network.plugins {
        let mut map = plugin.as_map().clone();
        let args = inner(&mut map, "args")?;
        let cni = inner(args, "cni").map_err(|error| error.within("args"))?;
        let there = cni
            .entry("labels")
            .or_insert_with(|| Value::Array(Vec::new()));
        match there {
            Value::Array(list) => list.extend(labels.iter().cloned()),
            other => {
                let error = DecodeError::mismatch("a list", other).within("labels");
                return Err(error.within("cni").within("args"));
            }
        }
        *plugin = PluginConfig::from_map(map)?;
    }
    Ok(network)
}

/// The object of a key, made if need be. Its name is taken as it is there: their case does not matter.
fn inner<'a>(map: &'a mut Map, name: &str) -> Result<&'a mut Map, DecodeError> {
    let there = map
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .cloned();
    let value = map
        .entry(there.unwrap_or_else(|| name.to_owned()))
        .or_insert_with(|| Value::Object(Map::new()));
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    let wrong = decode::object(value).map(drop);
    wrong.map_err(|error| error.within(name))?;
    match value {
        Value::Object(map) => Ok(map),
        other => Err(DecodeError::mismatch("an object", other).within(name)),
    }
}

/// What is done for a pod in all of its networks. Each operation in each network has the runtime's time for itself.
impl Runtime {
    /// Attaches a pod to its networks: the results in the order of the networks, whichever is done first.
    ///
    /// When one fails, those that were attached stay so, and the error tells them; with
    /// [`Builder::detach_failed`](crate::Builder::detach_failed) they are detached, the last first.
    ///
    /// # Errors
    /// Those of the networks that failed: one with [`Order::Serial`], where those behind it are not tried.
    pub fn add_pod(&self, pod: &Pod, order: Order) -> Result<Vec<PodAttachment>, PodError> {
        let turn = self.pod_turn(Command::Add, pod)?;
        let attach = |one: &PodNetwork| {
            let PodNetwork { network, endpoint } = one;
            operation(&self.runner, Command::Add, &network.name, endpoint, || {
                turn.add(network, endpoint, self.deadline())
            })
        };
        let outcomes = match order {
            Order::Serial => serial(pod, attach),
            Order::Parallel => parallel(pod, attach),
        };
        let mut error = PodError::new(Command::Add, pod);
        let mut made = Vec::new();
        for (one, outcome) in pod.networks.iter().zip(outcomes) {
            match outcome {
                Ok(result) => {
                    let network = one.network.name.clone();
                    let ifname = one.endpoint.ifname.clone();
                    made.push(one);
                    error.attached.push(PodAttachment {
                        network,
                        ifname,
                        result,
                    });
                }
                Err(failure) => error.failures.push(PodFailure::new(one, failure)),
            }
        }
        if error.failures.is_empty() {
            return Ok(error.attached);
        }
        if self.detach_failed || self.detach_cancelled && error.is_cancelled() {
            error.attached.clear();
            let cleaner = self.cleaner();
            error.not_detached = detach_each(&turn.by(&cleaner), &made);
        }
        Err(error)
    }

    /// Checks a pod in all of its networks. A network whose version has no CHECK is [told](Outcome::NotInVersion), and fails
    /// nothing.
    ///
    /// # Errors
    /// Those of all networks that failed.
    pub fn check_pod(&self, pod: &Pod) -> Result<Vec<Outcome>, PodError> {
        let turn = self.pod_turn(Command::Check, pod)?;
        let mut error = PodError::new(Command::Check, pod);
        let mut outcomes = Vec::new();
        for one in &pod.networks {
            let (network, endpoint) = (&one.network, &one.endpoint);
            let checked = operation(
                &self.runner,
                Command::Check,
                &network.name,
                endpoint,
                || turn.check(network, endpoint, self.deadline()),
            );
            match checked {
                Ok(outcome) => outcomes.push(outcome),
                Err(Error::CheckNotSupported { .. }) => outcomes.push(Outcome::NotInVersion),
                Err(failure) => error.failures.push(PodFailure::new(one, failure)),
            }
        }
        error.unless_empty(outcomes)
    }

    /// Detaches a pod from its networks, the last first; also from those that it is not attached to, which is no failure.
    ///
    /// # Errors
    /// Those of all networks that failed; none keeps it from the others, unless it is that the operation was given up.
    pub fn del_pod(&self, pod: &Pod) -> Result<(), PodError> {
        let turn = self.pod_turn(Command::Del, pod)?;
        let mut error = PodError::new(Command::Del, pod);
        error.failures = detach_each(&turn, &pod.networks.iter().collect::<Vec<_>>());
        error.unless_empty(())
    }

    /// The turn of the pod's container, once for all of its networks. That it does not come is told of the first.
    fn pod_turn(&self, command: Command, pod: &Pod) -> Result<InTurn<'_>, PodError> {
        let turn = self.turn(command, &pod.container_id, self.deadline());
        turn.map_err(|failure| {
            let mut error = PodError::new(command, pod);
            let first = pod.networks.first();
            error
                .failures
                .extend(first.map(|one| PodFailure::new(one, failure)));
            error
        })
    }
}

fn detach_each(turn: &InTurn<'_>, networks: &[&PodNetwork]) -> Vec<PodFailure> {
    let mut failures = Vec::new();
    for one in networks.iter().rev() {
        let (network, endpoint) = (&one.network, &one.endpoint);
        let detached = operation(
            &turn.runtime().runner,
            Command::Del,
            &network.name,
            endpoint,
            || turn.del(network, endpoint, turn.runtime().deadline()),
        );
        if let Err(error) = detached {
            let given_up = error.is_cancelled();
            failures.push(PodFailure::new(one, error));
            if given_up {
                break;
            }
        }
    }
    failures
}

/// Up to the first failure.
fn serial<T>(pod: &Pod, work: impl Fn(&PodNetwork) -> Result<T, Error>) -> Vec<Result<T, Error>> {
    let mut outcomes = Vec::new();
    for one in &pod.networks {
        let outcome = work(one);
        let failed = outcome.is_err();
        outcomes.push(outcome);
        if failed {
            break;
        }
    }
    outcomes
}

/// All of them, with a thread for each but the last; where there can be no thread, that work is done on this one.
fn parallel<T: Send>(
    pod: &Pod,
    work: impl Fn(&PodNetwork) -> Result<T, Error> + Sync,
) -> Vec<Result<T, Error>> {
    let here = here();
    let (here, work) = (here.as_ref(), &work);
    thread::scope(|scope| {
        let begin = |one| {
            let run = move || {
                let _span = Here::enter(here, || "on a thread of its own");
                work(one)
            };
            thread::Builder::new().spawn_scoped(scope, run).or(Err(one))
        };
        let begun: Vec<_> = pod.networks.iter().map(begin).collect();
        let end = |begun: Result<thread::ScopedJoinHandle<'_, _>, _>| match begun {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(one) => work(one),
        };
        begun.into_iter().map(end).collect()
    })
}

/// What failed for a pod, and how things are now.
#[derive(Debug)]
#[non_exhaustive]
pub struct PodError {
    /// The operation.
    pub command: Command,
    /// The pod's container.
    pub container_id: ContainerId,
    /// In how many networks the pod is to be.
    pub of: usize,
    /// The failures, in the order in which they were met; at least one.
    pub failures: Vec<PodFailure>,
    /// Of ADD: the attachments that were made and are there.
    pub attached: Vec<PodAttachment>,
    /// Of ADD: those that were made and could not be detached again.
    pub not_detached: Vec<PodFailure>,
}

/// A failure in one of a pod's networks.
#[derive(Debug)]
#[non_exhaustive]
pub struct PodFailure {
    /// The network.
    pub network: NetworkName,
    /// The interface in the pod.
    pub ifname: IfName,
    /// The failure.
    pub error: Error,
}

impl PodFailure {
    fn new(one: &PodNetwork, error: Error) -> Self {
        Self {
            network: one.network.name.clone(),
            ifname: one.endpoint.ifname.clone(),
            error,
        }
    }
}

impl PodError {
    fn new(command: Command, pod: &Pod) -> Self {
        Self {
            command,
            container_id: pod.container_id.clone(),
            of: pod.networks.len(),
            failures: Vec::new(),
            attached: Vec::new(),
            not_detached: Vec::new(),
        }
    }

    fn unless_empty<T>(self, done: T) -> Result<T, Self> {
        match self.failures.is_empty() {
            true => Ok(done),
            false => Err(self),
        }
    }

    fn first(&self) -> Option<&Error> {
        self.failures.first().map(|failure| &failure.error)
    }

    /// The specification's code, of the first failure.
    pub fn code(&self) -> ErrorCode {
        self.first().map_or(ErrorCode::INTERNAL, Error::code)
    }

    /// What to do about the first failure of which there is something to say.
    pub fn advice(&self) -> Option<String> {
        self.failures
            .iter()
            .find_map(|failure| failure.error.advice())
    }

    /// Whether the operation was given up.
    pub fn is_cancelled(&self) -> bool {
        self.failures
            .iter()
            .any(|failure| failure.error.is_cancelled())
    }
}

/// The failures by their networks; the first of them is the source.
impl fmt::Display for PodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            of,
            container_id,
            ..
        } = self;
        let failed = self.failures.len();
        write!(
            f,
            "{command} of container {:?} failed in {failed} of {of} networks: ",
            container_id.as_str()
        )?;
        for (number, failure) in self.failures.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(
                f,
                "{comma}{:?} ({})",
                failure.network.as_str(),
                failure.ifname.as_str()
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for PodError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.first().map(|error| error as _)
    }
}
