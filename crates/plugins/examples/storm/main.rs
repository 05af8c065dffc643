//! A thousand containers attached by one process: bridge, host-local and ipMasq, beside the bare requests to the kernel.
//!
//!     cargo run --release -p linkspan-plugins --features in-process --example storm -- [--containers N] [--threads N] [--cache DIR]
//!
//! Everything happens in namespaces of its own, which it enters first: the host has no part in it, whoever runs it. The containers
//! get their namespaces before, as from a runtime, and are attached in turns: a tenth of them by the runtime, then as many others by the
//! requests alone, by the same number of threads, so that both meet the same kernel with the same number of links.
//!
//! Results are kept in a tmpfs, as everything else in the sandbox, unless `--cache` names a directory.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report")]

mod bare;
mod figures;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{env, fs, thread};

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{Change, LinkChange, Rtnl};
use linkspan_kernel::sandbox::Sandbox;
use linkspan_plugins::InProcess;
use linkspan_runtime::{Endpoint, NetworkList, Runtime};

use self::bare::Bare;
use self::figures::Figures;

type Failure = Box<dyn Error + Send + Sync>;

const NETWORK: &[u8] = br#"{
    "cniVersion": "1.1.0",
    "name": "storm",
    "plugins": [{
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": true,
        "ipMasq": true,
        "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.22.0.0/16" }]] }
    }]
}"#;

/// In how many turns the containers are attached.
const TURNS: usize = 10;

struct Wanted {
    containers: usize,
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
    let network = NetworkList::parse(NETWORK)?;
    let runtime = runtime(&wanted.cache);
    let bare = Bare::new()?;
    let ours = containers("c", wanted.containers)?;
    let theirs = containers("bare", wanted.containers)?;
    // What the first makes for all: the bridge and the constant part of the ruleset.
    let all = containers("first", 1)?;
    let first = endpoint(&all[0].0, &all[0].1)?;
    runtime.add(&network, &first)?;
    runtime.del(&network, &first)?;
    let before = left(&runtime, &network)?;

    let (mut adds, mut requests) = (Figures::default(), Figures::default());
    let length = wanted.containers.div_ceil(TURNS);
    for (own, other) in ours.chunks(length).zip(theirs.chunks(length)) {
        adds.during(|| {
            at_once(wanted.threads, own, |(name, netns)| {
                runtime.add(&network, &endpoint(name, netns)?)?;
                Ok(())
            })
        })?;
        requests.during(|| {
            at_once(wanted.threads, other, |(name, netns)| {
                bare.attach(name, netns)
            })
        })?;
    }
    println!(
        "{} containers, {} threads, results in {}",
        wanted.containers,
        wanted.threads,
        wanted.cache.display()
    );
    println!("{}", Figures::HEAD);
    println!("{}", adds.row("ADD: bridge + host-local, ipMasq"));
    println!("{}", requests.row("the bare requests to the kernel"));
    println!(
        "ADD takes {:.2} times as long as its requests",
        adds.total() / requests.total()
    );

    let mut dels = Figures::default();
    dels.during(|| {
        at_once(wanted.threads, &ours, |(name, netns)| {
            runtime.del(&network, &endpoint(name, netns)?)?;
            Ok(())
        })
    })?;
    println!("{}", dels.row("DEL"));
    bare.detach(&theirs)?;
    let after = left(&runtime, &network)?;
    println!("links, addresses in use, results, records: {before:?} before, {after:?} after");
    match before == after {
        true => Ok(()),
        false => Err("something is left".into()),
    }
}

fn endpoint(name: &str, netns: &Path) -> Result<Endpoint, Failure> {
    Ok(Endpoint::new(name.parse()?, "eth0".parse()?).with_netns(netns))
}

/// Makes namespaces; each with its container's name.
fn containers(prefix: &str, count: usize) -> Result<Vec<(String, PathBuf)>, Failure> {
    let make = |number| {
        let name = format!("{prefix}{number}");
        let path = Path::new("/run/netns").join(&name);
        Netns::create(&path)?;
        Ok((name, path))
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
fn left(runtime: &Runtime, network: &NetworkList) -> Result<[usize; 4], Failure> {
    let names = |dir: &str, is_one: fn(&str) -> bool| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| is_one(name)).count()
    };
    let of_host = fs::read_dir("/run/cni/linkspan")?.flatten();
    let records = of_host.map(|entry| {
        let folder = entry.path().join("netfilter");
        names(&folder.to_string_lossy(), |_| true)
    });
    Ok([
        Rtnl::open()?.links()?.len(),
        names("/var/lib/cni/networks/storm", |name| {
            name.starts_with("10.")
        }),
        runtime.attachments(&network.name)?.len(),
        records.sum(),
    ])
}

impl Wanted {
    fn of(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut wanted = Self {
            containers: 1000,
            threads: thread::available_parallelism()?.get(),
            cache: "/var/lib/cni".into(),
        };
        while let Some(word) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--containers" => wanted.containers = value.parse()?,
                "--threads" => wanted.threads = value.parse()?,
                "--cache" => wanted.cache = value.into(),
                _ => {
                    return Err(
                        format!("{word} is not known: --containers, --threads, --cache").into(),
                    );
                }
            }
        }
        Ok(wanted)
    }
}
