//! `reconcile`.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, Plugins, Sandbox, sandbox};
use serde_json::{Value, json};

use crate::demo::build_plugins;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

/// How long the one who watches may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn network() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "net", "type": "bridge", "isGateway": true, "ipMasq": true,
        "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } })
}

/// Attaches a container that is masqueraded.
fn attach(host: &Sandbox) -> Plugins {
    let plugins = Plugins::linked(Path::new(LINKSPAN).with_file_name("linkspan-plugins"));
    let container = host.netns("c1");
    plugins.add(&network(), "c1", &container, "eth0").success();
    assert!(is_masqueraded(host));
    plugins
}

fn is_masqueraded(host: &Sandbox) -> bool {
    let ruleset = host.run("nft list ruleset");
    ruleset.contains("10.22.0.2 comment \"net/c1/eth0\"") && ruleset.contains("masquerade")
}

/// What it tells a program, which is nothing when nothing was missing.
fn reconcile() -> String {
    let output = Cmd::new(LINKSPAN).arg("reconcile").output();
    assert!(output.ok(), "{output}");
    format!("{}{}", output.stdout, output.stderr)
}

// podman#5431, firewalld#779: what a reload or a flush took comes back by one command.
#[test]
fn what_was_flushed_is_put_back() {
    build_plugins();
    sandbox(|host| {
        assert_eq!(reconcile(), "");
        let plugins = attach(host);
        assert_eq!(reconcile(), "");
        host.run("nft flush ruleset");
        let told = reconcile();
        assert!(
            told.contains("net/c1/eth0") && told.contains("expected"),
            "{told}"
        );
        assert!(is_masqueraded(host));
        host.run("nft delete element inet linkspan masquerade4 { 10.22.0.2 }");
        let told: Value = serde_json::from_str(
            &Cmd::new(LINKSPAN)
                .args(["--json", "reconcile"])
                .output()
                .stdout,
        )
        .unwrap();
        assert_eq!(told["attachments"], 1);
        assert_eq!(told["repaired"][0]["attachment"], "net/c1/eth0");
        assert!(is_masqueraded(host));
        let call = plugins
            .call("DEL", &network())
            .container("c1")
            .ifname("eth0");
        call.netns("/run/netns/c1").run().success();
        assert!(!is_masqueraded(host));
        assert_eq!(reconcile(), "");
    });
}

/// As where a DEL could not remove the record: /run was read-only just then.
#[test]
fn what_belongs_to_a_namespace_that_is_gone_is_not_put_back() {
    build_plugins();
    sandbox(|host| {
        attach(host);
        host.run("ip netns delete c1; nft flush ruleset");
        assert_eq!(reconcile(), "");
        assert!(!is_masqueraded(host));
    });
}

/// As where a DEL could not remove the record, and another container has the address by now.
#[test]
fn what_belongs_to_an_interface_that_is_gone_is_not_put_back() {
    build_plugins();
    sandbox(|host| {
        attach(host);
        host.run("ip -n c1 link del eth0; nft flush ruleset");
        assert_eq!(reconcile(), "");
        assert!(!is_masqueraded(host));
    });
}

/// Each network namespace that is a host has records of its own.
#[test]
fn another_host_has_nothing_to_be_put_back() {
    build_plugins();
    sandbox(|host| {
        attach(host);
        let other = host.netns("other");
        let enter = format!("--net={}", other.path().display());
        let output = Cmd::new("nsenter")
            .args([&enter, LINKSPAN, "--json", "reconcile"])
            .output();
        let told: Value = serde_json::from_str(output.success()).unwrap();
        assert_eq!(told["attachments"], 0, "{told}");
        let there = Cmd::new("nsenter").args([&enter, "nft", "list", "ruleset"]);
        assert_eq!(there.output().success(), "");
        assert!(is_masqueraded(host));
    });
}

#[test]
fn records_that_cannot_be_read_are_told() {
    build_plugins();
    sandbox(|host| {
        attach(host);
        host.run("cd /run/cni/linkspan/netns-*/netfilter; echo broken > net:c2:eth0:bridge.json; nft flush ruleset");
        for args in [&["reconcile"][..], &["reconcile", "--backend", "nftables"]] {
            let output = Cmd::new(LINKSPAN).args(args).output();
            assert_eq!(output.status.code(), Some(1), "{output}");
            let words = "net:c2:eth0:bridge.json cannot be read";
            assert!(output.stderr.contains(words), "{output}");
            assert!(output.stderr.contains("1 of 2 attachments"), "{output}");
        }
        assert!(is_masqueraded(host), "what can be read is repaired");
    });
}

#[test]
fn who_watches_puts_back_what_is_flushed() {
    build_plugins();
    sandbox(|host| {
        attach(host);
        let watching = Cmd::new(LINKSPAN)
            .args(["--json", "reconcile", "--watch"])
            .start();
        for _ in 0..2 {
            // Once it is heard: a flush before the first look is put back by that.
            host.run("nft flush ruleset");
            let end = Instant::now() + PATIENCE;
            while !is_masqueraded(host) {
                assert!(Instant::now() < end, "nothing was put back");
                thread::sleep(Duration::from_millis(50));
            }
        }
        let told = watching.kill().stdout;
        let lines: Vec<Value> = told
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(!lines.is_empty());
        for line in lines {
            assert_eq!(line["repaired"][0]["attachment"], "net/c1/eth0");
        }
    });
}
