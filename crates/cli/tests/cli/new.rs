//! `linkspan new network` on a host on which nothing is, and what its networks carry.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use linkspan_testkit::{Cmd, Feature, Netns, Output, Outside, Sandbox, needs, sandbox};
use serde_json::Value;

use crate::demo::build_plugins;
use crate::node::LINKSPAN;
use crate::transcript::replay;

const CONF_DIR: &str = "/etc/cni/net.d";

/// A host with the world outside, and the plugins installed.
struct Fresh<'s> {
    host: &'s Sandbox,
    outside: Outside,
}

impl<'s> Fresh<'s> {
    fn new(host: &'s Sandbox) -> Self {
        let outside = host.outside();
        let fresh = Self { host, outside };
        fresh.ok(&["install", "--bin-dir", "/opt/cni/bin"]);
        fresh
    }

    /// The program, where no runtime of this machine is seen.
    fn run(&self, args: &[&str]) -> Output {
        Cmd::new(LINKSPAN)
            .args(args)
            .env("PATH", "/nowhere")
            .output()
    }

    fn ok(&self, args: &[&str]) -> String {
        self.run(args).success().to_owned()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.ok(&[&["--json"], args].concat());
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// Attaches a container; its address of IPv4.
    fn add(&self, network: &str, name: &str, more: &[&str]) -> (Netns, String) {
        let netns = self.host.netns(name);
        let path = netns.path().to_str().unwrap();
        let result = self.json(&[&["add", network, path], more].concat());
        let address = result["ips"][0]["address"].as_str().unwrap();
        (netns, address.split('/').next().unwrap().to_owned())
    }
}

#[test]
fn a_bridge_on_a_fresh_host_carries_everything() {
    build_plugins();
    sandbox(|host| {
        let fresh = Fresh::new(host);
        let told = fresh.json(&["new", "network", "web", "--ports", "--ipv6", "--bandwidth"]);
        let file = format!("{CONF_DIR}/10-web.conflist");
        assert_eq!(told["file"], file.as_str());
        assert_eq!(
            (&told["isDefault"], &told["bridge"]),
            (&true.into(), &"cni-web".into())
        );
        assert_eq!(told["missingPlugins"], Value::Array(vec![]));
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o644
        );
        let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(written, told["configuration"]);
        let ports = r#"{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}"#;
        let (c1, first) = fresh.add("web", "c1", &["--cap-args", ports]);
        let (c2, second) = fresh.add("web", "c2", &[]);
        c1.ping("10.90.0.1");
        c1.ping(&second);
        c2.ping(&first);
        let gateway = told["configuration"]["plugins"][0]["ipam"]["ranges"][1][0]["gateway"]
            .as_str()
            .unwrap();
        c2.ping(gateway);
        c1.ping(Outside::ROUTER_V4);
        c1.ping(Outside::ROUTER_V6);
        c1.serve_tcp("0.0.0.0:80");
        let published = format!("{}:8080", Outside::HOST_V4);
        for from in [&fresh.outside.netns, &c2, &c1] {
            from.talk_tcp(&published).unwrap();
        }
        let listed = fresh.json(&["network", "ls"]);
        assert_eq!(listed["networks"][0]["attached"], 2);
        assert_eq!(fresh.ok(&["network", "ls", "-q"]), "web\n");
    });
}

/// On every kind that this kernel may have, what its configuration promises comes through.
#[test]
fn every_kind_is_proven() {
    build_plugins();
    needs(&[Feature::Macvlan]).sandbox(|host| {
        let fresh = Fresh::new(host);
        let uplink = Outside::UPLINK;
        for words in [
            "new network p2p --ptp --ports --ipv6",
            "new network inside --internal --ipv6",
        ] {
            let made = fresh.json(&words.split(' ').collect::<Vec<_>>());
            let report = fresh.json(&["test", made["name"].as_str().unwrap()]);
            assert_eq!(report["failed"].as_u64().unwrap_or(0), 0, "{report:#}");
        }
        for (words, gateway, outside) in [
            ("new network six --subnet fd00:6::/64", "fd00:6::1", Outside::ROUTER_V6),
            (
                "network create wide -d bridge --subnet 10.91.0.0/16 --ip-range 10.91.128.0/17 --gateway 10.91.0.9 --interface-name br9",
                "10.91.0.9",
                Outside::ROUTER_V4,
            ),
        ] {
            let made = fresh.json(&words.split(' ').collect::<Vec<_>>());
            let name = made["name"].as_str().unwrap();
            let (container, _) = fresh.add(name, &format!("{name}1"), &[]);
            container.ping(gateway);
            container.ping(outside);
        }
        // The wire of the uplink, on which the router of the world outside is.
        let range = ["--subnet", "198.51.100.0/24", "--range", "198.51.100.128/25"];
        let lan = ["new", "network", "lan", "--macvlan", uplink];
        let made = fresh.json(&[&lan[..], &range, &["--gateway", Outside::ROUTER_V4]].concat());
        assert_eq!(made["configuration"]["plugins"][0]["ipam"]["ranges"][0][0]["rangeStart"], "198.51.100.128");
        let (c1, first) = fresh.add("lan", "c1", &[]);
        let (c2, _) = fresh.add("lan", "c2", &[]);
        c1.ping(Outside::ROUTER_V4);
        c2.ping(&first);
        let refused = fresh.run(&["new", "network", "lan2", "--macvlan", uplink, "--subnet", "198.51.100.0/24"]);
        assert!(refused.stderr.contains(Outside::HOST_V4), "{refused}");
    });
}

