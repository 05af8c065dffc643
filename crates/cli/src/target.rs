//! What a command is about: from flags, from the variables of cnitool, from defaults.

use std::env;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use linkspan_runtime::{
    Builder, DEFAULT_CACHE_DIR, DEFAULT_CONFIG_DIR, Endpoint, Error, Finished, Runtime,
    load_network,
};
use linkspan_spec::{ContainerId, Map, NetworkList, Value, decode};
use sha2::{Digest, Sha512};

use crate::args::{Places, Target};
use crate::failure::Failure;
use crate::signals;
use crate::ui::Ui;

const DEFAULT_CNI_PATH: &str = "/opt/cni/bin";
const DEFAULT_IFNAME: &str = "eth0";

/// How much of the digest is in a container ID.
const ID_BYTES: usize = 10;

impl Places {
    /// The directory of the networks.
    pub(crate) fn config_dir(&self) -> PathBuf {
        let given = self.conf_dir.clone();
        given
            .or_else(|| variable("NETCONFPATH").map(PathBuf::from))
            .unwrap_or_else(|| DEFAULT_CONFIG_DIR.into())
    }

    /// The directory of the kept results.
    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.cache_dir
            .clone()
            .unwrap_or_else(|| DEFAULT_CACHE_DIR.into())
    }

    /// Finds a network.
    pub(crate) fn network(&self, name: &str) -> Result<NetworkList, Error> {
        load_network(&self.config_dir(), name)
    }

    /// A runtime that passes on what plugins log, and signals to plugins.
    pub(crate) fn runtime(&self, ui: Ui) -> Builder {
        let builder = Runtime::builder()
            .plugin_dirs(plugin_dirs(self.cni_path.as_deref()))
            .cache_dir(self.cache_dir())
            .timeout(self.timeout)
            .observer(pass_on_logs(ui));
        match signals::cancel() {
            Some(cancel) => builder.cancel(cancel),
            None => builder,
        }
    }
}

impl Target {
    /// The container's end of the attachment.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        let netns = absolute(&self.netns)?;
        let container_id = match &self.container_id {
            Some(id) => id.clone(),
            None => container_id(&netns),
        };
        let container_id: ContainerId = container_id.parse().map_err(invalid)?;
        // A name that is given is meant; an empty one is none, as the parser says.
        let ifname = match &self.ifname {
            Some(given) => Some(given.clone()),
            None => text_of("CNI_IFNAME")?,
        };
        let ifname = ifname.unwrap_or_else(|| DEFAULT_IFNAME.to_owned());
        let mut endpoint =
            Endpoint::new(container_id, ifname.parse().map_err(invalid)?).with_netns(netns);
        if let Some(args) = given_or_variable(self.args.as_deref(), "CNI_ARGS")? {
            endpoint.args = cni_args(&args)?;
        }
        if let Some(args) = given_or_variable(self.cap_args.as_deref(), "CAP_ARGS")? {
            endpoint.capability_args = capability_args(&args)?;
        }
        Ok(endpoint)
    }
}

/// The directories of plugins: those that are given, or of CNI_PATH, or the usual one.
pub(crate) fn plugin_dirs(given: Option<&str>) -> Vec<PathBuf> {
    let cni_path = match given {
        Some(given) => Some(given.into()).filter(|given: &OsString| !given.is_empty()),
        None => variable("CNI_PATH"),
    };
    env::split_paths(&cni_path.unwrap_or_else(|| DEFAULT_CNI_PATH.into())).collect()
}

/// Passes on what plugins that succeed have logged. What one that fails has logged is told with its
/// failure.
pub(crate) fn pass_on_logs(ui: Ui) -> impl Fn(&Finished<'_>) {
    move |finished| {
        if finished.result.is_ok() && !finished.stderr.is_empty() {
            ui.note(finished.stderr.trim_end());
        }
    }
}

fn invalid(error: linkspan_spec::NameError) -> Failure {
    Failure::usage(error.to_string())
}

