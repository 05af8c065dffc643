//! What a kubelet says to a runtime: the Container Runtime Interface, version 1, as gRPC by curl.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::protobuf::{Message, bytes, map, number};
use crate::command::Cmd;
use crate::netns::Netns;

/// How long a call may take where everything else is busy as well; kubelet gives two minutes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of a CRI service at a socket.
#[derive(Debug, Clone)]
pub struct Cri {
    socket: PathBuf,
}

/// A pod's sandbox that runs, or a container of Podman's.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its ID, by which it is stopped and removed.
    pub id: String,
    /// Its addresses in the order in which the runtime tells them, IPv4 first where it has both.
    pub ips: Vec<IpAddr>,
    /// Its network namespace.
    pub netns: Netns,
}

/// What a pod's port is published for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What a pod is to be, as far as its sandbox and its network go.
#[derive(Debug, Clone, Default)]
pub struct PodConfig {
    name: String,
    attempt: u64,
    ports: Vec<u8>,
    dns: Vec<u8>,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
}

impl PodConfig {
    /// A pod of this name and nothing else.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// How often kubelet has tried before: what makes the sandbox's name another.
    #[must_use]
    pub fn attempt(mut self, attempt: u64) -> Self {
        self.attempt = attempt;
        self
    }

    /// Publishes a port of the pod at a port of the host, at all of its addresses or at one.
    #[must_use]
    pub fn port(mut self, protocol: Protocol, port: u16, host_ip: &str, host_port: u16) -> Self {
        let mapping = [
            number(1, protocol as u64),
            number(2, port.into()),
            number(3, host_port.into()),
            bytes(4, host_ip),
        ];
        self.ports.extend(bytes(5, mapping.concat()));
        self
    }

    /// Where names are to be asked for.
    #[must_use]
    pub fn dns(mut self, server: &str, search: &str) -> Self {
        self.dns = bytes(4, [bytes(1, server), bytes(2, search)].concat());
        self
    }

    /// A label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    /// An annotation, such as `kubernetes.io/ingress-bandwidth`.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.push((key.to_owned(), value.to_owned()));
        self
    }

    fn message(&self) -> Vec<u8> {
        let metadata = [
            bytes(1, &self.name),
            bytes(2, format!("uid-of-{}", self.name)),
            bytes(3, "default"),
            number(4, self.attempt),
        ];
        let config = [
            bytes(1, metadata.concat()),
            bytes(2, &self.name),
            self.dns.clone(),
            self.ports.clone(),
            map(6, &self.labels),
            map(7, &self.annotations),
        ];
        config.concat()
    }
}

impl Cri {
    /// A client of the service that listens there.
    #[must_use]
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// RunPodSandbox, and then PodSandboxStatus as kubelet asks for the pod's addresses.
    ///
    /// # Errors
    /// What the runtime says of it.
    pub fn run(&self, pod: &PodConfig) -> Result<Pod, String> {
        let answer = self.call("RunPodSandbox", &bytes(1, pod.message()))?;
        let id = answer.text(1);
        let answer = self.call("PodSandboxStatus", &[bytes(1, &id), number(2, 1)].concat())?;
        let network = answer.message(1).message(5);
        let more = network.messages(2).map(|ip| ip.text(1));
        let ips = std::iter::once(network.text(1)).chain(more);
        Ok(Pod {
            ips: ips.filter_map(|ip| ip.parse().ok()).collect(),
            netns: Netns::existing(&netns_of(&answer)?),
            id,
        })
    }

    /// StopPodSandbox: the pod's network goes.
    ///
    /// # Errors
    /// What the runtime says of it.
    pub fn stop(&self, id: &str) -> Result<(), String> {
        self.call("StopPodSandbox", &bytes(1, id)).map(drop)
    }

    /// RemovePodSandbox.
    ///
    /// # Errors
    /// What the runtime says of it.
    pub fn remove(&self, id: &str) -> Result<(), String> {
        self.call("RemovePodSandbox", &bytes(1, id)).map(drop)
    }

