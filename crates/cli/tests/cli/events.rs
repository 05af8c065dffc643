//! `events` and `metrics`, of real plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::{Cmd, Netns, Plugins, Sandbox, sandbox, with_prev_result};
use serde_json::{Value, json};

use crate::demo::build_plugins;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

fn plugins() -> Plugins {
    Plugins::linked(Path::new(LINKSPAN).with_file_name("linkspan-plugins"))
}

fn linkspan(words: &str) -> Cmd {
    Cmd::new(LINKSPAN).args(words.split(' '))
}

fn told(words: &str) -> String {
    linkspan(words).output().success().to_owned()
}

fn events(words: &str) -> Vec<Value> {
    let told: Value = serde_json::from_str(&told(format!("--json events {words}").trim())).unwrap();
    told["events"].as_array().unwrap().clone()
}

/// A bridge whose pool has one address.
fn bridge() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "mynet", "type": "bridge",
        "ipam": { "type": "host-local", "subnet": "10.22.0.0/30" } })
}

fn tuning() -> Value {
    json!({ "cniVersion": "1.1.0", "name": "mynet", "type": "tuning", "mtu": 1400 })
}

/// ADD of a chain; and DEL of it if need be.
fn attach(netns: &Netns, detach: bool) {
    let plugins = plugins();
    let result = plugins.add(&bridge(), "c1", netns, "eth0").success();
    let second = with_prev_result(&tuning(), &result);
    plugins.add(&second, "c1", netns, "eth0").success();
    if detach {
        plugins.del(&second, "c1", netns, "eth0").success();
        plugins.del(&bridge(), "c1", netns, "eth0").success();
    }
}

/// users-voice#25, cni#732, cni#817, spiderpool#797: what failed, in which plugin, at which step, why, and how often.
#[test]
fn a_failure_is_told_with_its_plugin_code_reason_and_count() {
    build_plugins();
    sandbox(|host| {
        assert!(told("events").starts_with("No plugin was called"));
        attach(&host.netns("c1"), false);
        let other = host.netns("c2");
        let add = plugins().call("ADD", &bridge()).container("c2");
        let add = add.netns(other.path()).ifname("eth0");
        let add = add.env(
            "CNI_ARGS",
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-1",
        );
        add.run().failure();
        let all = events("");
        let words: Vec<_> = all
            .iter()
            .map(|one| {
                format!(
                    "{} {} {}",
                    one["command"], one["plugin"], one["containerID"]
                )
                .replace('"', "")
            })
            .collect();
        assert_eq!(words, ["ADD bridge c1", "ADD tuning c1", "ADD bridge c2"]);
        let failed = &events("--failed")[..];
        assert_eq!(failed, &all[2..]);
        assert_eq!(failed[0]["ipam"][0]["plugin"], "host-local");
        assert_eq!(failed[0]["error"]["code"], 11);
        assert_eq!(failed[0]["name"], "default/web-1");
        for (words, count) in [
            ("c1", 2),
            ("web-1", 1),
            ("mynet", 3),
            ("tuning", 1),
            ("nobody", 0),
            ("--since 1h", 3),
        ] {
            assert_eq!(events(words).len(), count, "{words}");
        }
        let text = told("events --failed");
        assert!(
            text.contains("bridge (host-local)")
                && text.contains("error 11")
                && text.contains("host-local: ")
                && text.contains("no IP addresses available")
                && text.contains("run GC"),
            "{text}"
        );
        let samples = samples(&told("metrics"));
        let failure =
            "linkspan_plugin_failures_total{plugin=\"host-local\",command=\"ADD\",code=\"11\"}";
        assert_eq!(samples[failure], 1.0);
        assert_eq!(
            samples["linkspan_plugin_calls_total{plugin=\"bridge\",command=\"ADD\"}"],
            2.0
        );
        assert_eq!(
            samples["linkspan_plugin_duration_seconds_count{plugin=\"tuning\",command=\"ADD\"}"],
            1.0
        );
    });
}

/// What tells of containers is root's, and what is planted in its place leads nowhere.
#[test]
fn nobody_else_reads_the_ring_or_plants_anything_there() {
    build_plugins();
    sandbox(|host| {
        attach(&host.netns("c1"), true);
        let readable = "find /run/cni/linkspan -perm /077";
        assert_eq!(host.run(readable), "");
        let ring = host.run("ls -d /run/cni/linkspan/netns-*/events");
        for planted in ["ln -s /run/elsewhere", "mkfifo", "mkdir"] {
            host.run(&format!("rm -r {ring}/events; {planted} {ring}/events"));
            attach(&host.netns(&format!("c{}", planted.len())), true);
            assert_eq!(host.run("ls /run/elsewhere 2>/dev/null || true"), "");
            assert!(told("events").contains("No plugin was called"), "{planted}");
        }
        host.run(&format!("rm -r {ring}/events"));
        attach(&host.netns("c9"), true);
        assert_eq!(events("").len(), 4);
    });
}

#[test]
fn where_the_ring_cannot_be_written_calls_succeed_and_say_nothing() {
    build_plugins();
    sandbox(|host| {
        let lo = json!({ "cniVersion": "1.1.0", "name": "lo", "type": "loopback" });
        let netns = host.netns("c1");
        for mount in ["-o ro", "-o nr_inodes=1", "-o size=4k,nr_inodes=5"] {
            host.run(&format!(
                "mkdir -p /run/cni; mount -t tmpfs {mount} none /run/cni"
            ));
            let call = plugins()
                .call("ADD", &lo)
                .container("c1")
                .netns(netns.path());
            let output = call.ifname("lo").cmd().output();
            assert!(output.ok() && output.stderr.is_empty(), "{mount}: {output}");
            host.run("umount /run/cni");
        }
        assert!(!Path::new("/var/lib/cni/linkspan").exists());
    });
}

