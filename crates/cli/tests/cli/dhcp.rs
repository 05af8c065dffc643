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
    for cache in ["/var/lib/cni", "/var/lib/cni/multus"] {
        sandbox(|host| adopted_from(host, cache));
    }
}

/// The runtime's cache is there.
fn adopted_from(host: &Sandbox, cache: &str) {
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
    let moves = |from: &str, to: &str| {
        format!("mkdir -p {to}; [ {from} = {to} ] || mv {from}/results {to}")
    };
    host.run(&moves("/var/lib/cni", cache));
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
    host.run(&moves(cache, "/var/lib/cni"));
    for (netns, address) in &attached {
        let addresses = netns.run("ip -4 -o address show dev eth0");
        assert!(addresses.contains(address.as_str()), "{addresses}");
        world.detach(&world.ours, netns);
    }
    world.server.wait_for_leases(0);
}

/// The reference's daemon takes no lease over, so Linkspan's goes on.
#[test]
fn who_goes_back_keeps_the_daemon_until_its_leases_have_ended() {
    build_plugins();
    sandbox(|host| {
        let short = Pool {
            lifetime: 20,
            ..Pool::default()
        };
        let world = World::new(host, short);
        fs::create_dir_all("/opt/cni/bin").unwrap();
        host.run("cp -L /usr/lib/cni/* /opt/cni/bin");
        let plugins = Plugins::at("/opt/cni/bin");
        World::linkspan(&plugins, &["install", "--bin-dir", "/opt/cni/bin"]);
        let mut daemon = DhcpDaemon::start(&plugins);
        let (netns, address) = world.attach(&plugins, "a");
        let address = address.split('/').next().unwrap();
        let uninstall = |args: &[&str]| {
            World::linkspan(
                &plugins,
                &[&["uninstall", "--bin-dir", "/opt/cni/bin"], args].concat(),
            )
        };
        for (args, begins) in [
            (
                &["--dry-run"][..],
                "Leave alone: Leases in /run/cni/linkspan/netns-",
            ),
            (
                &[],
                "Done, but for this:\nLeases in /run/cni/linkspan/netns-",
            ),
        ] {
            let told = uninstall(args);
            let says = |words: &str| assert!(told.contains(words), "{words}: {told}");
            says(begins);
            says("Let Linkspan's run on");
            says("mynet/cnitool-");
            says(&format!("/eth0 has {address}\n"));
        }
        // It renews what it keeps, and a daemon that is killed finds it again.
        let then = world.server.leases()[0].ends;
        world
            .server
            .wait_until("it is renewed", |leases| leases[0].ends > then);
        daemon.kill();
        let told = uninstall(&[]);
        assert!(
            told.contains("Linkspan's does not run, so they run out"),
            "{told}"
        );
        let again = DhcpDaemon::start(&world.ours);
        world.detach(&plugins, &netns);
        world.server.wait_for_leases(0);
        let told = uninstall(&["--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (&told["leases"], &told["dhcpDaemonRuns"]),
            (&json!([]), &json!(true))
        );
        let told = uninstall(&[]);
        assert!(
            told.contains("Stop Linkspan's, start the reference's"),
            "{told}"
        );
        drop(again);
        assert!(uninstall(&[]).ends_with("Done: nothing of Linkspan's is left.\n"));
        assert!(!Path::new("/run/cni/linkspan").exists());
    });
}
