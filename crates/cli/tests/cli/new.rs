//! `linkspan new network` on a host on which nothing is, and what its networks carry.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use linkspan_testkit::{Cmd, Netns, Output, Outside, Sandbox, sandbox};
use serde_json::Value;

use crate::demo::build_plugins;
use crate::node::LINKSPAN;

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