/// A variable that is set; an empty one is as good as none, as with cnitool.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// A variable that holds a text, which a path need not be.
fn text_of(name: &str) -> Result<Option<String>, Failure> {
    let text = |value: OsString| {
        value
            .into_string()
            .map_err(|value| Failure::usage(format!("the variable {name} is not UTF-8: {value:?}")))
    };
    variable(name).map(text).transpose()
}

fn given_or_variable(given: Option<&str>, name: &str) -> Result<Option<String>, Failure> {
    match given {
        Some(given) => Ok(Some(given.to_owned()).filter(|given| !given.is_empty())),
        None => text_of(name),
    }
}

/// The container ID that cnitool derives from the absolute path of a namespace.
fn container_id(netns: &Path) -> String {
    let digest = Sha512::digest(netns.as_os_str().as_encoded_bytes());
    let hex: Vec<_> = digest[..ID_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("cnitool-{}", hex.concat())
}

/// The absolute path without "." and "..", by its text alone: cnitool's container IDs depend on it.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let mut absolute = if path.is_absolute() {
        PathBuf::new()
    } else {
        env::current_dir().map_err(|error| {
            Failure::usage(format!(
                "{} is relative to a directory that is not there",
                path.display()
            ))
            .because(error)
        })?
    };
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                absolute.pop();
            }
            other => absolute.push(other),
        }
    }
    Ok(absolute)
}

/// The pairs of CNI_ARGS, by the rules of cnitool: no empty key, no empty value.
fn cni_args(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let pair = |pair: &str| {
        match pair.split('=').collect::<Vec<_>>()[..] {
        [key, value] if !key.is_empty() && !value.is_empty() => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(Failure::usage(format!("invalid CNI_ARGS pair {pair:?}"))
            .advise("Write KEY=VALUE pairs with semicolons between them, such as 'IgnoreUnknown=1;IP=10.22.0.9'.")),
    }
    };
    text.split(';').map(pair).collect()
}

fn capability_args(text: &str) -> Result<Map, Failure> {
    let advice = "Write a JSON object with a key for each capability, such as \
                  '{\"mac\":\"02:00:00:00:00:01\"}'.";
    let value = decode::value(text.as_bytes());
    let map = value.and_then(|value| match value {
        Value::Null => Ok(Map::new()),
        value => decode::object(&value).cloned(),
    });
    map.map_err(|error| {
        Failure::usage("CAP_ARGS cannot be read")
            .because(error)
            .advise(advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_are_those_of_cnitool() {
        // printf /var/run/netns/testing | sha512sum
        assert_eq!(
            container_id(Path::new("/var/run/netns/testing")),
            "cnitool-77383ca0a0715733ca6f"
        );
    }

    #[test]
    fn paths_become_absolute_by_their_text() {
        let here = env::current_dir().unwrap();
        for (given, expected) in [
            ("/run/netns/c1", "/run/netns/c1".into()),
            ("/run//netns/./c1/", "/run/netns/c1".into()),
            ("/run/netns/../c1", "/run/c1".into()),
            ("/../../c1", "/c1".into()),
            ("c1", here.join("c1")),
            ("./a/../c1", here.join("c1")),
        ] {
            assert_eq!(absolute(Path::new(given)).unwrap(), expected, "{given}");
        }
    }

    #[test]
    fn cni_args_are_pairs() {
        let pairs = cni_args("IP=10.22.0.9;A=b").unwrap();
        assert_eq!(
            pairs,
            [("IP", "10.22.0.9"), ("A", "b")].map(|(k, v)| (k.into(), v.into()))
        );
        for text in ["IP", "IP=", "=1", "A=b;", ";", "A=b=c"] {
            assert!(cni_args(text).is_err(), "{text}");
        }
    }

    #[test]
    fn capability_args_are_an_object() {
        assert_eq!(capability_args("{\"mac\":1}").unwrap()["mac"], 1);
        assert!(capability_args("null").unwrap().is_empty());
        for text in ["[]", "mac", "{", "1"] {
            assert!(capability_args(text).is_err(), "{text}");
        }
    }
}
