//! Runtimes whose plugins are no processes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use linkspan_plugin::spec::NetworkList;
use linkspan_runtime::{Builder, Endpoint, Execute, Output, Request, Runtime};
use linkspan_testkit::Netns;
use serde_json::{Value, json};

pub(crate) const CACHE: &str = "/var/lib/cni";

/// A bridge with addresses and masquerading, in the latest version.
pub(crate) fn network() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "name": "storm",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "ipMasq": true,
            "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.22.0.0/16" }]] }
        }]
    })
}

pub(crate) fn list(network: &Value) -> NetworkList {
    NetworkList::parse(network.to_string().as_bytes()).unwrap()
}

pub(crate) fn builder(executor: impl Execute + 'static) -> Builder {
    Runtime::builder().executor(executor).cache_dir(CACHE)
}

pub(crate) fn endpoint(netns: &Netns) -> Endpoint {
    Endpoint::new(netns.name().parse().unwrap(), "eth0".parse().unwrap()).with_netns(netns.path())
}

/// Stands for processes: keeps in mind what it was asked to run, which succeeds.
#[derive(Clone, Default)]
pub(crate) struct Asked(pub(crate) Arc<Mutex<Vec<String>>>);

impl Asked {
    /// What it was asked for since, `COMMAND plugin` each.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Execute for Asked {
    fn run(&self, request: &Request<'_>) -> std::io::Result<Output> {
        let line = format!("{} {}", request.command, request.plugin);
        self.0.lock().unwrap().push(line);
        Ok(Output::success(r#"{"cniVersion":"1.1.0"}"#).with_stderr("a process"))
    }
}

/// A plugin of others.
pub(crate) fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
