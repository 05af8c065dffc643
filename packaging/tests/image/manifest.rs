//! What the manifests of contrib/kubernetes say.

use linkspan_packaging::top;
use linkspan_testkit::Cmd;
use serde_json::Value;

/// The directory of the plugins in the manifests.
pub(crate) const BIN_DIR: &str = "/opt/cni/bin";

/// The DaemonSet in a file of contrib/kubernetes, with another directory of plugins in it.
pub(crate) fn daemonset(file: &str, directory: &str) -> Value {
    let mut objects = objects(file, directory);
    let is_it = |one: &Value| one["kind"] == "DaemonSet";
    let place = objects.iter().position(is_it).unwrap();
    objects.swap_remove(place)
}

/// All objects in a file of contrib/kubernetes.
pub(crate) fn objects(file: &str, directory: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(top().join("contrib/kubernetes").join(file)).unwrap();
    let json = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
    let read = Cmd::new("python3").args(["-c", json]);
    let read = read.stdin(text.replace(BIN_DIR, directory)).run();
    serde_json::from_str(&read).unwrap()
}
