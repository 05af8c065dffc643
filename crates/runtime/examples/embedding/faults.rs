//! Plugins that are missing, fail, panic, crash, babble and hang, and what a runtime is told of each.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use linkspan_runtime::{Cancel, Endpoint, NetworkList, Runtime, load_network_bytes};

use crate::{Failure, tell};

/// What the plugins do, as scripts of a shell. There is none that is called "absent".
const PLUGINS: [(&str, &str); 6] = [
    ("absent", ""),
    (
        "fails",
        r#"echo '{"code":11,"msg":"no lease yet","details":"The daemon starts."}'; exit 1"#,
    ),
    ("panics", "echo 'panic: index out of range' >&2; exit 2"),
    ("crashes", "kill -SEGV $$"),
    ("babbles", "echo 'all is well'"),
    ("hangs", "exec sleep 60"),
];

pub(crate) fn show(directory: &Path) -> Result<(), Failure> {
    let plugins = directory.join("bin");
    fs::create_dir_all(&plugins)?;
    for (name, does) in PLUGINS.iter().filter(|(_, does)| !does.is_empty()) {
        let path = plugins.join(name);
        fs::write(&path, format!("#!/bin/sh\n{does}\n"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    let runtime = Runtime::builder()
        .plugin_dir(plugins)
        .cache_dir(directory.join("cache"))
        .timeout(Duration::from_millis(500))
        .build();
    let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?);
    for (name, _) in PLUGINS {
        if let Err(error) = runtime.add(&network(name)?, &endpoint) {
            tell(&error);
        }
    }
    give_up(&runtime, &network("hangs")?, &endpoint)
}

fn network(plugin: &str) -> Result<NetworkList, Failure> {
    let text = format!(r#"{{"cniVersion":"1.0.0","name":"net-{plugin}","type":"{plugin}"}}"#);
    Ok(load_network_bytes(text.as_bytes())?)
}

// ANCHOR: cancel
fn give_up(runtime: &Runtime, network: &NetworkList, endpoint: &Endpoint) -> Result<(), Failure> {
    let cancel = Cancel::new()?;
    let runtime = runtime.with_cancel(cancel.clone());
    // From any thread, or from a signal's handler: the container is not wanted any more.
    let other = thread::spawn(move || cancel.cancel());
    if let Err(error) = runtime.add(network, endpoint) {
        eprintln!("given up: {}", error.is_cancelled());
        tell(&error);
    }
    other.join().or(Err("the other thread has panicked"))?;
    Ok(())
}
// ANCHOR_END: cancel
