//! The IPAM plugin: what its configuration says, and what somebody else's does when it is run.

use linkspan_testkit::rows;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{AGAIN, Bad, CONFIG, DECODING, INTERNAL, IO, bad};
use crate::host::network;

fn with_ipam(ipam: Value) -> Value {
    network(json!({ "ipam": ipam }))
}

/// What `host-local` has to say about its part comes through; all of it is tested there.
#[test]
fn ranges_of_host_local() {
    let cases: [(Value, u64, &[&str]); 9] = rows! {
        (json!({}), CONFIG, &["no IP ranges specified"]),
        (json!({ "subnet": "10.22.0.0/33" }), CONFIG, &["ipam.subnet"]),
        (json!({ "subnet": "10.22.0.5/16" }), CONFIG, &["10.22.0.0"]),
        (json!({ "subnet": "10.22.0.0/31" }), CONFIG, &["too small"]),
        (json!({ "subnet": "10.22.0.0/16", "gateway": "fd00::1" }), CONFIG, &["Gateway fd00::1 not in network"]),
        (json!({ "subnet": "10.22.0.0/24", "rangeStart": "10.23.0.1" }), CONFIG, &["RangeStart 10.23.0.1 not in network"]),
        (json!({ "ranges": [[{ "subnet": "10.22.0.0/24" }], [{ "subnet": "10.22.0.0/25" }]] }), CONFIG, &["range set 0 overlaps with 1"]),
        (json!({ "subnet": "10.22.0.0/16", "routes": [{ "dst": "default" }] }), CONFIG, &["dst"]),
        (
            json!({ "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0", "gw": "10.99.0.1" }] }),
            INTERNAL,
            &["10.99.0.1", "unreachable", "a gateway lies in a subnet"],
        ),
    };
    bad(|mut bad| {
        for (mut ipam, code, words) in cases {
            ipam["type"] = "host-local".into();
            bad.add(&with_ipam(ipam), code, words);
        }
        bad.end(9);
    });
}

#[test]
fn a_range_without_a_free_address() {
    bad(|mut bad| {
        let config = with_ipam(json!({ "type": "host-local", "subnet": "10.22.0.0/30" }));
        let other = bad.host.attach(&config, "other");
        bad.prepared();
        let words = [
            "no IP addresses available",
            "1 of 1",
            "10.22.0.2 by other",
            "DEL",
        ];
        bad.add(&config, AGAIN, &words);
        bad.host.del(&config, &other.netns).success();
    });
}

