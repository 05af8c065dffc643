//! What `--json` prints is what docs/json.md says: every command is run, and what it printed compared with the document.

mod shape;

use std::fs;
use std::path::Path;

use linkspan_testkit::{Cmd, Output, Sandbox, sandbox};
use serde_json::json;

use crate::demo::build_plugins;
use crate::world::{json, wait_for_ports};
use shape::Shapes;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");
const DOCUMENT: &str = include_str!("../../../../../docs/json.md");

/// Commands in the order in which they are run, each with the heading that it is documented under: on a host with the reference's
/// plugins, the network `mynet` of CNI 1.0.0 and the namespaces c1 to c3. What is under [`HOST`] is a command of the host itself.
const RUNS: &[(&str, &str)] = &[
    (
        "linkspan install",
        "install --bin-dir /opt/cni/bin --dry-run",
    ),
    ("linkspan install", "install --bin-dir /opt/cni/bin"),
    ("linkspan install", "install --bin-dir /opt/cni/bin --check"),
    ("linkspan version", "version"),
    ("linkspan version PLUGIN", "version bridge"),
    ("linkspan status NET", "status mynet"),
    ("linkspan explain NET", "explain mynet"),
    ("linkspan explain NET", "explain /run/explained.conflist"),
    ("linkspan add NET NETNS", "add mynet c1"),
    ("linkspan add NET NETNS", "add mynet c2 --container-id two"),
    ("linkspan check NET NETNS", "check mynet c1"),
    ("linkspan trace add NET NETNS", "trace add mynet c3"),
    ("linkspan trace add NET NETNS", "trace check mynet c3"),
    (
        "linkspan trace add NET NETNS",
        "trace add mynet c3 --container-id other",
    ),
    ("linkspan trace add NET NETNS", "trace del mynet c3"),
    ("linkspan list", "list"),
    (HOST, "touch /var/lib/cni/networks/mynet/10.22.0.99"),
    (
        HOST,
        "cp /etc/cni/net.d/10-mynet.conflist /etc/cni/net.d/20-mynet.conflist",
    ),
    (
        HOST,
        "echo '{\"cniVersion\":\"1.0.0\",\"name\":\"mynet\",\"type\":\"bridge\"}' | CNI_COMMAND=ADD CNI_CONTAINERID=x \
            CNI_IFNAME=eth0 CNI_NETNS=/nowhere CNI_PATH=/opt/cni/bin /opt/cni/bin/bridge || true",
    ),
    ("linkspan status", "status"),
    (
        "linkspan doctor",
        "doctor --check pool-leftovers --check config-shadowed --check plugin-missing",
    ),
    ("linkspan doctor --fix", "doctor --fix --dry-run"),
    ("linkspan doctor --fix", "doctor --fix --yes"),
    ("linkspan doctor --list", "doctor --list"),
    ("linkspan lint --list", "lint --list"),
    (HOST, "mkdir /run/lint"),
    (
        HOST,
        "echo '{ \"name\": \"a\", \"name\": \"a\", \"type\": \"bridge\", \"isGatway\": true }' >/run/lint/a.conf",
    ),
    ("linkspan lint", "lint /run/lint"),
    ("linkspan lint", "lint --fix /run/lint"),
    ("linkspan gc NET", "gc mynet --keep c1 --dry-run"),
    (HOST, "rm /var/lib/cni/results/mynet-two-eth0"),
    ("linkspan gc NET", "gc mynet --dry-run"),
    (HOST, "nft flush ruleset"),
    ("linkspan reconcile", "reconcile"),
    (
        "linkspan reconcile --backend BACKEND",
        "reconcile --backend iptables --dry-run",
    ),
    (
        "linkspan uninstall",
        "uninstall --bin-dir /opt/cni/bin --dry-run",
    ),
    (
        "linkspan new network",
        "new network web --ports --ipv6 --yes --conf-dir /run/new",
    ),
    (
        "linkspan new network",
        "new network lan --macvlan lo --stdout --cni-path /nowhere",
    ),
    (
        "linkspan new plugin",
        "new plugin my-plugin --dir /run/my-plugin",
    ),
    (HOST, "echo '{' >/run/new/80-broken.conflist"),
    ("linkspan network ls", "network ls --conf-dir /run/new"),
    ("linkspan network ls", "network ls"),
    ("linkspan network inspect NET...", "network inspect mynet"),
    (HOST, "mkdir /run/new/web"),
    (
        "linkspan network rm NET...",
        "network rm web --dry-run --conf-dir /run/new",
    ),
    (
        "linkspan network rm NET...",
        "network rm web --yes --conf-dir /run/new",
    ),
    ("linkspan explain key KEY", "explain key bridge"),
    ("linkspan explain key KEY", "explain key runtimeConfig.mac"),
    (
        HOST,
        "echo '{\"code\":7,\"msg\":\"plugin type=\\\"bridge\\\" failed (add): cannot\"}' > /run/error",
    ),
    ("linkspan explain error FILE", "explain error /run/error"),
    (
        HOST,
        "echo 'error adding pod web to CNI network \"mynet\": plugin type=\"bridge\" failed (add): Required prevResult missing' > /run/error",
    ),
    ("linkspan explain error FILE", "explain error /run/error"),
    ("linkspan explain error --list", "explain error --list"),
    ("linkspan show", "show"),
    ("linkspan show --watch", "show --watch=50ms --count 1"),
    (
        "linkspan ipam show --ip ADDRESS",
        "ipam show --ip 10.22.0.2",
    ),
    (HOST, "ip netns del c2"),
    ("linkspan ipam show", "ipam show"),
    (
        "linkspan ipam check",
        "ipam check --report /run/report.json",
    ),
    (
        "linkspan ipam free",
        "ipam free --from-report /run/report.json",
    ),
    ("linkspan del NET NETNS", "del mynet c1"),
    (
        HOST,
        concat!("! ", env!("CARGO_BIN_EXE_linkspan"), " add mynet nowhere"),
    ),
    ("linkspan events", "events"),
    ("linkspan metrics", "metrics"),
    (
        "linkspan metrics --output FILE",
        "metrics --output /run/linkspan.prom",
    ),
    // What bridges pass on, or the host, is dropped: so a check fails.
    (HOST, "iptables -P FORWARD DROP"),
    ("linkspan test NET", "test mynet"),
    (HOST, "iptables -P FORWARD ACCEPT"),
    ("linkspan test NET", "test mynet --keep"),
    ("linkspan test NET --clean", "test mynet --clean"),
    (HOST, "echo 'del-twice not so' >/run/except"),
    (
        "linkspan conformance",
        "conformance --plugin /opt/cni/bin/static --except /run/except --check del-twice --check command-missing \
            --check check-reservation-gone",
    ),
    ("linkspan conformance --list", "conformance --list"),
    ("linkspan demo", "demo"),
    ("linkspan completions SHELL", "completions bash"),
    ("linkspan man", "man add"),
    ("linkspan man --dir DIR", "man --dir /run/man"),
];

