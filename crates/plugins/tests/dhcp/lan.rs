//! A host on a network with a DHCP server.

use std::fs;
use std::os::unix::fs::symlink;

use linkspan_testkit::{
    DhcpServer, Netns, Outcome, Plugins, Pool, Sandbox, Software, Wiretap, with_prev_result,
};
use serde_json::{Value, json};

use crate::attachment::{Kind, World};

/// A host, a server outside of it, and a tap on the wire between them.
pub(crate) struct Lan<'a> {
    pub(crate) world: World<'a>,
    pub(crate) server: DhcpServer,
    pub(crate) tap: Wiretap,
}

impl<'a> Lan<'a> {
    #[track_caller]
    pub(crate) fn new(sandbox: &'a Sandbox, kind: &Kind, software: Software, pool: Pool) -> Self {
        let world = World::new(sandbox, kind, json!({ "type": "dhcp" }));
        let outside = world.outside();
        let tap = Wiretap::on(outside);
        let link = kind.outside_link();
        let server = DhcpServer::start(software, outside, link, sandbox.dir(), pool);
        Self { world, server, tap }
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

/// Whose plugin and whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    References,
}

impl Whose {
    /// The plugins whose `dhcp` it is.
    pub(crate) fn plugins(self, _ours: &Plugins) -> Plugins {
        match self {
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
