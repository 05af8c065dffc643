//! A host with Linkspan's plugins and no others, a world outside it, and how it looked before a scenario.

use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::time::Duration;

use linkspan_proof::Tally;
use linkspan_testkit::{Echo, Outside, Pod, Sandbox, Setup, Snapshot};

use crate::traffic::{Published, SECOND_V4, SECOND_V6};

/// The longest of the scenarios takes a tenth of it on a machine that has nothing else to do.
const DEADLINE: Duration = Duration::from_secs(400);

/// The port at which every pod serves, of TCP and UDP.
pub(crate) const PORT: u16 = 8000;

/// Where plugins, runtimes and the kernel's namespaces leave files.
const DIRECTORIES: [&str; 3] = ["/var/lib/cni", "/run/cni", "/run/netns"];

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

/// A host, and what is around it.
pub(crate) struct World<'a> {
    pub(crate) host: &'a Sandbox,
    pub(crate) outside: Outside,
    before: Snapshot,
    tally: Mutex<Tally>,
}

/// A pod, or a container, that serves.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) pod: Pod,
    pub(crate) ports: Vec<Published>,
    _echo: Echo,
}

/// Runs a scenario in a world of its own, which is afterwards as it was when the scenario began.
#[track_caller]
pub(crate) fn world<F: FnOnce(&mut World<'_>)>(scenario: F) {
    Setup::default().deadline(DEADLINE).sandbox(|host| {
        symlink(linkspan_proof::plugins().dir(), "/opt/cni/bin").unwrap();
        let mut world = World {
            host,
            outside: outside(host),
            before: Snapshot::default(),
            tally: Mutex::new(Tally::of("e2e")),
        };
        scenario(&mut world);
        world.assert_nothing_left("after the scenario");
        world.count("scenarios", 1);
        world.tally.lock().unwrap().write();
    });
}

impl World<'_> {
    /// A first pod comes and goes, by a function that gives what only a leftover of it can tell of; what stays is the network's. With that
    /// the scenario begins.
    #[track_caller]
    pub(crate) fn begin(&mut self, first: impl FnOnce(&Self) -> Vec<String>) {
        let pristine = self.look();
        let names = first(self);
        self.before = self.look();
        assert_is_of_the_network(&pristine.diff(&self.before), &names);
    }

    /// The state of the host is what it was when the scenario began.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self, when: &str) {
        let diff = self.before.diff(&self.look());
        assert!(
            diff.is_empty(),
            "{when}: the state differs\n{}",
            page(&diff)
        );
    }

    /// What a firewall's script does.
    #[track_caller]
    pub(crate) fn flush_ruleset(&self) {
        self.host.run("nft flush ruleset");
        close_forward(self.host);
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
    /// Serves in a pod.
    #[track_caller]
    pub(crate) fn of(pod: Pod, ports: &[Published]) -> Self {
        Self {
            _echo: pod.netns.echo(PORT),
            ports: ports.to_vec(),
            pod,
        }
    }

    /// Serves no longer; its ID.
    pub(crate) fn stop_serving(self) -> String {
        self.pod.id
    }

    /// Its ID, addresses and ports on the host.
    pub(crate) fn names(&self) -> Vec<String> {
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
fn close_forward(host: &Sandbox) {
    host.run(
        "sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
         iptables -P FORWARD DROP; ip6tables -P FORWARD DROP",
    );
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
