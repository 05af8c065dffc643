//! The host that the tests attach containers to, and what is asserted of every plugin alike.

use std::time::Duration;

use linkspan_testkit::{Call, Netns, Outcome, Plugins, Sandbox, Snapshot, with_prev_result};
use serde_json::{Value, json};

/// What plugins write to, and may leave something in.
const DIRECTORIES: [&str; 3] = ["/var/lib/cni", "/run/cni", "/run/lock"];

/// The versions in which a network can be configured.
pub(crate) const VERSIONS: [&str; 7] = [
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];

/// Codes of errors (`SPEC.md`, section 5).
pub(crate) mod code {
    pub(crate) const VERSION: u64 = 1;
    pub(crate) const ENVIRONMENT: u64 = 4;
    pub(crate) const CONFIG: u64 = 7;
    pub(crate) const TRY_AGAIN: u64 = 11;
    pub(crate) const NOT_AVAILABLE: u64 = 50;
    pub(crate) const INTERNAL: u64 = 999;
}

/// A host, the plugins on it, and one network.
pub(crate) struct World<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) host: &'a Netns,
    pub(crate) plugins: Plugins,
    pub(crate) config: Value,
}

impl<'a> World<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, config: Value) -> Self {
        Self {
            sandbox,
            host: sandbox.host(),
            plugins: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            config,
        }
    }

    /// The same host with other keys; those that are null are taken away.
    pub(crate) fn with(&self, keys: Value) -> World<'a> {
        World {
            config: with(&self.config, keys),
            plugins: self.plugins.clone(),
            ..*self
        }
    }

    /// A call about the interface `eth0` of a container whose ID is its namespace's name.
    pub(crate) fn call(&self, verb: &str, container: &Netns) -> Call {
        let call = self.plugins.call(verb, &self.config);
        call.container(container.name())
            .netns(container.path())
            .ifname("eth0")
    }

    pub(crate) fn add(&self, container: &Netns) -> Outcome {
        self.call("ADD", container).run()
    }

    /// Attaches a container in a new namespace.
    #[track_caller]
    pub(crate) fn attach(&self, name: &str) -> Attached<'_> {
        let netns = self.sandbox.netns(name);
        let result = self.add(&netns).success();
        Attached {
            world: self,
            netns,
            result,
        }
    }

    /// The state of the host and of a container, without what stays after the last DEL in the reference too: forwarding,
    /// directories, the files `lock` and `last_reserved_ip.N`, and the constant part of the ruleset.
    #[track_caller]
    pub(crate) fn snapshot(&self, container: &Netns) -> Snapshot {
        const STAYS: [&str; 14] = [
            "= directory ",
            "/lock =",
            "/last_reserved_ip.",
            "/forwarding =",
            "/ip_forward =",
            // The kernel changes it with forwarding.
            "/accept_redirects =",
            " nft table inet linkspan",
            " nft chain inet linkspan",
            " nft rule inet linkspan",
            // A set, by its comment; its elements are facts of their own.
            "\"containers' ",
            // The chain that the backend iptables makes when it needs one.
            " nft table ip nat",
            " nft chain ip nat",
            "[\"linkdown\"]",
            // Of a master, until the kernel has removed a container's namespace, which it does later.
            " promiscuity = ",
        ];
        Snapshot::of(&[self.host, container], &DIRECTORIES).without(&STAYS)
    }

    /// ADD of a new container fails with this code and these words, and leaves nothing.
    #[track_caller]
    pub(crate) fn refuses(&self, name: &str, code: u64, words: &[&str]) {
        let netns = self.sandbox.netns(name);
        self.refuses_in(&netns, code, words);
    }

    /// ADD of this container fails with this code and these words, and leaves nothing.
    #[track_caller]
    pub(crate) fn refuses_in(&self, netns: &Netns, code: u64, words: &[&str]) {
        let before = self.snapshot(netns);
        fails(&self.add(netns), code, words);
        before.assert_same(&self.snapshot(netns), "after an ADD that failed");
    }

    /// The link is there by the time that these fail.
    // plugins PR#560: the reference leaves it behind.
    #[track_caller]
    pub(crate) fn undoes_what_fails_later(&self) {
        self.with(json!({ "ipam": { "type": "nonesuch" } }))
            .refuses("later", 5, &["nonesuch"]);
        let mut ipam = dual_stack();
        ipam["routes"] = json!([{ "dst": "192.168.0.0/16", "gw": "172.31.0.1" }]);
        let unreachable = self.with(json!({ "ipam": ipam }));
        let words = ["192.168.0.0/16", "172.31.0.1", "subnets"];
        unreachable.refuses("unreachable", code::INTERNAL, &words);
    }

    /// STATUS fails with code 50 and these words.
    #[track_caller]
    pub(crate) fn is_not_available(&self, words: &[&str]) {
        fails(
            &self.plugins.status(&self.config),
            code::NOT_AVAILABLE,
            words,
        );
    }

    /// ADD, CHECK and DEL in every version.
    #[track_caller]
    pub(crate) fn works_in_every_version(&self) {
        for version in VERSIONS {
            let world = self.with(json!({ "cniVersion": version }));
            let netns = self.sandbox.netns(&format!("v{version}"));
            let before = world.snapshot(&netns);
            let result = world.add(&netns).success();
            assert_eq!(result["cniVersion"], version, "{result}");
            let addresses = if version < "0.3" {
                &result["ip4"]["ip"]
            } else {
                &result["ips"][0]["address"]
            };
            assert!(addresses.is_string(), "{result}");
            let tells_mtu = result.to_string().contains("\"mtu\"");
            assert_eq!(tells_mtu, version == "1.1.0", "{result}");
            let attached = Attached {
                world: &world,
                netns,
                result,
            };
            if version >= "0.4" {
                attached.check().success();
            }
            attached.del();
            before.assert_same(&world.snapshot(&attached.netns), version);
        }
    }

    /// DEL leaves nothing, can be called again, and does its work when the namespace is gone; GC does it for a container
    /// that nobody has detached, and leaves others alone.
    #[track_caller]
    pub(crate) fn leaves_nothing(&self) {
        let (idle, gone) = (self.sandbox.netns("idle"), self.sandbox.netns("gone"));
        let before = self.snapshot(&idle);
        self.add(&idle).success();
        assert_ne!(
            before,
            self.snapshot(&idle),
            "ADD changes nothing that is seen"
        );
        self.call("DEL", &idle).run().success();
        before.assert_same(&self.snapshot(&idle), "after DEL");
        self.call("DEL", &idle).run().success();
        before.assert_same(&self.snapshot(&idle), "after another DEL");

        self.add(&gone).success();
        gone.delete();
        self.call("DEL", &gone).run().success();
        before.assert_same(
            &self.snapshot(&idle),
            "after DEL with the path of a namespace that is gone",
        );
        let gone = self.sandbox.netns("gone2");
        self.add(&gone).success();
        gone.delete();
        let call = self
            .plugins
            .call("DEL", &self.config)
            .container("gone2")
            .ifname("eth0");
        call.run().success();
        before.assert_same(&self.snapshot(&idle), "after DEL without a namespace");

        let (lost, kept) = (self.sandbox.netns("lost"), self.sandbox.netns("kept"));
        self.add(&kept).success();
        let before = self.snapshot(&kept);
        self.add(&lost).success();
        lost.delete();
        self.plugins.gc(&self.config, &[("kept", "eth0")]).success();
        before.assert_same(&self.snapshot(&kept), "after GC");
        self.call("DEL", &kept).run().success();
    }
}