#[test]
fn whatever_a_container_is_called_a_terminal_obeys_nothing_and_a_line_is_one() {
    build_plugins();
    sandbox(|_| {
        let call = plugins()
            .call("ADD", &bridge())
            .container("a\"b\n\u{1b}[2Jx\u{202e}");
        call.netns("/run/netns/c1").ifname("eth0").run().failure();
        let script = format!("script -qc '{LINKSPAN} events' /dev/null");
        let shown = Cmd::shell(&script).output().success().to_owned();
        assert!(shown.contains("a\"b \\u{1b}[2Jx\\u{202e}"), "{shown:?}");
        assert!(
            !shown.contains("\u{1b}[2J") && !shown.contains('\u{202e}'),
            "{shown:?}"
        );
        assert_eq!(events("")[0]["containerID"], "a\"b\n\u{1b}[2Jx\u{202e}");
        samples(&told("metrics"));
    });
}

#[test]
fn whoever_follows_is_told_of_each_call_in_a_line_and_ends_with_its_reader() {
    build_plugins();
    sandbox(|host| {
        let follow =
            format!("timeout 20 {LINKSPAN} --json events --follow | head -n 2 > /run/told");
        let following = std::thread::spawn(move || {
            Cmd::shell(&follow)
                .deadline(Duration::from_secs(30))
                .output()
        });
        // What it makes when it begins.
        let begun = "until ls -d /run/cni/linkspan/netns-*/events >/dev/null 2>&1; do sleep 0.01; done; sleep 0.2";
        host.run(begun);
        attach(&host.netns("c1"), true);
        assert!(following.join().unwrap().ok());
        let text = fs::read_to_string("/run/told").unwrap();
        let plugins: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["plugin"].clone())
            .collect();
        assert_eq!(plugins, ["bridge", "tuning"]);
    });
}

#[test]
fn metrics_are_written_whole_for_everybody_and_tell_of_pools_and_attachments() {
    build_plugins();
    sandbox(|host| {
        prepare(host);
        let file = "/run/linkspan.prom";
        for umask in ["077", "000"] {
            host.run(&format!(
                "umask {umask}; {LINKSPAN} metrics --output {file}"
            ));
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o644);
        }
        let samples = samples(&fs::read_to_string(file).unwrap());
        for (name, value) in [
            ("linkspan_attachments{network=\"mynet\"}", 1.0),
            ("linkspan_attachments_stale{network=\"mynet\"}", 0.0),
            (
                "linkspan_pool_addresses{network=\"mynet\",pool=\"10.22.0.1-10.22.0.2\"}",
                1.0,
            ),
            (
                "linkspan_pool_addresses_used{network=\"mynet\",pool=\"10.22.0.1-10.22.0.2\"}",
                1.0,
            ),
            ("linkspan_networks", 1.0),
            (
                concat!(
                    "linkspan_build_info{version=\"",
                    env!("CARGO_PKG_VERSION"),
                    "\"}"
                ),
                1.0,
            ),
        ] {
            assert_eq!(samples.get(name), Some(&value), "{name}: {samples:#?}");
        }
        let failed = linkspan("metrics --output /run/nowhere/x.prom").output();
        assert!(
            failed.stderr.contains("collector.textfile.directory"),
            "{failed}"
        );
        assert_eq!(host.run("ls -A /run | grep ^.tmp || true"), "");
    });
}

fn prepare(host: &Sandbox) {
    fs::create_dir_all("/etc/cni/net.d").unwrap();
    fs::write("/etc/cni/net.d/10-mynet.conf", bridge().to_string()).unwrap();
    let netns = host.netns("c1");
    let add = format!(
        "add mynet {} --cni-path {}",
        netns.path().display(),
        plugins().dir().display()
    );
    told(&add);
}

/// Reads the text format as strictly as Prometheus: help and type come first and once, no sample is there twice or apart from its
/// family, and labels are escaped.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind) = ("", "");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').unwrap().0;
            assert!(families.insert(family), "{family} comes twice");
            kind = "";
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, its) = typed.split_once(' ').unwrap();
            assert_eq!(name, family);
            kind = its;
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let rest = name.strip_prefix(family).unwrap();
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                "counter" | "gauge" => &[""],
                _ => panic!("a sample before its type: {line}"),
            };
            assert!(suffixes.contains(&rest), "{line}");
            assert_eq!(labels(&series[name.len()..]), "", "{line}");
            let before = samples.insert(series.to_owned(), value.parse::<f64>().unwrap());
            assert!(before.is_none(), "{series} comes twice");
        }
    }
    assert!(text.ends_with('\n'));
    samples
}

/// What is left behind the labels.
fn labels(text: &str) -> &str {
    let Some(mut rest) = text.strip_prefix('{') else {
        return text;
    };
    loop {
        let (name, value) = rest.split_once("=\"").unwrap();
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.chars().all(is_name) && !name.is_empty(), "{name}");
        let mut escaped = false;
        let end = value.find(|c| {
            let is_end = c == '"' && !escaped;
            assert!(!escaped || ['\\', '"', 'n'].contains(&c), "{value}");
            escaped = c == '\\' && !escaped;
            is_end
        });
        rest = &value[end.unwrap() + 1..];
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.strip_prefix('}').unwrap(),
        }
    }
}
