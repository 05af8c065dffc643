//! A host between containers and the outside, and who reaches whom.

use std::thread;

use linkspan_testkit::{Call, Cmd, Netns, Outcome, Outside, Plugins, Sandbox, with_prev_result};
use serde_json::{Value, json};

/// Where servers listen.
pub(crate) const PORT: u16 = 5000;

/// How the host comes to forward nothing, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forwarding {
    /// No table filters.
    Free,
    /// The policy of FORWARD is DROP, as Docker sets it, in the tables of this iptables.
    DroppedBy(&'static str),
}

pub(crate) const NFT: Forwarding = Forwarding::DroppedBy("nft");
pub(crate) const LEGACY: Forwarding = Forwarding::DroppedBy("legacy");

/// A host with the outside at its uplink.
pub(crate) struct World<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) outside: Outside,
    pub(crate) plugins: Plugins,
    pub(crate) bridge: Value,
    pub(crate) firewall: Value,
}

impl<'a> World<'a> {
    /// Networks have these keys of `firewall` beside what it must have. The outside knows the way to containers, and serves
    /// TCP and UDP.
    pub(crate) fn new(sandbox: &'a Sandbox, forwarding: Forwarding, keys: Value) -> Self {
        let outside = sandbox.outside();
        let netns = &outside.netns;
        netns.run(&format!(
            "ip route add 10.22.0.0/15 via {}; ip route add fd00:22::/48 via {}",
            Outside::HOST_V4,
            Outside::HOST_V6
        ));
        serve(netns);
        if let Forwarding::DroppedBy(variant) = forwarding {
            drop_by(sandbox, variant);
        }
        Self {
            sandbox,
            outside,
            plugins: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            bridge: bridge("mynet", "cni0", "10.22", "fd00:22:0"),
            firewall: firewall("mynet", keys),
        }
    }

    /// The same host with a second network, on a bridge of its own.
    pub(crate) fn second_network(&self, keys: Value) -> Self {
        Self {
            outside: Outside {
                netns: self.outside.netns.clone(),
            },
            plugins: self.plugins.clone(),
            bridge: bridge("other", "cni1", "10.23", "fd00:22:1"),
            firewall: firewall("other", keys),
            ..*self
        }
    }

    /// Attaches a container in a new namespace, which serves TCP and UDP.
    #[track_caller]
    pub(crate) fn attach(&self, name: &str) -> Container {
        let container = self.attach_bridge(name);
        self.call("ADD", &container).run().success();
        container
    }

    /// The first half of it.
    #[track_caller]
    pub(crate) fn attach_bridge(&self, name: &str) -> Container {
        let netns = self.sandbox.netns(name);
        let result = self
            .plugins
            .add(&self.bridge, name, &netns, "eth0")
            .success();
        serve(&netns);
        let address = |index: usize| {
            let address = result["ips"][index]["address"].as_str().unwrap();
            address.split('/').next().unwrap().to_owned()
        };
        Container {
            v4: address(0),
            v6: address(1),
            netns,
            result,
        }
    }

    /// A late DEL: `old` is detached when `new` has its address already. Returns the configuration of both.
    #[track_caller]
    pub(crate) fn detach_late(&self, container: &Container) -> Value {
        let config = with_prev_result(&self.firewall, &container.result);
        let netns = &container.netns;
        for name in ["old", "new"] {
            self.plugins.add(&config, name, netns, "eth0").success();
        }
        self.plugins.del(&config, "old", netns, "eth0").success();
        config
    }

    /// Publishes the port of a container as 8080 of the host.
    #[track_caller]
    pub(crate) fn publish(&self, container: &Container) {
        self.publish_call("ADD", container).run().success();
    }

    /// The call of `portmap` for that.
    pub(crate) fn publish_call(&self, verb: &str, container: &Container) -> Call {
        let mapping = |protocol: &str| json!({ "hostPort": 8080, "containerPort": PORT, "protocol": protocol });
        let mut result = container.result.clone();
        result["cniVersion"] = json!("1.0.0");
        let config = json!({
            "cniVersion": "1.0.0", "name": self.bridge["name"], "type": "portmap", "prevResult": result,
            "capabilities": { "portMappings": true },
            "runtimeConfig": { "portMappings": [mapping("tcp"), mapping("udp")] }
        });
        self.call_with(&self.plugins, &config, verb, container)
    }

    /// A call of `firewall` with the result of `bridge`.
    pub(crate) fn call(&self, verb: &str, container: &Container) -> Call {
        let config = with_prev_result(&self.firewall, &container.result);
        self.call_with(&self.plugins, &config, verb, container)
    }

    pub(crate) fn call_with(
        &self,
        plugins: &Plugins,
        config: &Value,
        verb: &str,
        container: &Container,
    ) -> Call {
        plugins
            .call(verb, config)
            .container(container.netns.name())
            .netns(container.netns.path())
            .ifname("eth0")
    }

