//! A thousand containers attached by one process: bridge, host-local and ipMasq, beside the bare requests to the kernel.
//!
//!     cargo run --release -p linkspan-plugins --features in-process --example storm -- [OPTIONS]
//!
//! Everything happens in namespaces of its own, which it enters first: the host has no part in it, whoever runs it. The containers
//! get their namespaces before, as from a runtime, and are attached in turns: a tenth of them by the runtime, then as many others by the
//! requests alone, by the same number of threads, so that both meet the same kernel with the same number of links.
//!
//! | option | default | |
//! |---|---|---|
//! | `--containers` | 1000 | how many are attached by each of the two |
//! | `--networks` | 10 | in how many networks, each with a bridge: what a container broadcasts when it appears the kernel delivers to each that is on its bridge before |
//! | `--threads` | one for each processor | |
//! | `--cache` | a directory in the sandbox, in memory | where results are kept |
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report")]

mod bare;
mod figures;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{env, fmt, fs, thread};

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{Change, LinkChange, Rtnl};
use linkspan_kernel::sandbox::Sandbox;
use linkspan_plugins::InProcess;
use linkspan_runtime::{Endpoint, NetworkList, Runtime};

use self::bare::Bare;
use self::figures::Figures;

type Failure = Box<dyn Error + Send + Sync>;

/// The second octet of the first network's addresses: of the runtime, and of the requests alone.
const OURS: usize = 20;
const BARE: u8 = 120;

/// As many as have octets.
const MAX_NETWORKS: usize = 100;

/// In how many turns the containers are attached.
const TURNS: usize = 10;

struct Wanted {
    containers: usize,
    networks: usize,
    threads: usize,
    cache: PathBuf,
}

fn main() -> Result<(), Failure> {
    let wanted = Wanted::of(env::args().skip(1))?;
    let sandbox = Sandbox::enter()?;
    for dir in ["/run", "/var/lib/cni"] {
        sandbox.empty(dir.as_ref())?;
    }
    fs::create_dir("/run/netns")?;
    let rtnl = Rtnl::open()?;
    rtnl.change(Change::SetLink(rtnl.link("lo")?.index, LinkChange::up()))?;
    storm(&wanted)
}

// ANCHOR: runtime
fn runtime(cache: &Path) -> Runtime {
    Runtime::builder()
        // By name: no file is needed.
        .executor(InProcess::new().always())
        .cache_dir(cache)
        .build()
}
// ANCHOR_END: runtime

fn storm(wanted: &Wanted) -> Result<(), Failure> {
    let networks = (0..wanted.networks).map(network);
    let networks: Vec<_> = networks.collect::<Result<_, _>>()?;
    let runtime = runtime(&wanted.cache);
    let add = |container: &Container| {
        runtime.add(&networks[container.network], &container.endpoint()?)?;
        Ok(())
    };
    let del = |container: &Container| {
        runtime.del(&networks[container.network], &container.endpoint()?)?;
        Ok(())
    };
    let bare = Bare::new(wanted.networks)?;
    let ours = containers("c", wanted.containers, wanted.networks)?;
    let theirs = containers("bare", wanted.containers, wanted.networks)?;
    // What the first makes for all: bridges and the constant part of the ruleset.
    let first = containers("first", wanted.networks, wanted.networks)?;
    first.iter().try_for_each(add)?;
    first.iter().try_for_each(del)?;
    let before = left(&runtime)?;

    let (mut adds, mut requests) = (Figures::default(), Figures::default());
    let length = wanted.containers.div_ceil(TURNS);
    for (own, other) in ours.chunks(length).zip(theirs.chunks(length)) {
        adds.during(|| at_once(wanted.threads, own, add))?;
        requests.during(|| at_once(wanted.threads, other, |container| bare.attach(container)))?;
        // The more links a host has, the longer the kernel takes for another.
        bare.detach()?;
    }
    println!("{wanted}\n{}", Figures::HEAD);
    println!("{}", adds.row("ADD: bridge + host-local, ipMasq"));
    println!("{}", requests.row("the bare requests to the kernel"));
    let (time, computed) = adds.beside(&requests);
    println!(
        "ADD takes {time:.2} times as long as its requests, and {computed:.2} times as much CPU"
    );

    let mut dels = Figures::default();
    dels.during(|| at_once(wanted.threads, &ours, del))?;
    println!("{}", dels.row("DEL"));
    let after = left(&runtime)?;
    println!("links, addresses in use, results, records: {before:?} before, {after:?} after");
    match before == after {
        true => Ok(()),
        false => Err("something is left".into()),
    }
}