#[test]
fn what_is_there_is_left_alone() {
    build_plugins();
    sandbox(|host| {
        let fresh = Fresh::new(host);
        host.run(
            "ip link add other0 type bridge; ip route add 10.90.1.0/24 via 198.51.100.2 table 77",
        );
        fs::create_dir_all(CONF_DIR).unwrap();
        let other = r#"{"cniVersion":"1.0.0","name":"old","plugins":[{"type":"bridge","ipam":{"type":"whereabouts","range":"10.90.0.0/24"}}]}"#;
        fs::write(format!("{CONF_DIR}/87-old.conflist"), other).unwrap();
        host.run(
            "mkdir -p /var/lib/cni/networks/gone; echo c9 >/var/lib/cni/networks/gone/10.90.2.7",
        );
        let made = fresh.json(&["new", "network", "web"]);
        assert_eq!(made["subnets"][0], "10.90.3.0/24");
        assert_eq!(made["file"], format!("{CONF_DIR}/87-web.conflist").as_str());
        assert_eq!(made["isDefault"], false);
        let before = host.run(&format!(
            "ls -l --full-time {CONF_DIR}; md5sum {CONF_DIR}/*"
        ));
        for (words, status, told) in [
            ("new network web", 1, "web2 is free"),
            ("new network old", 1, "87-old.conflist"),
            ("new network gone", 1, "/var/lib/cni/networks/gone"),
            ("new network n --bridge=other0", 1, "other1 is free"),
            (
                "new network n --interface-name cni0",
                1,
                "the bridge of network old",
            ),
            ("new network n --subnet 10.90.0.128/25", 1, "of network old"),
            ("new network n --subnet 10.90.1.0/24", 1, "in table 77"),
            (
                "new network n --file /etc/cni/net.d/87-old.conflist",
                1,
                "is there already",
            ),
            ("new network n --cni-version 0.9.9", 2, "0.9.9"),
            ("new network n --internal --ports", 2, "no way in"),
            ("new network n --bridge --ptp", 2, "cannot be used with"),
            ("new network n -o colour=red", 2, "parent=MASTER"),
            ("new network", 2, "--yes"),
            ("new network a/b", 2, "a/b"),
        ] {
            let output = fresh.run(&words.split(' ').collect::<Vec<_>>());
            assert_eq!(output.status.code(), Some(status), "{words}: {output}");
            assert!(output.stderr.contains(told), "{words}: {output}");
        }
        let printed = fresh.ok(&["new", "network", "n", "--stdout", "--ports"]);
        let printed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(printed["name"], "n");
        assert_eq!(
            host.run(&format!(
                "ls -l --full-time {CONF_DIR}; md5sum {CONF_DIR}/*"
            )),
            before
        );
    });
}

#[test]
fn without_plugins_and_without_rights_it_can_be_read() {
    sandbox(|host| {
        let made = Cmd::new(LINKSPAN)
            .args([
                "new",
                "network",
                "n",
                "--json",
                "--cni-path",
                "/opt/cni/bin",
            ])
            .output();
        let made: Value = serde_json::from_str(made.success()).unwrap();
        assert_eq!(made["cniVersion"], "1.1.0");
        assert_eq!(
            made["missingPlugins"],
            serde_json::json!(["bridge", "host-local", "firewall"])
        );
        assert_eq!(made["next"][0], "linkspan install --bin-dir /opt/cni/bin");
        let _ = host;
    });
    let unprivileged = Cmd::new(LINKSPAN).args([
        "new",
        "network",
        "n",
        "--stdout",
        "-q",
        "--conf-dir",
        "/nowhere",
    ]);
    let output = unprivileged.output();
    assert!(
        output.success().contains(r#""name": "n""#) && output.stderr.is_empty(),
        "{output}"
    );
}

/// Answers questions on a terminal, as a person does.
fn answered(conf_dir: &str, words: &str, answers: &[&str]) -> String {
    let line = format!("{LINKSPAN} {words} --conf-dir {conf_dir}");
    let keys: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
    Cmd::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(keys)
        .output()
        .stdout
}

#[test]
fn on_a_terminal_it_asks() {
    sandbox(|host| {
        let _outside = host.outside();
        let told = answered("/run/a", "new network", &["web", "bridge", "y", "y", "n"]);
        assert!(
            told.contains("Which kind?") && told.contains("Write it? [y/N]"),
            "{told}"
        );
        assert!(
            !std::path::Path::new("/run/a").exists(),
            "nothing is written after no"
        );
        let told = answered("/run/a", "new network", &["", "3", "nowhere0", "", "y"]);
        assert!(told.contains("there are uplink"), "{told}");
        let file = fs::read_to_string("/run/a/10-containers.conflist").unwrap();
        assert!(file.contains(r#""master": "uplink""#), "{file}");
        let told = answered("/run/a", "new network n --ptp", &["y"]);
        assert!(!told.contains("Which kind?"), "{told}");
        assert!(std::path::Path::new("/run/a/10-n.conflist").exists());
    });
}

/// Every command of the page does what the page shows.
#[test]
fn the_page_shows_what_happens() {
    build_plugins();
    sandbox(|host| {
        host.run("mkdir -p /opt/cni/bin");
        let installed = Cmd::new(LINKSPAN)
            .args(["install", "--bin-dir", "/opt/cni/bin"])
            .output();
        assert!(installed.ok(), "{installed}");
        replay("operate/networks.md", |_, output| {
            let text = format!("{}{}", output.stdout, output.stderr);
            // What this machine has of runtimes is not every machine's.
            let runtimes = ["podman", "nerdctl", "systemctl", "network {"];
            let is_every_hosts = |line: &&str| {
                !runtimes
                    .iter()
                    .any(|word| line.trim_start().starts_with(word))
            };
            text.lines()
                .filter(is_every_hosts)
                .map(|line| format!("{line}\n"))
                .collect()
        });
    });
}
