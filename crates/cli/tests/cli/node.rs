//! A node with three networks and ten attachments, by real plugins in the usual places.

use std::fs;
use std::path::Path;

use linkspan_testkit::{Cmd, Output, Plugins, Sandbox};
use serde_json::{Value, json};

use crate::demo::build_plugins;

pub(crate) const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

const CONF_DIR: &str = "/etc/cni/net.d";

/// Where the runtimes look for plugins.
pub(crate) const BIN_DIR: &str = "/opt/cni/bin";

/// A bridge with both families and published ports, point-to-point links, and a macvlan of which all addresses are used.
pub(crate) const NETWORKS: [(&str, &str); 3] = [
    (
        "10-mynet.conflist",
        r#"{ "cniVersion": "1.0.0", "name": "mynet", "plugins": [
  { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": { "type": "host-local",
    "ranges": [ [ { "subnet": "10.22.0.0/24" } ], [ { "subnet": "fd22::/64" } ] ], "routes": [ { "dst": "0.0.0.0/0" } ] } },
  { "type": "portmap", "capabilities": { "portMappings": true } },
  { "type": "firewall" } ] }
"#,
    ),
    (
        "20-p2p.conflist",
        r#"{ "cniVersion": "1.0.0", "name": "p2p", "plugins": [
  { "type": "ptp", "ipMasq": true, "ipam": { "type": "host-local", "subnet": "10.23.0.0/28", "routes": [ { "dst": "0.0.0.0/0" } ] } } ] }
"#,
    ),
    (
        "30-lan.conf",
        r#"{ "cniVersion": "0.4.0", "name": "lan", "type": "macvlan", "master": "up0", "ipam": { "type": "host-local",
  "subnet": "10.24.0.0/24", "rangeStart": "10.24.0.10", "rangeEnd": "10.24.0.13" } }
"#,
    ),
];

pub(crate) struct Node<'s> {
    pub(crate) host: &'s Sandbox,
}

impl<'s> Node<'s> {
    /// The node with its networks, of our plugins, and nothing attached.
    pub(crate) fn empty(host: &'s Sandbox) -> Self {
        build_plugins();
        let plugins = Path::new(LINKSPAN).with_file_name("linkspan-plugins");
        Self::with_plugins(host, &Plugins::linked(plugins))
    }

    /// The same with other plugins.
    pub(crate) fn with_plugins(host: &'s Sandbox, plugins: &Plugins) -> Self {
        fs::create_dir_all(BIN_DIR).unwrap();
        for entry in fs::read_dir(plugins.dir()).unwrap().flatten() {
            fs::copy(entry.path(), Path::new(BIN_DIR).join(entry.file_name())).unwrap();
        }
        fs::create_dir_all(CONF_DIR).unwrap();
        for (file, text) in NETWORKS {
            fs::write(Path::new(CONF_DIR).join(file), text).unwrap();
        }
        host.run(
            "chmod 755 /etc/cni /var/lib/cni /opt/cni
             sysctl -qw net.ipv4.ip_forward=1
             ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up
             ip address add 192.0.2.1/24 dev up0
             ip route add default via 192.0.2.254",
        );
        Self { host }
    }

    /// The node with ten containers: c1 to c4 on mynet with published ports, c5 to c7 on p2p as pods of Kubernetes, c8 to c10 on
    /// lan.
    pub(crate) fn busy(host: &'s Sandbox) -> Self {
        let node = Self::empty(host);
        node.attach_ten();
        node
    }

    pub(crate) fn attach_ten(&self) {
        for number in 1..=4 {
            let ports = json!({ "portMappings": [{ "hostPort": 8080 + number, "containerPort": 80, "protocol": "tcp" }] });
            self.attach("mynet", number, &["--cap-args", &ports.to_string()]);
        }
        for number in 5..=7 {
            let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-{number}");
            self.attach("p2p", number, &["--args", &args]);
        }
        for number in 8..=10 {
            self.attach("lan", number, &[]);
        }
    }

    fn attach(&self, network: &str, number: u16, more: &[&str]) {
        let name = format!("c{number}");
        let netns = self.host.netns(&name);
        let path = netns.path().to_str().unwrap();
        let words = [&["add", network, path, "--container-id", &name], more].concat();
        self.ok(&words);
    }

    /// Runs the program.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        Cmd::new(LINKSPAN).args(args).output()
    }

    /// Runs the program, which must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).success().to_owned()
    }

    /// What the program prints, whatever comes of it.
    pub(crate) fn told(&self, args: &[&str]) -> String {
        self.run(args).stdout
    }

    /// What the program tells a program, whatever comes of it.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[&["--json"], args].concat());
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
    }
}
