//! What cannot be, with the code and the words that it is refused with. Nothing is left behind.

use std::fs;

use linkspan_testkit::{Cmd, rows, sandbox};
use serde_json::{Value, json};

use super::{DIRECTORY, Host, network, small};

const DECODING: u64 = 6;
const CONFIG: u64 = 7;

/// Keys of `ipam`, the code (0: that of a value or that of a type), and a part of the message.
const IPAMS: [(&str, u64, &str); 31] = rows! {
    (r#"{}"#, CONFIG, "no IP ranges specified"),
    (r#"{"ranges":[]}"#, CONFIG, "no IP ranges specified"),
    (r#"{"ranges":[[]]}"#, CONFIG, "invalid range set 0: empty range set"),
    (r#"{"ranges":[[{}]]}"#, CONFIG, "invalid range set 0: subnet is missing"),
    (r#"{"ranges":{}}"#, DECODING, "expected a list"),
    (r#"{"ranges":[{"subnet":"10.22.0.0/16"}]}"#, DECODING, "expected a list at position 0"),
    (r#"{"rangeStart":"10.22.0.5"}"#, CONFIG, "no IP ranges specified"),
    (r#"{"subnet":5}"#, 0, "ipam.subnet"),
    (r#"{"subnet":"10.22.0.0"}"#, 0, "ipam.subnet"),
    (r#"{"subnet":"10.22.0.0/33"}"#, 0, "ipam.subnet"),
    (r#"{"subnet":"10.22.0/16"}"#, 0, "ipam.subnet"),
    (r#"{"subnet":"fd00::/129"}"#, 0, "ipam.subnet"),
    (r#"{"subnet":"10.22.0.5/16"}"#, CONFIG, "the network address is 10.22.0.0"),
    (r#"{"subnet":"10.22.0.0/31"}"#, CONFIG, "too small"),
    (r#"{"subnet":"10.22.0.4/32"}"#, CONFIG, "too small"),
    (r#"{"subnet":"fd00::/127"}"#, CONFIG, "too small"),
    (r#"{"subnet":"10.22.0.0/24","rangeStart":"10.23.0.1"}"#, CONFIG, "RangeStart 10.23.0.1 not in network 10.22.0.0/24"),
    (r#"{"subnet":"10.22.0.0/24","rangeEnd":"10.23.0.1"}"#, CONFIG, "RangeEnd 10.23.0.1 not in network 10.22.0.0/24"),
    (
        r#"{"ranges":[[{"subnet":"10.22.0.0/24","rangeStart":"10.22.0.9","rangeEnd":"10.22.0.8"}]]}"#,
        CONFIG,
        "RangeStart 10.22.0.9 not in network 10.22.0.0/24",
    ),
    (r#"{"ranges":[[{"subnet":"10.22.0.0/24","rangeStart":"nonsense"}]]}"#, 0, "rangeStart"),
    (r#"{"ranges":[[{"subnet":"10.22.0.0/24","gateway":"fd00::1"}]]}"#, CONFIG, "Gateway fd00::1 not in network 10.22.0.0/24"),
    (r#"{"subnet":"10.22.0.0/24","gateway":"10.22.0.256"}"#, 0, "gateway"),
    (r#"{"ranges":[[{"subnet":"10.22.0.0/24"},{"subnet":"fd00::/64"}]]}"#, CONFIG, "mixed address families"),
    (r#"{"ranges":[[{"subnet":"10.22.0.0/24"},{"subnet":"10.22.0.0/25"}]]}"#, CONFIG, "overlap"),
    (r#"{"ranges":[[{"subnet":"10.22.0.0/24"}],[{"subnet":"10.22.0.0/25"}]]}"#, CONFIG, "range set 0 overlaps with 1"),
    (r#"{"subnet":"10.22.0.0/16","routes":[{"gw":"10.22.0.1"}]}"#, 0, "dst"),
    (r#"{"subnet":"10.22.0.0/16","routes":[{"dst":"default"}]}"#, 0, "dst"),
    (r#"{"subnet":"10.22.0.0/16","routes":"0.0.0.0/0"}"#, 0, "routes"),
    (r#"{"subnet":"10.22.0.0/16","resolvConf":"/nowhere"}"#, 5, "/nowhere: No such file"),
    (r#"{"subnet":"10.22.0.0/16","dataDir":7}"#, DECODING, "ipam.dataDir"),
    (r#"{"subnet":"10.22.0.0/16","dataDir":"/etc/passwd"}"#, 5, "Not a directory"),
};

/// CNI_ARGS, the code, and a part of the message.
const ARGS: [(&str, u64, &str); 7] = rows! {
    ("IP=nonsense", 4, "invalid IP address nonsense"),
    ("IP=10.22.0.9,10.22.0.10", 4, "invalid IP address"),
    ("IP=10.22.0.1", CONFIG, "requested ip 10.22.0.1 is subnet's gateway"),
    ("IP=10.99.0.1", CONFIG, "failed to allocate all requested IPs: 10.99.0.1"),
    ("IP=10.22.255.255", CONFIG, "failed to allocate all requested IPs: 10.22.255.255"),
    ("IP=10.22.0.9;POD=x", 4, "unknown args"),
    ("IP", 4, "invalid pair"),
};

#[test]
fn what_cannot_be_is_refused_and_explained() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        for (ipam, code, part) in IPAMS {
            let ipam = serde_json::from_str(ipam).unwrap();
            refused(&host, &network(ipam), "", code, part);
        }
        for (args, code, part) in ARGS {
            let config = network(json!({ "subnet": "10.22.0.0/16" }));
            refused(&host, &config, args, code, part);
        }
    });
}

#[test]
fn what_the_rest_of_the_configuration_asks_for_is_checked_too() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let good = network(json!({ "subnet": "10.22.0.0/16" }));
        let with = |key: &str, value: Value| {
            let mut config = good.clone();
            config[key] = value;
            config
        };
        let two =
            json!({ "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "10.23.0.0/16" }]] });
        let mut old = network(two);
        old["cniVersion"] = "0.2.0".into();
        let cases = rows! {
            (with("ipam", Value::Null), CONFIG, "missing 'ipam' key"),
            (with("runtimeConfig", json!({ "ips": ["x"] })), 0, "runtimeConfig.ips"),
            (with("runtimeConfig", json!({ "ips": "10.22.0.9" })), DECODING, "runtimeConfig.ips"),
            (with("runtimeConfig", json!({ "ipRanges": [[{ "subnet": "10.22.0.0/24" }]] })), CONFIG, "range set 0 overlaps with 1"),
            (with("args", json!({ "cni": { "ips": ["10.22.0.8", "10.22.0.9"] } })), CONFIG, "failed to allocate all requested IPs: 10.22.0.9"),
            (old, CONFIG, "CNI version 0.2.0 does not support more than 1 address per family"),
        };
        for (config, code, part) in cases {
            refused(&host, &config, "", code, part);
        }
    });
}

/// Refused with this code (0: that of a value or that of a type) and these words; and nothing is left behind.
fn refused(host: &Host, config: &Value, args: &str, code: u64, part: &str) {
    let call = host
        .ours
        .call("ADD", config)
        .container("c1")
        .netns(host.netns.path())
        .ifname("eth0");
    let outcome = call.args(args).run();
    let (found, message) = outcome.failure();
    let expected = if code == 0 {
        vec![DECODING, CONFIG]
    } else {
        vec![code]
    };
    assert!(
        expected.contains(&found),
        "{config} {args}: code {found}, {message}"
    );
    assert!(message.contains(part), "{config} {args}: {message}");
    let details = outcome
        .json
        .as_ref()
        .and_then(|json| json["details"].as_str());
    assert!(
        details.is_some_and(|details| !details.is_empty()),
        "{config} {args}: what to do? {message}"
    );
    let names = super::files(DIRECTORY);
    assert!(
        names
            .iter()
            .all(|name| name == "lock" || name.starts_with("last_reserved_ip.")),
        "{names:?}"
    );
    assert!(!fs::exists("/run/cni/linkspan/host-local").unwrap());
}

/// What anybody can have put into a directory that was open to all.
#[test]
fn what_is_no_file_of_roots_is_replaced() {
    for planted in [
        "mkfifo lock",
        "mkdir lock",
        "ln -s /etc/passwd lock",
        "ln -s /nowhere lock",
        "touch lock; chown 1000 lock",
        "mkfifo last_reserved_ip.0",
        "ln -s /etc/passwd last_reserved_ip.0",
        "mkfifo 10.22.0.2",
        "ln -s /nowhere 10.22.0.2",
    ] {
        sandbox(|sandbox| {
            let host = Host::new(sandbox);
            fs::create_dir_all(DIRECTORY).unwrap();
            let plant = || {
                let name = planted.split_whitespace().last().unwrap_or_default();
                Cmd::shell(&format!("cd {DIRECTORY}; rm -f {name}; {planted}")).run();
            };
            plant();
            assert_eq!(
                super::address(&host.add(&small(), "c1")),
                "10.22.0.2",
                "{planted}"
            );
            plant();
            host.del(&small(), "c1").success();
            host.add(&small(), "c2").success();
            host.del(&small(), "c2").success();
            let left = format!("cd {DIRECTORY}; find . -mindepth 1 ! -type f -o -user 1000");
            assert_eq!(Cmd::shell(&left).run(), "", "{planted}");
        });
    }
}

#[test]
fn a_lock_that_is_never_released_is_waited_for_no_longer_than_a_deadline() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        host.add(&small(), "c1").success();
        let lock = fs::File::open(format!("{DIRECTORY}/lock")).unwrap();
        lock.lock().unwrap();
        host.del(&small(), "c1")
            .fails(11, &["/var/lib/cni/networks/net/lock"]);
        drop(lock);
        host.del(&small(), "c1").success();
    });
}