/// A container with the result of its ADD.
pub(crate) struct Attached<'w> {
    pub(crate) world: &'w World<'w>,
    pub(crate) netns: Netns,
    pub(crate) result: Value,
}

impl Attached<'_> {
    pub(crate) fn check(&self) -> Outcome {
        let config = with_prev_result(&self.world.config, &self.result);
        self.world
            .plugins
            .check(&config, self.netns.name(), &self.netns, "eth0")
    }

    #[track_caller]
    pub(crate) fn del(&self) {
        self.world.call("DEL", &self.netns).run().success();
    }

    /// CHECK fails with all of these words after a line of shell that changes something in the container, and succeeds again
    /// after another that puts it back.
    #[track_caller]
    pub(crate) fn notices(&self, change: &str, back: &str, words: &[&str]) {
        self.netns.run(change);
        fails(&self.check(), code::INTERNAL, words);
        self.netns.run(back);
        self.check().success();
    }

    /// The same for something on the host.
    #[track_caller]
    pub(crate) fn notices_on_the_host(&self, change: &str, back: &str, words: &[&str]) {
        self.world.host.run(change);
        fails(&self.check(), code::INTERNAL, words);
        self.world.host.run(back);
        self.check().success();
    }

    /// Its first address of a family, without the prefix.
    #[track_caller]
    pub(crate) fn address(&self, family: Family) -> String {
        let ips = self.result["ips"].as_array().into_iter().flatten();
        ips.filter_map(|ip| ip["address"].as_str()?.split('/').next())
            .find(|address| address.contains(':') == (family == Family::V6))
            .unwrap_or_else(|| panic!("no address of {family:?} in {}", self.result))
            .to_owned()
    }

    /// One fact that `ip` tells of the container's interface.
    pub(crate) fn eth0(&self, key: &str) -> Value {
        self.netns.ip_json("link show dev eth0")[0][key].clone()
    }

    /// The routes of a family that are not of link-local addresses, sorted.
    pub(crate) fn routes(&self, family: &str) -> Vec<String> {
        routes(&self.netns, family)
    }
}

