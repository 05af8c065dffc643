//! A node of a cluster: containerd, Linkspan's plugins, a network for pods, and a world outside.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use linkspan_proof::Tally;
use linkspan_testkit::{
    Containerd, Cri, Echo, Outside, Pod, PodConfig, Protocol, Sandbox, Setup, Snapshot,
};
use serde_json::{Value, json};

use crate::traffic::{Published, SECOND_V4, SECOND_V6};

/// The longest of the scenarios takes a tenth of it on a machine that has nothing else to do.
const DEADLINE: Duration = Duration::from_secs(400);

/// The port at which every pod serves, of TCP and UDP.
pub(crate) const PORT: u16 = 8000;

/// Where plugins, runtimes and the kernel's namespaces leave files.
const DIRECTORIES: [&str; 3] = ["/var/lib/cni", "/run/cni", "/run/netns"];

/// Both families, ports, admission past a firewall, and limits: a chain as nodes have it.
pub(crate) fn network() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "pods",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]
                }
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "firewall" },
            { "type": "bandwidth", "capabilities": { "bandwidth": true } }
        ]
    })
}

/// The same with five addresses for pods.
pub(crate) fn small_network() -> Value {
    let mut network = network();
    network["plugins"][0]["ipam"]["ranges"] =
        json!([[{ "subnet": "10.22.0.0/29" }], [{ "subnet": "fd00:22::/64" }]]);
    network
}

/// The ports of the pod that was there before, one of each kind: the rules that are the network's are there after it.
const FIRST: [Published; 4] = [
    (Protocol::Tcp, "", 7001),
    (Protocol::Udp, "", 7001),
    (Protocol::Tcp, SECOND_V4, 7002),
    (Protocol::Udp, SECOND_V6, 7002),
];

/// What stays when the last pod has gone: the network's bridge, its constant rules, and the directories for what is kept.
const OF_THE_NETWORK: [&str; 15] = [
    " cni0",
    "/cni0/",
    "nft table inet linkspan",
    "nft chain inet linkspan",
    "nft rule inet linkspan",
    "nft set inet linkspan",
    "nft map inet linkspan",
    "filter CNI-",
    "\"CNI firewall plugin",
    "filter LINKSPAN-PORTS",
    "\"ports that Linkspan published\"",
    " = directory ",
    "/var/lib/cni/networks/pods/lock",
    "/run/cni/linkspan/lock",
    "/run/cni/linkspan/netns-",
];

/// A node, as a scenario finds it.
pub(crate) struct Node<'a> {
    pub(crate) host: &'a Sandbox,
    pub(crate) outside: Outside,
    pub(crate) containerd: Containerd,
    pub(crate) cri: Cri,
    before: Snapshot,
    tally: Mutex<Tally>,
}

/// A pod that serves.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) pod: Pod,
    pub(crate) ports: Vec<Published>,
    echo: Echo,
}

/// Runs a scenario on a node where a pod has been before: the network is there, and nothing else. Afterwards it is so again.
#[track_caller]
pub(crate) fn node<F: FnOnce(&mut Node<'_>)>(network: &Value, scenario: F) {
    Setup::default().deadline(DEADLINE).sandbox(|host| {
        let mut node = Node::new(host, network);
        scenario(&mut node);
        node.assert_nothing_left("after the scenario");
        node.count("scenarios", 1);
        node.tally.lock().unwrap().write();
    });
}

impl<'a> Node<'a> {
    #[track_caller]
    fn new(host: &'a Sandbox, network: &Value) -> Self {
        install_plugins();
        configure("10-pods.conflist", &network.to_string());
        let outside = outside(host);
        let containerd = Containerd::start(host);
        let mut node = Self {
            host,
            outside,
            cri: containerd.cri(),
            containerd,
            before: Snapshot::default(),
            tally: Mutex::new(Tally::of("e2e")),
        };
        assert_eq!(node.cri.network_ready(), Ok(()));
        let pristine = node.look();
        let names = node.run_first();
        node.before = node.look();
        assert_is_of_the_network(&pristine.diff(&node.before), &names);
        node
    }

    /// A pod comes and goes, after which the network is as a scenario finds it. What only a leftover of that pod can tell of.
    #[track_caller]
    pub(crate) fn run_first(&self) -> Vec<String> {
        let first = self.run("first", &FIRST);
        let names = first.names();
        self.assert_works(&first);
        self.end(first);
        names
    }

