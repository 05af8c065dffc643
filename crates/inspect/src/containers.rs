//! The names of containers, where their runtimes have them on disk.
//!
//! A runtime calls a plugin with an ID that says nothing to a person. The kubelet's runtimes pass the pod's name in CNI_ARGS; Podman
//! and CRI-O keep the names in their storage's list of containers; containerd keeps each container's specification with its
//! annotations while it runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use linkspan_spec::{Value, decode};
use serde::Serialize;

/// What people call a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// Its name; of a pod, the pod's.
    pub name: String,
    /// The pod's namespace in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Who knows it by this name: `kubernetes`, `podman`, `containerd`.
    pub known_by: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The lists of containers in the storage of Podman and CRI-O, one for each storage driver.
const STORAGE: &str = "/var/lib/containers/storage";

/// Where containerd has a directory for each of its namespaces, with one for each container that runs.
const TASKS: [&str; 2] = [
    "/run/containerd/io.containerd.runtime.v2.task",
    "/run/k3s/containerd/io.containerd.runtime.v2.task",
];

/// Bytes of such a file that are read.
const MAX_FILE: u64 = 64 << 20;

/// The names that runtimes know, by the container's ID.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, Name>);

impl Names {
    /// Reads the lists that are there. What cannot be read gives no names.
    pub fn read() -> Self {
        let mut names = BTreeMap::new();
        let drivers = fs::read_dir(STORAGE).into_iter().flatten().flatten();
        for driver in drivers {
            let list = json(&driver.path().join("containers.json"));
            let list = list
                .as_ref()
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            names.extend(list.filter_map(stored));
        }
        Self(names)
    }

    /// The name of a container: as a runtime passed it in CNI_ARGS, or keeps it.
    pub fn of(&self, container: &str, args: &[(String, String)]) -> Option<Name> {
        pod(args)
            .or_else(|| self.0.get(container).cloned())
            .or_else(|| running(container))
    }
}

fn pod(args: &[(String, String)]) -> Option<Name> {
    let arg = |key: &str| {
        let found = args.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    };
    let namespace = arg("K8S_POD_NAMESPACE");
    // Podman passes its containers' names so, for its dnsname plugin.
    let known_by = match namespace {
        Some(_) => "kubernetes",
        None => "podman",
    };
    Some(Name {
        name: arg("K8S_POD_NAME")?,
        namespace,
        known_by: known_by.to_owned(),
    })
}

/// An entry of the storage's list.
fn stored(entry: &Value) -> Option<(String, Name)> {
    let id = entry.get("id")?.as_str()?.to_owned();
    let name = entry.get("names")?.get(0)?.as_str()?.to_owned();
    let name = Name {
        name,
        namespace: None,
        known_by: "podman".to_owned(),
    };
    Some((id, name))
}

/// What containerd knows of a container that runs. nerdctl's plugin calls have containerd's namespace before the ID.
fn running(container: &str) -> Option<Name> {
    if container.contains('/') || container.starts_with('.') {
        return None;
    }
    let prefixed = container.split_once('-').filter(|(_, id)| id.len() == 64);
    for tasks in TASKS {
        for space in fs::read_dir(tasks).into_iter().flatten().flatten() {
            let id = match prefixed {
                Some((prefix, id)) if space.file_name() == prefix => id,
                _ => container,
            };
            let specification = json(&space.path().join(id).join("config.json"));
            if let Some(name) = specification.as_ref().and_then(annotated) {
                return Some(name);
            }
        }
    }
    None
}

fn annotated(specification: &Value) -> Option<Name> {
    let annotations = specification.get("annotations")?;
    let text = |key: &str| Some(annotations.get(key)?.as_str()?.to_owned());
    let pod = text("io.kubernetes.cri.sandbox-name");
    Some(Name {
        name: pod.or_else(|| text("nerdctl/name"))?,
        namespace: text("io.kubernetes.cri.sandbox-namespace"),
        known_by: "containerd".to_owned(),
    })
}

fn json(path: &Path) -> Option<Value> {
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    decode::value_within(MAX_FILE as usize, &bytes).ok()
}
