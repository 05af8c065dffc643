//! A node of a cluster: containerd, and a network for pods.

use std::fs;
use std::path::Path;

use linkspan_testkit::{Containerd, Cri, PodConfig, Protocol};
use serde_json::{Value, json};

use crate::traffic::{Published, SECOND_V4, SECOND_V6};
use crate::world::{PORT, Serving, World, world};

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

/// A node, as a scenario finds it.
pub(crate) struct Node {
    pub(crate) containerd: Containerd,
    pub(crate) cri: Cri,
}

/// Runs a scenario on a node where a pod has been before: the network is there, and nothing else. Afterwards it is so again.
#[track_caller]
pub(crate) fn node<F: FnOnce(&World<'_>, &mut Node)>(network: &Value, scenario: F) {
    world(|world| {
        configure("10-pods.conflist", &network.to_string());
        let containerd = Containerd::start(world.host);
        let cri = containerd.cri();
        assert_eq!(cri.network_ready(), Ok(()));
        let mut node = Node { containerd, cri };
        world.begin(|world| node.run_first(world));
        scenario(world, &mut node);
    });
}

impl Node {
    /// A pod comes and goes, after which the network is as a scenario finds it. What only a leftover of that pod can tell of.
    #[track_caller]
    pub(crate) fn run_first(&self, world: &World<'_>) -> Vec<String> {
        let first = self.run("first", &FIRST);
        let names = first.names();
        world.assert_works(&first);
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
        Ok(Serving::of(self.cri.run(&publish(pod, ports))?, ports))
    }

    /// Ends a pod as kubelet does.
    #[track_caller]
    pub(crate) fn end(&self, serving: Serving) {
        self.cri.end(&serving.stop_serving()).unwrap();
    }
}

/// A pod that publishes the port at which it serves.
pub(crate) fn publish(pod: PodConfig, ports: &[Published]) -> PodConfig {
    ports.iter().fold(pod, |pod, &(protocol, host_ip, port)| {
        pod.port(protocol, PORT, host_ip, port)
    })
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
