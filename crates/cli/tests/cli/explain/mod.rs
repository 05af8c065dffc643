//! `linkspan explain NET`: what it says will be made is what ADD makes, and it changes nothing.

mod cases;
mod made;
mod refused;

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::document::same;
use linkspan_testkit::{
    Cmd, DhcpDaemon, Feature, Output, Plugins, Sandbox, Snapshot, needs, sandbox,
};
use serde_json::{Value, json};

use crate::demo::build_plugins;
use crate::node::LINKSPAN;
use crate::transcript::replay;
use crate::world::{json, status};
use cases::{CASES, Case};
use made::{Attached, names};

const NETWORK: &str = "/etc/cni/net.d/10-mynet.conflist";
const STATE: &[&str] = &["/run", "/var/lib/cni", "/etc/cni"];

fn write(plugins: &Value) {
    fs::create_dir_all("/etc/cni/net.d").unwrap();
    let network = json!({ "cniVersion": "1.1.0", "name": "mynet", "plugins": plugins });
    fs::write(NETWORK, network.to_string()).unwrap();
}

/// The release, where the environment names it: in a virtual machine, which emulates each of its instructions, it is done sooner.
fn linkspan(words: &[&str]) -> Output {
    let program = env::var_os("LINKSPAN").unwrap_or_else(|| LINKSPAN.into());
    Cmd::new(program).args(words).output()
}

/// Runs it, and fails when it does.
#[track_caller]
fn done(words: &[&str]) {
    let output = linkspan(words);
    assert!(output.ok(), "{output}");
}

/// The plugins where runtimes look for them.
fn install() {
    fs::create_dir_all("/opt/cni/bin").unwrap();
    done(&["install", "--bin-dir", "/opt/cni/bin"]);
}

/// What the host of all cases has.
fn furnish(host: &Sandbox) {
    host.run(
        "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up
         ip address add 192.0.2.1/24 dev up0; ip route add default via 192.0.2.254
         ip link add dev0 type veth peer name dev1; ip address add 198.51.100.1/24 dev dev0",
    );
}

/// The steps of all plugins.
fn steps(told: &Value) -> Vec<Value> {
    let plugins = told["plugins"].as_array().unwrap().iter();
    let steps = plugins.flat_map(|plugin| plugin["steps"].as_array().unwrap());
    steps.cloned().collect()
}

/// Explains, and looks that this has changed nothing; in words, and as JSON.
fn explained(host: &Sandbox, case: &Case) -> (String, Value) {
    write(&case.plugins());
    let before = Snapshot::of(&[host.host()], STATE);
    let words = [&["explain", "mynet"], case.words].concat();
    let text = linkspan(&words).stdout;
    let told = linkspan(&[words.as_slice(), &["--json"]].concat()).stdout;
    before.assert_same(&Snapshot::of(&[host.host()], STATE), case.name);
    (text, json(&told))
}

/// Attaches a container, and compares it with what was said.
fn attach_and_compare(host: &Sandbox, case: &Case) {
    let (_, told) = explained(host, case);
    let name = format!("c-{}", case.name);
    host.run(&format!("ip netns add {name}"));
    let before = names(host, None);
    let cap_args = case.cap_args();
    let mut words = vec!["add", "mynet", name.as_str()];
    words.extend(["--cap-args", cap_args.as_str()]);
    let result = json(linkspan(&words).success());
    let attached = Attached::new(host, &name, &result);
    let steps = steps(&told);
    for step in &steps {
        attached.assert_made(step, case.name);
    }
    attached.assert_complete(&steps, &before, case.name);
    let addresses = result["ips"].as_array().into_iter().flatten();
    let addresses: Vec<&Value> = addresses.map(|ip| &ip["address"]).collect();
    assert_eq!(
        json!(addresses),
        told["result"]["addresses"],
        "{}",
        case.name
    );
    done(&["del", "mynet", &name]);
}

