//! A host with Linkspan's plugins and no others, a world outside it, and how it looked before a scenario.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use linkspan_proof::Tally;
use linkspan_testkit::{Cmd, Echo, Outside, Pod, Sandbox, Setup, Snapshot};

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
    " cni-podman",
    "/cni-podman",
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
    "/lock = ",
];

/// A host, and what is around it.
pub(crate) struct World<'a> {
    pub(crate) host: &'a Sandbox,
    pub(crate) outside: Outside,
    before: BTreeSet<String>,
    tally: Mutex<Tally>,
}

/// A pod, or a container, that serves.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) pod: Pod,
    pub(crate) ports: Vec<Published>,
    _echo: Echo,
}

/// How many pods and containers this process has run.
static RUN: AtomicU64 = AtomicU64::new(0);

/// Runs a scenario in a world of its own, which is afterwards as it was when the scenario began.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "the harness keeps it for --show-output"
)]
pub(crate) fn world<F: FnOnce(&mut World<'_>)>(scenario: F) {
    if !rustix::process::geteuid().is_root() {
        println!("only root can run containerd and Podman as they are");
        return;
    }
    Setup::default().deadline(DEADLINE).sandbox(|host| {
        symlink(linkspan_proof::plugins().dir(), "/opt/cni/bin").unwrap();
        host.run("chmod 755 /var/lib/cni");
        let mut world = World {
            host,
            outside: outside(host),
            before: BTreeSet::new(),
            tally: Mutex::new(Tally::of("e2e")),
        };
        scenario(&mut world);
        world.assert_nothing_left("after the scenario");
        world.count("scenarios", 1);
        world.count("pods and containers run", RUN.load(Ordering::Relaxed));
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
        assert_is_of_the_network(&diff(&pristine, &self.before), &names);
    }

    /// The state of the host is what it was when the scenario began.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self, when: &str) {
        let diff = diff(&self.before, &self.look());
        assert!(
            diff.is_empty(),
            "{when}: the state differs\n{}",
            page(&diff)
        );
    }

    /// Whoever looks after the host is told that nothing is wrong with it, while containers run.
    #[track_caller]
    pub(crate) fn assert_healthy(&self) {
        for words in [&["doctor"][..], &["ipam", "check"]] {
            let told = Cmd::new(linkspan_proof::linkspan()).args(words).output();
            let is_well = told.ok() && told.stdout.starts_with("Nothing is wrong");
            assert!(is_well, "{told}");
        }
        self.count("looks of an administrator", 1);
    }

    /// What a firewall's script does.
    #[track_caller]
    pub(crate) fn flush_ruleset(&self) {
        self.host.run("nft flush ruleset");
        close_forward(self.host);
    }

    /// The machine comes up: another boot, before which all was written that is on disk, and no rules but the administrator's.
    #[track_caller]
    pub(crate) fn boot_anew(&self) {
        let id = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
        let file = self.host.dir().join("boot_id");
        fs::write(&file, id).unwrap();
        self.host.run(&format!(
            "find /var/lib/cni -exec touch --date=@1 {{}} +; mount --bind {} /proc/sys/kernel/random/boot_id",
            file.display()
        ));
        self.flush_ruleset();
        self.count("reboots", 1);
    }

    /// Adds to what the proof counts.
    pub(crate) fn count(&self, what: &'static str, many: u64) {
        self.tally.lock().unwrap().add(what, many);
    }

    /// Each fact, but for the address that host-local gave last, which moves on, and what is made once: its directory when two have asked
    /// it at the same time, and the locks of `linkspan gc`. Rules that are there for all are in the order in which they were first wanted.
    fn look(&self) -> BTreeSet<String> {
        let passing = [
            "last_reserved_ip",
            "file /run/cni/linkspan/host-local = directory",
            "file /var/lib/cni/locks",
        ];
        let snapshot = Snapshot::of(&[self.host.host()], &DIRECTORIES).without(&passing);
        snapshot.lines().map(|line| without_number(&line)).collect()
    }
}

impl Serving {
    /// Serves in a pod.
    #[track_caller]
    pub(crate) fn of(pod: Pod, ports: &[Published]) -> Self {
        RUN.fetch_add(1, Ordering::Relaxed);
        Self {
            _echo: pod.netns.echo(&pod.ips, PORT),
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
        ips.chain(ports).chain([self.pod.id.clone()]).collect()
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

/// Whether all is asked for. What is left out otherwise says so: most of it is in another scenario as well.
#[expect(
    clippy::print_stdout,
    reason = "the harness keeps it for --show-output"
)]
pub(crate) fn whole_alone() -> bool {
    let whole = linkspan_proof::whole();
    if !whole {
        println!("this is of the whole proof: make e2e");
    }
    whole
}

/// Does something with each of these, so many at a time.
pub(crate) fn at_a_time<T: Send, U: Send>(
    number: usize,
    items: Vec<T>,
    work: impl Fn(T) -> U + Sync,
) -> Vec<U> {
    let (items, work) = (Mutex::new(items.into_iter()), &work);
    let next = || items.lock().unwrap().next();
    let worker = || std::iter::from_fn(next).map(work).collect::<Vec<_>>();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..number).map(|_| scope.spawn(worker)).collect();
        let done = threads.into_iter().map(|thread| thread.join().unwrap());
        done.flatten().collect()
    })
}

/// Nothing that the first pod has left names it, and all of it is the network's.
#[track_caller]
fn assert_is_of_the_network(diff: &str, names: &[String]) {
    let is_fine = |line: &&str| {
        OF_THE_NETWORK.iter().any(|word| line.contains(word))
            && !line.contains(" element ")
            && !names.iter().any(|name| is_named(line, name))
    };
    let left: Vec<_> = diff.lines().filter(|line| !is_fine(line)).collect();
    assert!(
        left.is_empty(),
        "after the first pod\n{}",
        page(&left.join("\n"))
    );
}

/// The line of a rule without its place in its chain, ` #3`.
fn without_number(line: &str) -> String {
    match line.split_once(" #") {
        Some((what, value)) => {
            [what, value.trim_start_matches(|c: char| c.is_ascii_digit())].concat()
        }
        None => line.to_owned(),
    }
}

/// What was there and is not (`-`), and what is and was not (`+`).
fn diff(before: &BTreeSet<String>, after: &BTreeSet<String>) -> String {
    let gone = before.difference(after).map(|line| format!("- {line}\n"));
    let new = after.difference(before).map(|line| format!("+ {line}\n"));
    gone.chain(new).collect()
}

/// Whether a line has a name, and not a longer number that begins so.
fn is_named(line: &str, name: &str) -> bool {
    let goes_on = |(at, _)| line[at + name.len()..].starts_with(|next: char| next.is_ascii_digit());
    line.match_indices(name).any(|found| !goes_on(found))
}

/// As much as a person reads.
fn page(text: &str) -> String {
    let lines = text.lines().take(40);
    lines
        .map(|line| line.chars().take(300).chain(['\n']).collect::<String>())
        .collect()
}
