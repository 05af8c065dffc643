//! A host on a network with a DHCP server.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{
    DhcpMessage, DhcpServer, Family, Netns, Outcome, Plugins, Pool, Sandbox, ScriptedServer,
    Software, Wiretap, address, with_prev_result,
};
use serde_json::{Value, json};

use crate::attachment::{Kind, World};

/// A host, and a tap on the wire to the outside.
pub(crate) struct Lan<'a> {
    pub(crate) world: World<'a>,
    pub(crate) tap: Wiretap,
    link: &'static str,
}

impl<'a> Lan<'a> {
    #[track_caller]
    pub(crate) fn new(sandbox: &'a Sandbox, kind: &Kind) -> Self {
        let world = World::new(sandbox, kind, json!({ "type": "dhcp" }));
        let tap = Wiretap::on(world.outside());
        let link = kind.outside_link();
        Self { world, tap, link }
    }

    /// Starts a server outside.
    #[track_caller]
    pub(crate) fn serve(&self, software: Software, pool: Pool) -> DhcpServer {
        let dir = self.world.sandbox.dir();
        DhcpServer::start(software, self.world.outside(), self.link, dir, pool)
    }

    /// Starts a server outside that answers by a function.
    #[track_caller]
    pub(crate) fn script(
        &self,
        script: impl FnMut(&DhcpMessage) -> Vec<Vec<u8>> + Send + 'static,
    ) -> ScriptedServer {
        ScriptedServer::start(self.world.outside(), self.link, "10.9.0.1/16", script)
    }

    /// ADD in a new container.
    #[track_caller]
    pub(crate) fn attach(&self, name: &str) -> Held {
        let netns = self.world.sandbox.netns(name);
        let result = self.add(&netns).success();
        let address = address(&result, Family::V4).parse().unwrap();
        Held {
            netns,
            result,
            address,
        }
    }

    pub(crate) fn plugins(&self) -> &Plugins {
        &self.world.plugins
    }

    /// ADD of the interface `eth0` in a container whose ID is its namespace's name.
    #[track_caller]
    pub(crate) fn add(&self, netns: &Netns) -> Outcome {
        let config = &self.world.config;
        self.plugins().add(config, netns.name(), netns, "eth0")
    }

    #[track_caller]
    pub(crate) fn check(&self, netns: &Netns, result: &Value) -> Outcome {
        let config = with_prev_result(&self.world.config, result);
        self.plugins().check(&config, netns.name(), netns, "eth0")
    }

    #[track_caller]
    pub(crate) fn del(&self, netns: &Netns) -> Outcome {
        let config = &self.world.config;
        self.plugins().del(config, netns.name(), netns, "eth0")
    }
}

/// A container with a lease.
pub(crate) struct Held {
    pub(crate) netns: Netns,
    pub(crate) result: Value,
    /// The address that ADD told.
    pub(crate) address: Ipv4Addr,
}

impl Held {
    /// The IPv4 addresses that the interface has now.
    #[track_caller]
    pub(crate) fn addresses(&self) -> Vec<Ipv4Addr> {
        let links = self.netns.ip_json("-4 address show dev eth0");
        let all = links[0]["addr_info"].as_array().into_iter().flatten();
        let local = |one: &Value| one["local"].as_str().unwrap().parse().unwrap();
        all.map(local).collect()
    }

    /// Waits until the interface has these addresses.
    #[track_caller]
    pub(crate) fn wait_for_addresses(&self, wanted: &[Ipv4Addr]) {
        let is_so = || self.addresses() == wanted;
        self.wait_until(&format!("{wanted:?}"), is_so);
    }

    /// Waits until something is so in the container; `what` says what.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            let state = self.netns.describe();
            assert!(Instant::now() < end, "not {what}\n{state}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where its default route leads.
    #[track_caller]
    pub(crate) fn gateway(&self) -> Value {
        self.netns.ip_json("route show default")[0]["gateway"].clone()
    }
}

/// Whose plugin and whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    References,
}

impl Whose {
    /// The plugins whose `dhcp` it is.
    pub(crate) fn plugins(self, ours: &Plugins) -> Plugins {
        match self {
            Self::Ours => ours.clone(),
            Self::References => Plugins::reference(),
        }
    }

    /// Puts its plugin `dhcp` among those of a host.
    pub(crate) fn install(self, plugins: &Plugins) {
        let file = plugins.dir().join("dhcp");
        let target = self.plugins(plugins).dir().join("dhcp");
        if target != file {
            fs::remove_file(&file).unwrap();
            symlink(target, file).unwrap();
        }
    }
}