/// A network with a bridge of its own.
fn network(number: usize) -> Result<NetworkList, Failure> {
    let subnet = format!("10.{}.0.0/16", OURS + number);
    let text = format!(
        r#"{{
            "cniVersion": "1.1.0",
            "name": "storm{number}",
            "plugins": [{{
                "type": "bridge",
                "bridge": "cni{number}",
                "isGateway": true,
                "ipMasq": true,
                "ipam": {{ "type": "host-local", "ranges": [[{{ "subnet": "{subnet}" }}]] }}
            }}]
        }}"#
    );
    Ok(NetworkList::parse(text.as_bytes())?)
}

struct Container {
    name: String,
    netns: PathBuf,
    /// Which network it is in.
    network: usize,
}

impl Container {
    fn endpoint(&self) -> Result<Endpoint, Failure> {
        let endpoint = Endpoint::new(self.name.parse()?, "eth0".parse()?);
        Ok(endpoint.with_netns(&self.netns))
    }
}

/// Makes containers' namespaces.
fn containers(prefix: &str, count: usize, networks: usize) -> Result<Vec<Container>, Failure> {
    let make = |number| {
        let name = format!("{prefix}{number}");
        let netns = Path::new("/run/netns").join(&name);
        Netns::create(&netns)?;
        let network = number % networks;
        Ok(Container {
            name,
            netns,
            network,
        })
    };
    (0..count).map(make).collect()
}

/// Calls a function once for each item from some threads; tells how long each took, in milliseconds.
fn at_once<T: Sync>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<(), Failure> + Sync,
) -> Result<Vec<f64>, Failure> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let outcome = work(item);
                    let took = began.elapsed().as_secs_f64() * 1000.0;
                    let mut all = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(outcome.map(|()| took));
                }
            });
        }
    });
    let outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    outcomes.into_iter().collect()
}

/// What attachments leave behind: links of the host, reserved addresses, kept results, records of netfilter.
fn left(runtime: &Runtime) -> Result<[usize; 4], Failure> {
    let names = |dir: &Path, is_one: fn(&str) -> bool| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| is_one(name)).count()
    };
    let below = |dir: &str| fs::read_dir(dir).into_iter().flatten().flatten();
    let records =
        below("/run/cni/linkspan").map(|host| names(&host.path().join("netfilter"), |_| true));
    let pools = below("/var/lib/cni/networks");
    let addresses = pools.map(|pool| names(&pool.path(), |name| name.starts_with("10.")));
    Ok([
        Rtnl::open()?.links()?.len(),
        addresses.sum(),
        runtime.cached_files()?.len(),
        records.sum(),
    ])
}

impl Wanted {
    fn of(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut wanted = Self {
            containers: 1000,
            networks: 10,
            threads: thread::available_parallelism()?.get(),
            cache: "/var/lib/cni".into(),
        };
        while let Some(word) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--containers" => wanted.containers = value.parse()?,
                "--networks" => wanted.networks = value.parse()?,
                "--threads" => wanted.threads = value.parse()?,
                "--cache" => wanted.cache = value.into(),
                _ => {
                    return Err(format!(
                        "{word} is not known: --containers, --networks, --threads, --cache"
                    )
                    .into());
                }
            }
        }
        if wanted.containers == 0 || wanted.threads == 0 {
            return Err("--containers and --threads are from 1".into());
        }
        match wanted.networks {
            1..=MAX_NETWORKS => Ok(wanted),
            _ => Err(format!("--networks is from 1 to {MAX_NETWORKS}").into()),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            containers,
            networks,
            threads,
            cache,
        } = self;
        write!(
            f,
            "{containers} containers, {networks} networks, {threads} threads, results in {}",
            cache.display()
        )
    }
}
