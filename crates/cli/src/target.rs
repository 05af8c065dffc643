//! What a command is about: from flags, from the variables of cnitool, from defaults.

use std::cell::LazyCell;
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use linkspan_runtime::{
    Builder, DEFAULT_CACHE_DIR, DEFAULT_CONFIG_DIR, Endpoint, Error, Event, Execute, Finished,
    Output, Process, Request, Runtime, load_network,
};
use linkspan_spec::{ContainerId, Map, NetworkList, Value, decode};
use sha2::{Digest, Sha512};

use crate::args::{Look, Places, Target};
use crate::failure::Failure;
use crate::netns;
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
    pub(crate) fn network(&self, ui: Ui, name: &str) -> Result<NetworkList, Error> {
        let directory = self.config_dir();
        let network = load_network(&directory, name)?;
        ui.detail(|| format!("network {name} is read from {}", directory.display()));
        Ok(network)
    }

    /// A runtime that passes on what plugins log, and signals to plugins.
    pub(crate) fn runtime(&self, ui: Ui) -> Builder {
        self.runtime_of(ui, plugin_dirs(self.cni_path.as_deref()))
    }

    /// The same with the plugins of other directories.
    pub(crate) fn runtime_of(&self, ui: Ui, plugin_dirs: Vec<PathBuf>) -> Builder {
        let builder = Runtime::builder()
            .plugin_dirs(plugin_dirs)
            .cache_dir(self.cache_dir())
            .timeout(self.timeout)
            .observer(watch(ui))
            .executor(Shown { ui });
        match signals::cancel() {
            Some(cancel) => builder.cancel(cancel).detach_cancelled(true),
            None => builder,
        }
    }
}

impl Places {
    /// Where to look that tells what there is.
    pub(crate) fn look(&self) -> Look {
        Look {
            conf_dir: self.conf_dir.clone(),
            cache_dir: self.cache_dir.clone(),
            cni_path: self.cni_path.clone(),
        }
    }
}

impl Look {
    /// Where things are said to be, and otherwise wherever they usually are.
    pub(crate) fn places(&self) -> linkspan_inspect::Places {
        let mut places = linkspan_inspect::Places::usual();
        let conf_dir = self.conf_dir.clone();
        if let Some(directory) = conf_dir.or_else(|| variable("NETCONFPATH").map(PathBuf::from)) {
            places.config_dirs = vec![directory];
        }
        if let Some(directory) = &self.cache_dir {
            places.cache_dirs = vec![directory.clone()];
        }
        if self.cni_path.is_some() || variable("CNI_PATH").is_some() {
            places.plugin_dirs = plugin_dirs(self.cni_path.as_deref());
        }
        places
    }
}

impl Target {
    /// The container's end of the attachment that is to be made.
    pub(crate) fn endpoint(&self, ui: Ui) -> Result<Endpoint, Failure> {
        self.endpoint_at(ui, netns::resolve(&self.netns)?)
    }

    /// The container's end of the attachment that was made: its namespace may be gone, but what was meant then is kept.
    pub(crate) fn attached_endpoint(&self, ui: Ui) -> Result<Endpoint, Failure> {
        let runtime = Runtime::builder().cache_dir(self.places.cache_dir());
        let kept = || runtime.build().cached_files().unwrap_or_default();
        let kept = LazyCell::new(kept);
        let is_known = |path: &Path| {
            let attachments = kept.iter().filter_map(|file| file.attachment.as_ref().ok());
            attachments
                .filter(|kept| kept.network.as_str() == self.network)
                .any(|kept| kept.endpoint.netns.as_deref() == Some(path))
        };
        self.endpoint_at(ui, netns::resolve_known(&self.netns, is_known)?)
    }

    fn endpoint_at(&self, ui: Ui, netns: PathBuf) -> Result<Endpoint, Failure> {
        ui.detail(|| format!("the namespace is {}", netns.display()));
        let container_id = match &self.container_id {
            Some(id) => id.clone(),
            None => container_id(&netns),
        };
        let given = Given {
            ifname: self.ifname.as_deref(),
            args: self.args.as_deref(),
            cap_args: self.cap_args.as_deref(),
        };
        Ok(given.endpoint(&container_id)?.with_netns(netns))
    }
}

/// What is given of a container's end beside its namespace; the variables of cnitool say what is not.
pub(crate) struct Given<'a> {
    pub(crate) ifname: Option<&'a str>,
    pub(crate) args: Option<&'a str>,
    pub(crate) cap_args: Option<&'a str>,
}

impl Given<'_> {
    /// The container's end, without a namespace.
    pub(crate) fn endpoint(&self, container_id: &str) -> Result<Endpoint, Failure> {
        let container_id: ContainerId = container_id.parse().map_err(invalid)?;
        // A name that is given is meant; an empty one is none, as the parser says.
        let ifname = match self.ifname {
            Some(given) => Some(given.to_owned()),
            None => text_of("CNI_IFNAME")?,
        };
        let ifname = ifname.unwrap_or_else(|| DEFAULT_IFNAME.to_owned());
        let mut endpoint = Endpoint::new(container_id, ifname.parse().map_err(invalid)?);
        if let Some(args) = given_or_variable(self.args, "CNI_ARGS")? {
            endpoint.args = cni_args(&args)?;
        }
        if let Some(args) = given_or_variable(self.cap_args, "CAP_ARGS")? {
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

/// Runs plugins as processes, and shows which is waited for.
struct Shown {
    ui: Ui,
}

impl Execute for Shown {
    fn run(&self, request: &Request<'_>) -> io::Result<Output> {
        let _progress = self.ui.progress(format!(
            "waiting for plugin {}, {}",
            request.plugin, request.command
        ));
        Process.run(request)
    }
}

/// Passes on what plugins that succeed have logged, tells arguments that reach no plugin, and who wants to know which were run.
/// What one that fails has logged is told with its failure.
pub(crate) fn watch(ui: Ui) -> impl Fn(Event<'_>) {
    move |event| match event {
        Event::Step(finished) => {
            ui.detail(|| run_of(finished));
            if finished.result.is_ok() && !finished.stderr.is_empty() {
                ui.note(finished.stderr.trim_end());
            }
        }
        Event::Unused {
            operation,
            capabilities,
            ..
        } => ui.note(&format!(
            "no plugin of network {} declares {}: what was given for it reaches nobody",
            operation.network,
            capabilities.join(", ")
        )),
        _ => {}
    }
}

/// Which plugin was run for what, how long, and what came of it.
fn run_of(finished: &Finished<'_>) -> String {
    let step = finished.step;
    let time = finished.elapsed.as_secs_f64() * 1000.0;
    let outcome = match finished.result {
        Ok(()) => "succeeded",
        Err(_) => "failed",
    };
    let (command, path) = (step.command, step.path.display());
    match step.network.as_str() {
        "" => format!("{command} of {path} {outcome} in {time:.1} ms"),
        network => format!(
            "{command} of {path}, {} of {} in network {network}, {outcome} in {time:.1} ms",
            step.number, step.of
        ),
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