/// The words are in a file for each case; `LINKSPAN_WRITE=1` makes them anew.
#[test]
fn each_plugin_is_explained_in_words() {
    build_plugins();
    sandbox(|host| {
        furnish(host);
        install();
        let _daemon = DhcpDaemon::start(&Plugins::at("/opt/cni/bin"));
        for case in CASES {
            let (text, _) = explained(host, case);
            let file = format!("tests/cli/explain/words/{}.txt", case.name);
            same(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file), &text);
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(80), "{}: {longest:?} columns", case.name);
        }
    });
}

#[test]
fn every_plugin_has_a_case() {
    let told: Vec<String> = CASES
        .iter()
        .map(|case| case.plugins().to_string())
        .collect();
    for plugin in linkspan_testkit::PLUGIN_NAMES {
        let is_there = told
            .iter()
            .any(|text| text.contains(&format!("\"type\":\"{plugin}\"")));
        assert!(is_there, "{plugin} is in no case");
    }
}

#[test]
fn what_is_said_is_what_is_made() {
    build_plugins();
    sandbox(|host| {
        furnish(host);
        install();
        for case in CASES
            .iter()
            .filter(|case| case.is_attached && case.features.is_empty())
        {
            attach_and_compare(host, case);
        }
    });
}

#[test]
fn what_is_said_is_what_is_made_where_a_kernel_has_all_kinds() {
    let features = [
        Feature::BridgeVlanFiltering,
        Feature::Dummy,
        Feature::Ipvlan,
        Feature::Vlan,
        Feature::Vrf,
    ];
    build_plugins();
    // All kinds in one machine: it takes three of its four minutes when other tests have the processors as well.
    needs(&features)
        .deadline(Duration::from_secs(120))
        .sandbox(|host| {
            furnish(host);
            install();
            for case in CASES
                .iter()
                .filter(|case| case.is_attached && !case.features.is_empty())
            {
                attach_and_compare(host, case);
            }
        });
}

/// What is there already is told, and so is what would fail, in the words that ADD has for it.
#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_is_there_and_what_fails_is_told() {
    build_plugins();
    sandbox(|host| {
        furnish(host);
        install();
        let bridge = |more: Value| {
            let mut bridge = json!({ "type": "bridge", "isGateway": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } });
            bridge
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!([bridge])
        };
        let nothing = || json!({});
        let there = [
            (
                "ip link add cni0 type bridge; ip link set cni0 up; ip address add 10.22.0.1/16 dev cni0",
                bridge(nothing()),
                "is there, with 10.22.0.1/16; used as it is",
            ),
            ("true", bridge(nothing()), "has it already"),
            (
                "sysctl -qw net.ipv4.ip_forward=1",
                bridge(nothing()),
                "is 1 already",
            ),
            (
                "ip address flush dev cni0; ip address add 10.23.0.1/16 dev cni0",
                bridge(json!({ "forceAddress": true })),
                "10.23.0.1/16, which it has, is taken away (forceAddress)",
            ),
        ];
        for (command, plugins, expected) in there {
            host.run(command);
            write(&plugins);
            let told = linkspan(&["explain", "mynet"]);
            assert!(told.success().contains(expected), "{expected}: {told}");
        }
        host.run("ip netns add fails");
        let fails = [
            (
                "true",
                bridge(nothing()),
                vec![],
                "already has an IP address different from 10.22.0.1/16",
            ),
            (
                "ip link add br7 type dummy || ip link add br7 type veth peer name br8",
                bridge(json!({ "bridge": "br7" })),
                vec![],
                "already exists but is not a bridge",
            ),
            (
                "true",
                json!([{ "type": "macvlan", "master": "nowhere" }]),
                vec![],
                "failed to lookup master \"nowhere\": Link not found",
            ),
            (
                "true",
                json!([{ "type": "portmap" }]),
                vec![],
                "must be called as chained plugin",
            ),
            (
                "true",
                json!([{ "type": "bridge", "hairpinMode": true, "promiscMode": true }]),
                vec![],
                "cannot set hairpin mode and promiscuous mode at the same time",
            ),
            (
                "ip address flush dev cni0",
                bridge(nothing()),
                vec!["--args", "IgnoreUnknown=1;IP=10.22.0.1"],
                "requested ip 10.22.0.1 is subnet's gateway",
            ),
            (
                "true",
                json!([{ "type": "ptp", "ipam": { "type": "dhcp" } }]),
                vec![],
                "dhcp.sock",
            ),
        ];
        for (command, plugins, words, expected) in fails {
            host.run(command);
            write(&plugins);
            let told = linkspan(&[vec!["explain", "mynet"], words.clone()].concat());
            assert!(!told.ok(), "{expected}: {told}");
            let text = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                text.contains("ADD fails here") && told.stderr.contains(expected),
                "{expected}: {told}"
            );
            let added = linkspan(&[vec!["add", "mynet", "/run/netns/fails"], words].concat());
            assert!(
                !added.ok() && added.stderr.contains(expected),
                "{expected}: {added}"
            );
            linkspan(&["del", "mynet", "/run/netns/fails"]);
        }
    });
}

