//! Variables, and the namespace that one of them names.

use linkspan_testkit::rows;
use serde_json::json;

use super::{CONFIG, ENVIRONMENT, NETNS, bad};
use crate::host::network;

const LONG: &str = "a-name-of-16-chr";

/// A variable, the value that it has, and what is said.
const VARIABLES: [(&str, &str, u64, &[&str]); 27] = rows! {
    ("CNI_COMMAND", "FROB", ENVIRONMENT, &["unknown CNI_COMMAND: FROB", "ADD, CHECK, DEL"]),
    ("CNI_COMMAND", "add", ENVIRONMENT, &["unknown CNI_COMMAND: add"]),
    ("CNI_CONTAINERID", "", ENVIRONMENT, &["[CNI_CONTAINERID] missing", "the container runtime sets"]),
    ("CNI_NETNS", "", ENVIRONMENT, &["[CNI_NETNS] missing"]),
    ("CNI_IFNAME", "", ENVIRONMENT, &["[CNI_IFNAME] missing"]),
    ("CNI_PATH", "", ENVIRONMENT, &["[CNI_PATH] missing"]),
    ("CNI_CONTAINERID", "-c1", ENVIRONMENT, &["invalid CNI_CONTAINERID", "-c1"]),
    ("CNI_CONTAINERID", "a/b", ENVIRONMENT, &["invalid CNI_CONTAINERID", "a/b"]),
    ("CNI_CONTAINERID", "../../etc", ENVIRONMENT, &["invalid CNI_CONTAINERID"]),
    ("CNI_CONTAINERID", "a b", ENVIRONMENT, &["invalid CNI_CONTAINERID"]),
    ("CNI_CONTAINERID", "a\nb", ENVIRONMENT, &["invalid CNI_CONTAINERID"]),
    ("CNI_IFNAME", LONG, ENVIRONMENT, &["invalid CNI_IFNAME", "15"]),
    ("CNI_IFNAME", ".", ENVIRONMENT, &["invalid CNI_IFNAME"]),
    ("CNI_IFNAME", "..", ENVIRONMENT, &["invalid CNI_IFNAME"]),
    ("CNI_IFNAME", "eth/0", ENVIRONMENT, &["invalid CNI_IFNAME", "eth/0"]),
    ("CNI_IFNAME", "eth:0", ENVIRONMENT, &["invalid CNI_IFNAME"]),
    ("CNI_IFNAME", "eth 0", ENVIRONMENT, &["invalid CNI_IFNAME"]),
    ("CNI_ARGS", "nonsense", ENVIRONMENT, &["invalid pair \"nonsense\"", "KEY=VALUE"]),
    ("CNI_ARGS", "K8S_POD_NAME=web", ENVIRONMENT, &["unknown args", "K8S_POD_NAME=web", "IgnoreUnknown=1"]),
    ("CNI_ARGS", "MAC=02:00:00:00:00:09", ENVIRONMENT, &["unknown args", "host-local knows IP", "IgnoreUnknown=1"]),
    ("CNI_ARGS", "IgnoreUnknown=maybe", ENVIRONMENT, &["IgnoreUnknown=maybe", "neither true nor false"]),
    ("CNI_ARGS", "IgnoreUnknown=1;MAC=zz", CONFIG, &["invalid args zz for MAC addr", "02:42:ac:11:00:02"]),
    ("CNI_ARGS", "IgnoreUnknown=1;MAC=01:00:5e:00:00:01", CONFIG, &["01:00:5e:00:00:01", "multicast"]),
    ("CNI_ARGS", "IgnoreUnknown=1;IP=10.22.0.1", CONFIG, &["10.22.0.1", "gateway"]),
    ("CNI_ARGS", "IgnoreUnknown=1;IP=10.23.0.9", CONFIG, &["10.23.0.9", "10.22.0.1-10.22.255.254"]),
    ("CNI_ARGS", "IgnoreUnknown=1;IP=nine", ENVIRONMENT, &["invalid IP address nine"]),
    ("CNI_IFNAME", "all", ENVIRONMENT, &["invalid CNI_IFNAME", "all"]),
};

#[test]
fn variables() {
    bad(|mut bad| {
        let config = network(json!({}));
        for (name, value, code, words) in VARIABLES {
            let call = bad.host.call("ADD", &config, &bad.netns).env(name, value);
            bad.refused(&format!("{name}={value:?}"), &call, "1.1.0", code, words);
        }
        let call = bad.host.plugins.call("ADD", &config).env("CNI_PATH", "");
        let all = "[CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing";
        bad.refused("no variables", &call, "1.1.0", ENVIRONMENT, &[all]);
        bad.end(28);
    });
}

#[test]
fn paths_that_are_no_network_namespace() {
    bad(|mut bad| {
        let config = network(json!({}));
        bad.host
            .sandbox
            .run("touch /run/file; mkfifo /run/fifo; ln -s /run/netns/gone /run/dangling");
        let cases: [(&str, u64, &[&str]); 9] = rows! {
            ("/run/netns/gone", ENVIRONMENT, &["/run/netns/gone", "no such file or directory"]),
            ("/run/file/x", ENVIRONMENT, &["/run/file/x", "no such file or directory"]),
            ("/run/dangling", ENVIRONMENT, &["/run/dangling", "no such file or directory"]),
            ("/proc/2147483647/ns/net", ENVIRONMENT, &["no such file or directory", "/proc/PID/ns/net"]),
            ("/run/file", ENVIRONMENT, &["/run/file", "not a namespace"]),
            ("/run", ENVIRONMENT, &["not a namespace"]),
            ("/run/fifo", ENVIRONMENT, &["not a namespace"]),
            ("/proc/self/ns/mnt", ENVIRONMENT, &["a namespace, but not a network namespace"]),
            // k8s#100648: by device and inode, whatever the path.
            ("/proc/1/ns/net", NETNS, &["should not be the same", "the host's own", "CNI_NETNS_OVERRIDE"]),
        };
        for (path, code, words) in cases {
            let call = bad.host.call("ADD", &config, &bad.netns).netns(path);
            bad.refused(&format!("CNI_NETNS={path}"), &call, "1.1.0", code, words);
        }
        bad.end(9);
    });
}
