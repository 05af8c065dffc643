//! What to do with a new network, for the runtimes that are seen on this host.

use std::env;
use std::path::Path;

use linkspan_draft::{Draft, FilePlace};
use linkspan_inspect::Places;

/// Where Nomad looks for networks unless it is told otherwise.
const NOMAD: &str = "/opt/cni/config";

/// Commands and lines of configurations, each with what it is for behind a `#`.
pub(super) fn steps(places: &Places, draft: &Draft, place: Option<&FilePlace>) -> Vec<String> {
    let name = &draft.name;
    let mut steps = Vec::new();
    if !draft.missing_plugins.is_empty() {
        let directory = places.plugin_dirs.first().cloned().unwrap_or_default();
        steps.push(format!(
            "linkspan install --bin-dir {}",
            directory.display()
        ));
    }
    let Some(place) = place else { return steps };
    let directory = place.path.parent().unwrap_or(Path::new("."));
    let is_looked_into = places.config_dirs.iter().any(|path| path == directory);
    let conf_dir = match is_looked_into {
        true => String::new(),
        false => format!(" --conf-dir {}", directory.display()),
    };
    steps.push(format!(
        "linkspan explain {name}{conf_dir}  # what that will do"
    ));
    steps.push(format!("linkspan add {name} NETNS{conf_dir}"));
    steps.push(format!(
        "linkspan test {name}{conf_dir}  # proves it by packets"
    ));
    if has("podman") {
        steps.push(format!(
            "podman run --network {name} IMAGE  # Podman with its CNI backend"
        ));
    }
    if has("nerdctl") {
        steps.push(format!("nerdctl run --network {name} IMAGE"));
    }
    if has("containerd") && place.first.is_none() {
        steps.push(
            "systemctl restart containerd  # it takes the first file, which this one is".to_owned(),
        );
    }
    if has("nomad") {
        let hint = match directory == Path::new(NOMAD) {
            true => String::new(),
            false => format!(
                "  # with cni_config_dir = \"{}\" in the client",
                directory.display()
            ),
        };
        steps.push(format!("network {{ mode = \"cni/{name}\" }}{hint}"));
    }
    steps
}

/// Whether a program is along `PATH`.
fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Whether runtimes read a file of this name.
pub(super) fn is_read(name: &str) -> bool {
    let (_, extension) = name.rsplit_once('.').unwrap_or_default();
    ["conf", "conflist", "json"].contains(&extension)
}