/// A port that another container has, told without a claim.
#[test]
fn a_port_that_another_container_has_is_told() {
    build_plugins();
    sandbox(|host| {
        install();
        write(&json!([
            { "type": "bridge", "isGateway": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ]));
        host.run("ip netns add c1");
        let ports =
            r#"{ "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }] }"#;
        done(&["add", "mynet", "c1", "--cap-args", ports]);
        let told = linkspan(&["explain", "mynet", "--ports", "8080:80"]);
        assert!(
            !told.ok()
                && told
                    .stderr
                    .contains("host port 8080/tcp is already published by container"),
            "{told}"
        );
        assert!(told.stdout.contains("reserve 10.22.0.3/16"), "{told}");
        done(&["explain", "mynet", "--ports", "127.0.0.1:8081:80,53:53/udp"]);
        let usage = linkspan(&["explain", "mynet", "--ports", "80"]);
        assert_eq!(status(&usage), 2, "{usage}");
    });
}

#[test]
fn the_page_shows_what_happens() {
    build_plugins();
    sandbox(|host| {
        install();
        fs::create_dir_all("/etc/cni/net.d").unwrap();
        fs::write(NETWORK, PAGE).unwrap();
        host.run("sysctl -qw net.ipv4.ip_forward=1");
        replay("operate/explain.md", |_, output| output.stdout.clone());
    });
}

/// The network of the page.
const PAGE: &str = r#"{
  "cniVersion": "1.0.0",
  "name": "mynet",
  "plugins": [
    {
      "type": "bridge",
      "isGateway": true,
      "ipMasq": true,
      "ipam": { "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
"#;

/// What plugins of others do is not guessed, and no plugin is run.
#[test]
fn plugins_of_others_are_named_and_not_run() {
    build_plugins();
    sandbox(|host| {
        furnish(host);
        fs::create_dir_all("/opt/cni/bin").unwrap();
        for name in ["calico", "whereabouts", "bridge"] {
            let file = format!("/opt/cni/bin/{name}");
            fs::write(&file, "#!/bin/sh\ntouch /run/was-run\n").unwrap();
            host.run(&format!("chmod 755 {file}"));
        }
        let file = "/run/others.conflist";
        let plugins = json!([
            { "type": "calico" },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "bandwidth", "ingressRate": 1_000_000, "ingressBurst": 1_000_000 },
        ]);
        let network = json!({ "cniVersion": "1.0.0", "name": "others", "plugins": plugins });
        fs::write(file, network.to_string()).unwrap();
        let told = linkspan(&["explain", file, "--ports", "8080:80"]);
        let text = told.success();
        for expected in [
            "calico: /opt/cni/bin/calico, not one of Linkspan's",
            "what it does is not known here",
            "to <address that calico gives>:80",
            "limit what \"<the host's end of eth0>\" sends",
            "Not installed in /opt/cni/bin: portmap, bandwidth.",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        write(&json!([{ "type": "bridge", "isGateway": true, "ipam": { "type": "whereabouts" } }]));
        let text = linkspan(&["explain", "mynet"]).success().to_owned();
        for expected in [
            "Not Linkspan's in /opt/cni/bin: bridge.",
            "add the address <address that whereabouts gives> to \"eth0\" in the container",
            "have \"cni0\" hold the gateway's address <its gateway>",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!Path::new("/run/was-run").exists() && !text.contains("240."));
    });
}