    /// Ends a pod as kubelet does: it is stopped when it is killed and once more by the loop that then looks at it, and stopped
    /// and removed by the collection of garbage some time later.
    ///
    /// # Errors
    /// What the runtime says of any of them.
    pub fn end(&self, id: &str) -> Result<(), String> {
        self.stop(id)?;
        self.stop(id)?;
        self.stop(id)?;
        self.remove(id)
    }

    /// ListPodSandbox: the IDs of all, and whether each is ready.
    ///
    /// # Errors
    /// What the runtime says of it.
    pub fn list(&self) -> Result<Vec<(String, bool)>, String> {
        let answer = self.call("ListPodSandbox", &[])?;
        let pods = answer.messages(1);
        Ok(pods.map(|pod| (pod.text(1), pod.number(3) == 0)).collect())
    }

    /// Status: whether there is a network for pods, or else why not.
    ///
    /// # Errors
    /// That reason, or what the runtime says of the call.
    pub fn network_ready(&self) -> Result<(), String> {
        let answer = self.call("Status", &[])?.message(1);
        let mut conditions = answer.messages(1);
        let network = conditions.find(|condition| condition.text(1) == "NetworkReady");
        match network {
            Some(network) if network.number(2) == 1 => Ok(()),
            Some(network) => Err(network.text(4)),
            None => Err("the runtime tells nothing of its network".to_owned()),
        }
    }

    fn call(&self, method: &str, message: &[u8]) -> Result<Message, String> {
        let told = |error: std::io::Error| format!("{method}: {error}");
        let answer = tempfile::NamedTempFile::new().map_err(told)?;
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let output = curl(&self.socket, answer.path(), method)
            .stdin([&[0], &length.to_be_bytes()[..], message].concat())
            .deadline(PATIENCE)
            .output();
        if !output.ok() {
            return Err(format!("{method}: {output}"));
        }
        let header = |name: &str| {
            let lines = output.stdout.lines();
            let value = lines.filter_map(|line| line.strip_prefix(name)).next_back();
            value.unwrap_or_default().trim()
        };
        if header("grpc-status:") != "0" {
            return Err(format!("{method}: {}", unescaped(header("grpc-message:"))));
        }
        let answer = fs::read(answer.path()).map_err(told)?;
        Ok(Message::parse(answer.get(5..).unwrap_or_default()))
    }
}

fn curl(socket: &Path, answer: &Path, method: &str) -> Cmd {
    Cmd::new("curl")
        .args(["--silent", "--show-error", "--http2-prior-knowledge"])
        .args(["--header", "content-type: application/grpc"])
        .args(["--header", "te: trailers", "--dump-header", "-"])
        .args(["--data-binary", "@-", "--unix-socket"])
        .arg(socket)
        .arg("--output")
        .arg(answer)
        .arg(format!("http://cri/runtime.v1.RuntimeService/{method}"))
}

/// The namespace's name, which stands in what a status tells besides, as JSON.
fn netns_of(answer: &Message) -> Result<String, String> {
    let info = answer.message(2).text(2);
    let spec: Value = serde_json::from_str(&info).map_err(|error| format!("{error}: {info}"))?;
    let namespaces = spec["runtimeSpec"]["linux"]["namespaces"].as_array();
    let mut namespaces = namespaces.into_iter().flatten();
    let network = namespaces.find(|namespace| namespace["type"] == "network");
    let path = network.and_then(|network| network["path"].as_str());
    let name = path.and_then(|path| path.rsplit('/').next());
    name.map(str::to_owned)
        .ok_or_else(|| format!("the runtime tells no namespace: {info}"))
}

/// A message of gRPC, which has bytes that a header may not hold as `%0A`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2).map(|code| u8::from_str_radix(code, 16));
        match code {
            Some(Ok(code)) => bytes.extend([&[code], &part.as_bytes()[2..]].concat()),
            _ => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