const HOST: &str = "host";

/// What none of the runs shows, and all that is in it.
const UNSEEN: &[&str] = &[
    // Leases are held by a running daemon, and what is kept or left alone is of others: tests of `uninstall` have them.
    "linkspan uninstall.leases[]",
    "linkspan uninstall.kept[]",
    "linkspan uninstall.leftAlone[]",
    "linkspan uninstall.stillKept[]",
    // The whole of Linkspan is installed.
    "linkspan install.notInIt[]",
    // Nothing that flags ask for is warned of and still written; lint's own run has the shape.
    "linkspan new network.findings[]",
    // Tests of the library that looks, and of `gc`, have pods, limits and ports, what was only begun and what cannot be read.
    "linkspan ipam check.blindSpots[]",
    "linkspan show.blindSpots[]",
    "linkspan status.blindSpots[]",
    "Name",
    "Namespace.links?[].alias?",
    "Namespace.links?[].master?",
    "Namespace.processes[]",
    "Pool.leftovers?",
    "Pool.problem?",
    "Problem",
    "Reservation.name?",
    "Seen.netfilter?",
    "Seen.record?",
    "SeenAttachment.incomplete?",
    "SeenAttachment.limits?",
    "SeenAttachment.name?",
    "SeenAttachment.ports[]",
    "SeenAttachment.why?",
];