    #[track_caller]
    pub(crate) fn del(&self, container: &Container) -> Outcome {
        self.call("DEL", container).run()
    }

    /// Has connection tracking forget all connections.
    #[track_caller]
    pub(crate) fn flush_conntrack(&self) {
        self.sandbox
            .run("conntrack -F 2>&1; conntrack -F -f ipv6 2>&1");
    }
}

/// A container that is attached.
pub(crate) struct Container {
    pub(crate) netns: Netns,
    pub(crate) result: Value,
    pub(crate) v4: String,
    pub(crate) v6: String,
}

fn bridge(name: &str, bridge: &str, v4: &str, v6: &str) -> Value {
    json!({
        "cniVersion": "1.1.0", "name": name, "type": "bridge", "bridge": bridge, "isGateway": true, "ipMasq": true,
        "ipam": {
            "type": "host-local",
            "ranges": [[{ "subnet": format!("{v4}.0.0/16") }], [{ "subnet": format!("{v6}::/64") }]],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]
        }
    })
}

pub(crate) fn firewall(name: &str, keys: Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": name, "type": "firewall" });
    let map = config.as_object_mut().unwrap();
    map.extend(keys.as_object().unwrap().clone());
    config
}

#[track_caller]
pub(crate) fn drop_by(sandbox: &Sandbox, variant: &str) {
    sandbox.run(&format!(
        "iptables-{variant} -P FORWARD DROP; ip6tables-{variant} -P FORWARD DROP"
    ));
}

fn serve(netns: &Netns) {
    for any in ["0.0.0.0", "[::]"] {
        netns.run("sysctl -qw net.ipv6.bindv6only=1");
        netns.serve_tcp(&format!("{any}:{PORT}"));
        netns.serve_udp(&format!("{any}:{PORT}"));
    }
}

/// TCP and UDP.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// Both addresses, each by both transports.
fn each(v4: &str, v6: &str, port: u16) -> [(Transport, String); 4] {
    let v4 = format!("{v4}:{port}");
    let v6 = format!("[{v6}]:{port}");
    [
        (Transport::Tcp, v4.clone()),
        (Transport::Udp, v4),
        (Transport::Tcp, v6.clone()),
        (Transport::Udp, v6),
    ]
}

fn talk(from: &Netns, transport: Transport, address: &str) -> bool {
    match transport {
        Transport::Tcp => from.talk_tcp(address).is_ok(),
        Transport::Udp => from.talk_udp(address).is_ok(),
    }
}

/// How the four attempts to reach a server ended, all made at the same time.
fn attempts(from: &Netns, v4: &str, v6: &str, port: u16) -> Vec<(String, bool)> {
    let attempts = each(v4, v6, port);
    thread::scope(|scope| {
        let started: Vec<_> = attempts
            .iter()
            .map(|(transport, address)| scope.spawn(|| talk(from, *transport, address)))
            .collect();
        let outcomes = started.into_iter().map(|one| one.join().unwrap());
        attempts
            .iter()
            .map(|(transport, address)| format!("{transport:?} {address}"))
            .zip(outcomes)
            .collect()
    })
}

/// From here to there passes TCP and UDP, IPv4 and IPv6. On a busy machine neighbours may take longer to find each other
/// than a client waits, so what fails is tried once more.
#[track_caller]
pub(crate) fn reaches(from: &Netns, v4: &str, v6: &str, port: u16) {
    let failed = || -> Vec<_> {
        let attempts = attempts(from, v4, v6, port).into_iter();
        attempts.filter(|(_, passed)| !passed).collect()
    };
    if !failed().is_empty() {
        let failed = failed();
        assert!(
            failed.is_empty(),
            "from {}: {failed:?}{}",
            from.name(),
            ruleset()
        );
    }
}

/// From here to there passes nothing of it.
#[track_caller]
pub(crate) fn does_not_reach(from: &Netns, v4: &str, v6: &str, port: u16) {
    let passed: Vec<_> = attempts(from, v4, v6, port)
        .into_iter()
        .filter(|(_, passed)| *passed)
        .collect();
    assert!(
        passed.is_empty(),
        "from {}: {passed:?}{}",
        from.name(),
        ruleset()
    );
}

pub(crate) fn ruleset() -> String {
    let rules = Cmd::shell("nft list ruleset; cat /proc/net/ip_tables_names").output();
    format!("\n{}", rules.stdout)
}

/// Puts back what others removed; tells what was missing.
#[track_caller]
pub(crate) fn reconcile() -> Vec<String> {
    linkspan_netfilter::reconcile()
        .unwrap()
        .into_iter()
        .flat_map(|(_, differences)| differences.unwrap())
        .collect()
}

/// The rules of both iptables of one variant.
#[track_caller]
pub(crate) fn save(sandbox: &Sandbox, variant: &str) -> String {
    sandbox.run(&format!(
        "iptables-{variant}-save; ip6tables-{variant}-save"
    ))
}