    /// Runs a pod with ports, and serves in it.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, ports: &[Published]) -> Serving {
        self.try_run(PodConfig::new(name), ports).unwrap()
    }

    /// The same where it may fail.
    pub(crate) fn try_run(&self, pod: PodConfig, ports: &[Published]) -> Result<Serving, String> {
        let publish = |pod: PodConfig, &(protocol, host_ip, port): &Published| {
            pod.port(protocol, PORT, host_ip, port)
        };
        let pod = self.cri.run(&ports.iter().fold(pod, publish))?;
        self.count("pods run", 1);
        Ok(Serving {
            echo: pod.netns.echo(PORT),
            ports: ports.to_vec(),
            pod,
        })
    }

    /// Ends a pod as kubelet does.
    #[track_caller]
    pub(crate) fn end(&self, serving: Serving) {
        drop(serving.echo);
        self.cri.end(&serving.pod.id).unwrap();
    }

    /// The state of the host is what it was before the scenario.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self, when: &str) {
        let diff = self.before.diff(&self.look());
        assert!(
            diff.is_empty(),
            "{when}: the state differs\n{}",
            page(&diff)
        );
    }

    /// Adds to what the proof counts.
    pub(crate) fn count(&self, what: &'static str, many: u64) {
        self.tally.lock().unwrap().add(what, many);
    }

    /// All but the address that host-local gave last, which moves on, and what is made once: its directory when two have asked it at the
    /// same time, and the locks of `linkspan gc`.
    fn look(&self) -> Snapshot {
        let passing = [
            "last_reserved_ip",
            "file /run/cni/linkspan/host-local = directory",
            "file /var/lib/cni/locks",
        ];
        Snapshot::of(&[self.host.host()], &DIRECTORIES).without(&passing)
    }
}

impl Serving {
    /// Serves no longer; its ID.
    pub(crate) fn stop_serving(self) -> String {
        self.pod.id
    }

    /// Its ID, addresses and ports on the host.
    fn names(&self) -> Vec<String> {
        let ips = self.pod.ips.iter().map(ToString::to_string);
        let ports = self.ports.iter().map(|(_, _, port)| port.to_string());
        ips.chain(ports)
            .chain([self.pod.id[..12].to_owned()])
            .collect()
    }
}

/// The world, and a host that forwards for it, as a node does that a firewall has closed but for what the network promises (plugins#430).
#[track_caller]
fn outside(host: &Sandbox) -> Outside {
    let outside = host.outside();
    for (address, bits) in [(SECOND_V4, 24), (SECOND_V6, 64)] {
        host.host()
            .address(Outside::UPLINK, &format!("{address}/{bits}"));
    }
    close_forward(host);
    outside.netns.serve_tcp(&format!("[::]:{PORT}"));
    outside.netns.serve_udp(&format!("[::]:{PORT}"));
    outside
}

/// What an administrator has done at every boot.
#[track_caller]
pub(crate) fn close_forward(host: &Sandbox) {
    host.run(
        "sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
         iptables -P FORWARD DROP; ip6tables -P FORWARD DROP",
    );
}

/// A file in the directory that the runtime reads, there at once. It is renamed within that directory: what comes from another containerd does not
/// notice (containerd#11715).
#[track_caller]
pub(crate) fn configure(name: &str, contents: &str) {
    let directory = Path::new("/etc/cni/net.d");
    fs::create_dir_all(directory).unwrap();
    let unfinished = directory.join("unfinished");
    fs::write(&unfinished, contents).unwrap();
    fs::rename(unfinished, directory.join(name)).unwrap();
}

/// The plugins that are to be proved where runtimes look for them, and no others.
#[track_caller]
fn install_plugins() {
    symlink(linkspan_proof::plugins().dir(), "/opt/cni/bin").unwrap();
}

/// Nothing that the first pod has left names it, and all of it is the network's.
#[track_caller]
fn assert_is_of_the_network(diff: &str, names: &[String]) {
    let is_fine = |line: &&str| {
        OF_THE_NETWORK.iter().any(|word| line.contains(word))
            && !line.contains(" element ")
            && !names.iter().any(|name| line.contains(name))
    };
    let left: Vec<_> = diff.lines().filter(|line| !is_fine(line)).collect();
    assert!(
        left.is_empty(),
        "after the first pod\n{}",
        page(&left.join("\n"))
    );
}

/// As much as a person reads.
fn page(text: &str) -> String {
    let lines = text.lines().take(40);
    lines
        .map(|line| line.chars().take(300).chain(['\n']).collect::<String>())
        .collect()
}
