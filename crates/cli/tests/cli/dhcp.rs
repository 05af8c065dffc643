//! A network whose addresses are a DHCP server's, as a person uses it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::{
    Cmd, DhcpDaemon, DhcpServer, Netns, Plugins, Pool, Sandbox, Software, sandbox,
};
use serde_json::{Value, json};

use crate::demo::build_plugins;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

/// A host with a bridge whose port leads to a server, and a network of three plugins on it.
struct World<'s> {
    host: &'s Sandbox,
    ours: Plugins,
    server: DhcpServer,
}

impl<'s> World<'s> {
    fn new(host: &'s Sandbox, pool: Pool) -> Self {
        let outside = host.netns("outside");
        host.host().connect("port0", &outside, "eth0");
        host.run(
            "ip link add cni0 type bridge; ip link set cni0 up; ip link set port0 master cni0",
        );
        let network = json!({ "cniVersion": "1.0.0", "name": "mynet", "plugins": [
            { "type": "bridge", "bridge": "cni0", "ipam": { "type": "dhcp" } },
            { "type": "firewall" }, { "type": "tuning", "mtu": 1400 }] });
        fs::create_dir_all("/etc/cni/net.d").unwrap();
        fs::write("/etc/cni/net.d/10-mynet.conflist", network.to_string()).unwrap();
        Self {
            host,
            ours: Plugins::linked(Path::new(LINKSPAN).with_file_name("linkspan-plugins")),
            server: DhcpServer::start(Software::Kea, &outside, "eth0", host.dir(), pool),
        }
    }

    #[track_caller]
    fn linkspan(plugins: &Plugins, args: &[&str]) -> String {
        let linkspan = Cmd::new(LINKSPAN).args(args).env("CNI_PATH", plugins.dir());
        linkspan.output().success().to_owned()
    }

    /// A container that has been given an address by these plugins, and its address.
    #[track_caller]
    fn attach(&self, plugins: &Plugins, name: &str) -> (Netns, String) {
        let netns = self.host.netns(name);
        let path = netns.path().to_str().unwrap().to_owned();
        let result = Self::linkspan(plugins, &["add", "mynet", &path]);
        let result: Value = serde_json::from_str(&result).unwrap();
        let address = result["ips"][0]["address"].as_str().unwrap().to_owned();
        (netns, address)
    }

    #[track_caller]
    fn detach(&self, plugins: &Plugins, netns: &Netns) {
        Self::linkspan(plugins, &["del", "mynet", netns.path().to_str().unwrap()]);
    }
}

#[test]
fn a_whole_chain_has_an_address_of_a_server_and_gives_it_back() {
    build_plugins();
    sandbox(|host| {
        let world = World::new(host, Pool::default());
        let _daemon = DhcpDaemon::start(&world.ours);
        let attached: Vec<_> = ["a", "b", "c"]
            .map(|name| world.attach(&world.ours, name))
            .into();
        assert_eq!(world.server.leases().len(), 3);
        for (netns, _) in &attached {
            netns.ping("10.9.0.1");
            let path = netns.path().to_str().unwrap();
            World::linkspan(&world.ours, &["check", "mynet", path]);
        }
        for (netns, _) in &attached {
            world.detach(&world.ours, netns);
        }
        world.server.wait_for_leases(0);
        assert_eq!(
            host.run("ip -o link show type veth | grep -c ': veth' || true"),
            "0"
        );
    });
}

/// The reference's daemon kept its leases in memory alone.
// plugins#235, plugins#767
#[test]
fn leases_of_the_references_daemon_are_adopted() {
    build_plugins();
    sandbox(|host| {
        let busy = Pool {
            lifetime: 40,
            ..Pool::default()
        };
        let world = World::new(host, busy);
        let theirs = Plugins::reference();
        let mut daemon = DhcpDaemon::start(&theirs);
        let attached: Vec<_> = ["a", "b"].map(|name| world.attach(&theirs, name)).into();
        let before = world.server.leases();
        daemon.kill();
        // The times in a server's file are of whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        let _ours = DhcpDaemon::start(&world.ours);
        let renewed = world.server.wait_until("all renewed", |leases| {
            leases.len() == 2
                && leases
                    .iter()
                    .zip(&before)
                    .all(|(now, then)| now.address == then.address && now.ends > then.ends)
        });
        for (lease, then) in renewed.iter().zip(&before) {
            assert_eq!((&lease.client, &lease.mac), (&then.client, &then.mac));
        }
        for (netns, address) in &attached {
            let addresses = netns.run("ip -4 -o address show dev eth0");
            assert!(addresses.contains(address.as_str()), "{addresses}");
            world.detach(&world.ours, netns);
        }
        world.server.wait_for_leases(0);
    });
}