/// A folder of IPAM plugins, each a few lines of shell. They write down how they are called.
fn scripts(bad: &Bad<'_>) -> PathBuf {
    let dir = bad.host.sandbox.dir();
    let result = |ips: &str| format!("echo '{{\"cniVersion\":\"1.1.0\",\"ips\":{ips}}}'");
    let plugins = [
        ("silent", "exit 0".to_owned()),
        ("garbage", "echo hello".to_owned()),
        ("list", "echo '[]'".to_owned()),
        ("empty", "echo '{}'".to_owned()),
        ("without", result("[]")),
        ("nonsense", result(r#"[{"address":"nonsense"}]"#)),
        ("future", "echo '{\"cniVersion\":\"7.0.0\",\"ips\":[{\"address\":\"10.1.0.2/24\"}]}'".to_owned()),
        ("endless", "head -c 9000000 /dev/zero | tr '\\0' ' '".to_owned()),
        ("twice", result(r#"[{"address":"10.1.0.2/24"},{"address":"10.1.0.2/24"}]"#)),
        ("refuses", "echo '{\"code\":117,\"msg\":\"the pool is closed\",\"details\":\"until nine\"}'; exit 1".to_owned()),
        ("mute", "exit 3".to_owned()),
        ("panics", "echo 'panic: the pool is broken' >&2; exit 2".to_owned()),
        ("talks", "head -c 200000 /dev/zero | tr '\\0' x >&2; exit 1".to_owned()),
        ("unclear", "echo '<html>'; exit 1".to_owned()),
        ("dies", "kill -9 $$".to_owned()),
    ];
    for (name, line) in plugins {
        let log = dir.join("log").display().to_string();
        let script = format!(
            "#!/bin/sh\necho $CNI_COMMAND >>{log}\ncat >/dev/null\n[ $CNI_COMMAND = ADD ] || exit 0\n{line}\n"
        );
        executable(&dir.join(name), &script);
    }
    executable(&dir.join("interpreted"), "#!/nowhere/python\n");
    executable(&dir.join("binary"), "\u{7f}ELF and nothing else");
    fs::write(dir.join("plain"), "#!/bin/sh\n").unwrap();
    fs::create_dir(dir.join("directory")).unwrap();
    dir
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// CVE-2021-20206 among them: a type that is a path.
#[test]
fn plugins_that_cannot_be_run_or_answer_badly() {
    // The type, and whether the plugin has been called and so is told to give back what it may have reserved.
    let cases: [(&str, u64, &[&str], bool); 22] = rows! {
        ("nonsuch", IO, &["failed to find plugin \"nonsuch\"", "CNI_PATH"], false),
        ("../garbage", CONFIG, &["ipam.type", "never a path"], false),
        ("/bin/sh", CONFIG, &["ipam.type", "never a path"], false),
        // It would ask itself for addresses, for ever.
        ("bridge", CONFIG, &["ipam.type", "\"bridge\" is no IPAM plugin", "host-local"], false),
        ("portmap", CONFIG, &["\"portmap\" is no IPAM plugin"], false),
        ("plain", IO, &["failed to find plugin \"plain\"", "not executable"], false),
        ("directory", IO, &["failed to find plugin \"directory\""], false),
        ("interpreted", IO, &["interpreted", "No such file", "interpreter"], false),
        ("binary", IO, &["binary", "Exec format error"], false),
        ("silent", DECODING, &["\"silent\"", "nothing"], true),
        ("garbage", DECODING, &["\"garbage\"", "hello"], true),
        ("list", DECODING, &["\"list\"", "an object"], true),
        ("empty", DECODING, &["missing IP config"], true),
        ("without", DECODING, &["missing IP config"], true),
        ("nonsense", DECODING, &["\"nonsense\"", "ips"], true),
        ("future", DECODING, &["\"future\"", "7.0.0"], true),
        ("endless", DECODING, &["endless"], false),
        ("twice", INTERNAL, &["10.1.0.2/24", "File exists"], true),
        ("refuses", 117, &["the pool is closed", "until nine"], false),
        ("mute", INTERNAL, &["no error message", "exit status: 3", "\"mute\""], false),
        ("unclear", DECODING, &["<html>"], false),
        ("dies", INTERNAL, &["signal: 9", "\"dies\""], false),
    };
    bad(|mut bad| {
        let dir = scripts(&bad);
        let path = format!("{}:{}", dir.display(), bad.host.plugins.dir().display());
        for (name, code, words, is_told) in cases {
            let config = with_ipam(json!({ "type": name }));
            let call = bad
                .host
                .call("ADD", &config, &bad.netns)
                .env("CNI_PATH", &path);
            fs::write(dir.join("log"), "").unwrap();
            bad.refused(name, &call, "1.1.0", code, words);
            let calls = fs::read_to_string(dir.join("log")).unwrap();
            assert_eq!(calls.ends_with("DEL\n"), is_told, "{name}: {calls}");
        }
        bad.end(22);
    });
}

/// A panic, for one: nobody reads the runtime's standard error when a pod does not start.
#[test]
fn what_is_said_on_standard_error_alone_is_in_the_error_and_handed_on() {
    bad(|bad| {
        let path = scripts(&bad).display().to_string();
        for (name, msg, said) in [
            (
                "panics",
                "netplugin failed: \"panic: the pool is broken\": exit status: 2",
                25,
            ),
            ("talks", "netplugin failed: \"xxxxxxxx", 200_000),
        ] {
            let config = with_ipam(json!({ "type": name }));
            let call = bad.host.call("ADD", &config, &bad.netns);
            let outcome = call.env("CNI_PATH", &path).run();
            assert_eq!(outcome.output.stderr.trim_end().len(), said, "{name}");
            outcome.fails(INTERNAL, &[msg]);
        }
    });
}