fn host_with_networks(host: &Sandbox) {
    fs::create_dir_all("/opt/cni/bin").unwrap();
    for entry in fs::read_dir("/usr/lib/cni").unwrap().flatten() {
        fs::copy(
            entry.path(),
            Path::new("/opt/cni/bin").join(entry.file_name()),
        )
        .unwrap();
    }
    fs::create_dir_all("/etc/cni/net.d").unwrap();
    let network = json!({ "cniVersion": "1.0.0", "name": "mynet", "plugins": [
        { "type": "bridge", "isGateway": true, "ipMasq": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] } }] });
    fs::write("/etc/cni/net.d/10-mynet.conflist", network.to_string()).unwrap();
    fs::write("/etc/cni/net.d/90-broken.conflist", "{}").unwrap();
    let explained = json!({ "cniVersion": "1.0.0", "name": "explained", "plugins": [
        { "type": "bridge", "dns": { "nameservers": ["10.0.0.53"] } },
        { "type": "tuning", "mtu": 1400 },
        { "type": "calico", "capabilities": { "other": true } },
        { "type": "firewall", "ingressPolicy": "same-bridge" } ] });
    fs::write("/run/explained.conflist", explained.to_string()).unwrap();
    for name in ["c1", "c2", "c3"] {
        host.run(&format!("ip netns add {name}"));
    }
}

fn run(words: &str) -> Output {
    Cmd::new(LINKSPAN)
        .args(words.split(' '))
        .arg("--json")
        .output()
}

#[test]
fn every_command_prints_what_is_documented() {
    build_plugins();
    sandbox(|host| {
        host_with_networks(host);
        let shapes = Shapes::read(DOCUMENT);
        for (heading, words) in RUNS {
            if *heading == HOST {
                host.run(words);
                if words.starts_with("ip netns del") {
                    wait_for_ports(host, 1);
                }
                continue;
            }
            let output = run(words);
            assert!(!output.stdout.is_empty(), "{words}: {output}");
            shapes.check(heading, &json(&output.stdout));
            // What finds something wrong fails, having told it.
            let beside = if output.ok() { "Notes" } else { "Error" };
            if !output.stderr.is_empty() {
                shapes.check(beside, &json(&output.stderr));
            }
        }
        failures(host, &shapes);
        let mut unseen = shapes.unseen();
        unseen.retain(|place| {
            let mut known = UNSEEN.iter().filter_map(|known| place.strip_prefix(known));
            !known.any(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        assert!(
            unseen.is_empty(),
            "nothing shows that docs/json.md is right on {unseen:#?}"
        );
    });
}

/// Failures of every kind, each with other keys.
fn failures(host: &Sandbox, shapes: &Shapes) {
    let dir = host.dir();
    let failing = dir.join("failing");
    let script =
        "#!/bin/sh\necho log >&2\necho '{\"code\":7,\"msg\":\"m\",\"details\":\"d\"}'\nexit 1\n";
    fs::write(&failing, script).unwrap();
    host.run(&format!("chmod 755 {}", failing.display()));
    let network = r#"{ "cniVersion": "1.0.0", "name": "unlucky", "plugins": [{ "type": "failing" }, { "type": "failing" }] }"#;
    fs::write(dir.join("unlucky.conflist"), network).unwrap();
    let places = format!("--cni-path {0} --conf-dir {0}", dir.display());
    for words in [
        "add nonet c1".to_owned(),
        "addd mynet c1".to_owned(),
        format!("add unlucky c3 -v {places}"),
        format!("del unlucky c3 --keep-going {places}"),
    ] {
        let output = run(&words);
        assert!(!output.ok() && output.stdout.is_empty(), "{output}");
        shapes.check("Error", &json(&output.stderr));
    }
}

#[test]
fn every_command_is_documented_and_run() {
    let help = Cmd::new(LINKSPAN).arg("--help").output();
    let lines = help
        .success()
        .lines()
        .take_while(|line| *line != "Options:");
    let names = lines.filter_map(|line| Some(line.strip_prefix("  ")?.split_once(' ')?.0));
    let shapes = Shapes::read(DOCUMENT);
    for name in names.filter(|name| *name != "help") {
        let is_of = |heading: &str| heading.split(' ').nth(1) == Some(name);
        assert!(
            shapes.commands().any(is_of),
            "docs/json.md does not tell what `linkspan {name} --json` prints"
        );
    }
    for heading in shapes.commands() {
        assert!(
            RUNS.iter().any(|(run, _)| *run == heading),
            "`{heading}` is not run"
        );
    }
}