/// The routes of a family in the main table that are not of link-local addresses, sorted.
pub(crate) fn routes(netns: &Netns, family: &str) -> Vec<String> {
    let text = netns.run(&format!("ip {family} route show table main"));
    let lines = text.lines().filter(|line| !line.starts_with("fe80::"));
    let mut routes: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    routes.sort();
    routes
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Both containers reach each other in both families: with echo requests, TCP and UDP.
#[track_caller]
pub(crate) fn exchange_traffic(one: &Attached<'_>, other: &Attached<'_>) {
    for family in [Family::V4, Family::V6] {
        for (from, to) in [(one, other), (other, one)] {
            let (source, target) = (from.address(family), to.address(family));
            from.netns.ping(&target);
            let server = match family {
                Family::V4 => format!("{target}:80"),
                Family::V6 => format!("[{target}]:80"),
            };
            to.netns.serve_tcp(&server);
            to.netns.serve_udp(&server);
            for seen in [from.netns.talk_tcp(&server), from.netns.talk_udp(&server)] {
                assert_eq!(seen.unwrap().ip().to_string(), source, "{family:?}");
            }
        }
    }
}

/// The call failed with this code, and all of these words in its message or details.
#[track_caller]
pub(crate) fn fails(outcome: &Outcome, code: u64, words: &[&str]) {
    let (found, message) = outcome.failure();
    assert_eq!(found, code, "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is missing in: {message}");
    }
}

/// The object with these keys; those that are null are taken away.
pub(crate) fn with(object: &Value, keys: Value) -> Value {
    let mut map = object.as_object().unwrap().clone();
    map.extend(keys.as_object().unwrap().clone());
    map.retain(|_, value| !value.is_null());
    map.into()
}

/// `ipam` with an IPv4 and an IPv6 range, and default routes.
pub(crate) fn dual_stack() -> Value {
    json!({
        "type": "host-local",
        "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]
    })
}

/// `ipam` that gives these addresses with their gateways.
pub(crate) fn addresses(addresses: &[(&str, Option<&str>)]) -> Value {
    let one = |(address, gateway): &(&str, Option<&str>)| match gateway {
        Some(gateway) => json!({ "address": address, "gateway": gateway }),
        None => json!({ "address": address }),
    };
    json!({ "type": "static", "addresses": addresses.iter().map(one).collect::<Vec<_>>() })
}

/// How long a test may take that does several things after each other, or waits for the kernel's idea of a second.
pub(crate) const LONG: Duration = Duration::from_secs(120);
