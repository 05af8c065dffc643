//! `demo`: the whole path in a sandbox, for the first contact.
//!
//! [`world`] makes the sandbox, [`look`] tells what there is in it, [`trip`] pings, [`left`] compares;
//! [`screen`] and [`tree`] show it to a person. The containers are attached by the runtime library, and
//! nothing else than the plugins is run.

mod left;
mod look;
mod screen;
mod tree;
mod trip;
mod world;

use std::env;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use linkspan_runtime::{DEFAULT_CONFIG_DIR, Endpoint, Runtime, load_network};
use linkspan_spec::{Map, NetworkList, Success, Value};

use self::left::Left;
use self::look::State;
use self::screen::Screen;
use self::trip::Trip;
use self::world::{HOST, OUTSIDE, PLUGIN_DIR, Place, World};
use crate::args;
use crate::failure::{Failure, Kind};
use crate::target::watch;
use crate::text::{milliseconds, one_line};
use crate::ui::{Ui, object};

/// The network that is shown.
const CONFIGURATION: &str = include_str!("mynet.conf");
const NETWORK: &str = "mynet";

/// How long a plugin may take; they take milliseconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs the demo.
pub(crate) fn demo(ui: Ui, args: &args::Demo) -> Result<(), Failure> {
    if args.shell && ui.json {
        return Err(Failure::usage("--shell is for people, --json for programs"));
    }
    let begun = Instant::now();
    // Where this program is can be asked only out here; see `World::enter`.
    let program = env::current_exe().unwrap_or_default();
    let mut demo = Demo::begin(ui, args)?;
    let before = State::look(&demo.world)?;
    let results = demo.attach()?;
    demo.topology()?;
    demo.pings(&results)?;
    if args.shell {
        demo.shell(&program)?;
    }
    demo.detach()?;
    demo.left(&before)?;
    demo.end(ui, begun.elapsed())
}

struct Demo {
    screen: Screen,
    world: World,
    runtime: Runtime,
    network: NetworkList,
    report: Map,
}

impl Demo {
    /// Enters the sandbox, installs the plugins, and lays down the configuration.
    fn begin(ui: Ui, args: &args::Demo) -> Result<Self, Failure> {
        let screen = Screen::new(ui);
        let world = World::enter(args.plugins.as_deref())?;
        let version = env!("CARGO_PKG_VERSION");
        screen.words(&format!(
            "Linkspan {version} shows two containers on a network, in a sandbox: {}network and mount \
             namespaces of its own. Nothing of this machine is touched.",
            if world.of_user { "user, " } else { "" }
        ))?;
        screen.heading("The plugins and a network")?;
        let plugins = match (world.installed, &args.plugins) {
            (Some(count), _) => format!("{count} plugins, links to one file, in {PLUGIN_DIR}"),
            (None, dir) => format!(
                "plugins of {}",
                dir.as_deref().unwrap_or(Path::new("")).display()
            ),
        };
        screen.step(&plugins, Some(world.elapsed))?;
        let path = configure()?;
        screen.step(&path.display().to_string(), None)?;
        screen.json(CONFIGURATION)?;
        let mut report = Map::new();
        report.insert("linkspan".into(), version.into());
        report.insert("userNamespace".into(), world.of_user.into());
        report.insert("configuration".into(), CONFIGURATION.into());
        Ok(Self {
            screen,
            world,
            runtime: runtime(ui),
            network: load_network(DEFAULT_CONFIG_DIR.as_ref(), NETWORK)?,
            report,
        })
    }

    fn endpoint(place: &Place) -> Result<Endpoint, Failure> {
        let invalid = |error: linkspan_spec::NameError| Failure::usage(error.to_string());
        let id = place.name.parse().map_err(invalid)?;
        let ifname = "eth0".parse().map_err(invalid)?;
        Ok(Endpoint::new(id, ifname).with_netns(&place.path))
    }

    fn attach(&mut self) -> Result<Vec<Success>, Failure> {
        self.screen.heading("Two containers are attached")?;
        let (mut results, mut told) = (Vec::new(), Vec::new());
        for container in &self.world.containers {
            let endpoint = Self::endpoint(container)?;
            let begun = Instant::now();
            let result = self.runtime.add(&self.network, &endpoint)?;
            let elapsed = begun.elapsed();
            let json = Runtime::result_json(&self.network, &result)?;
            let words = format!(
                "ADD {}, eth0 in {}",
                container.name,
                container.path.display()
            );
            self.screen.step(&words, Some(elapsed))?;
            self.screen.json(&one_line(&json))?;
            told.push(object([
                ("container", container.name.into()),
                ("milliseconds", number(elapsed)),
                ("result", json),
            ]));
            results.push(result);
        }
        self.report.insert("attached".into(), told.into());
        Ok(results)
    }

    fn topology(&mut self) -> Result<(), Failure> {
        let state = State::look(&self.world)?;
        self.screen.heading("What there is now")?;
        self.screen.tree(&tree::host(&state))?;
        self.report.insert("topology".into(), state.to_json());
        Ok(())
    }

    fn pings(&mut self, results: &[Success]) -> Result<(), Failure> {
        let addresses: Vec<_> = results.iter().filter_map(address_and_gateway).collect();
        let &[(first, gateway), (second, _)] = addresses.as_slice() else {
            let words = "the results do not have an IPv4 address with a gateway each";
            return Err(Failure::new(Kind::Failed, words));
        };
        self.screen.heading("They talk")?;
        let World {
            host,
            outside,
            containers: [c1, c2],
            ..
        } = &self.world;
        let trips = [
            (c2, "c2", second, first),
            (host, "gateway", gateway, first),
            (outside, "outside", OUTSIDE, HOST),
        ];
        let mut told = Vec::new();
        for (number_of, (to, goal, address, source)) in (1..).zip(trips) {
            let trip = Trip {
                from: c1,
                to,
                goal,
                address,
                source,
            };
            let elapsed = trip.make(number_of)?;
            let masqueraded = source != first;
            let words = format!(
                "{} pings {:8} {address:<13} seen as {source}{}",
                c1.name,
                goal,
                if masqueraded { ", masqueraded" } else { "" }
            );
            self.screen.step(&words, Some(elapsed))?;
            told.push(object([
                ("from", c1.name.into()),
                ("to", goal.into()),
                ("address", address.to_string().into()),
                ("sourceSeen", source.to_string().into()),
                ("masqueraded", masqueraded.into()),
                ("milliseconds", number(elapsed)),
            ]));
        }
        self.report.insert("pings".into(), told.into());
        Ok(())
    }

    /// A shell in the sandbox, where `linkspan` finds everything by itself.
    fn shell(&self, program: &Path) -> Result<(), Failure> {
        self.screen
            .heading("A shell in the sandbox; `exit` goes on")?;
        self.screen.words(
            "Try: linkspan list; ip -brief address; ip netns exec c1 ping 10.22.0.3; nft list ruleset",
        )?;
        let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let mut path = program.parent().unwrap_or(program).as_os_str().to_owned();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let ended = Command::new(&shell)
            .env("CNI_PATH", PLUGIN_DIR)
            .env("PATH", path)
            .status();
        ended.map(drop).map_err(|error| {
            let words = format!("cannot run the shell {}", shell.display());
            Failure::new(Kind::Failed, words).because(error)
        })
    }

    fn detach(&mut self) -> Result<(), Failure> {
        self.screen.heading("They are detached")?;
        let mut told = Vec::new();
        for container in &self.world.containers {
            let endpoint = Self::endpoint(container)?;
            let begun = Instant::now();
            self.runtime.del(&self.network, &endpoint)?;
            let elapsed = begun.elapsed();
            self.screen
                .step(&format!("DEL {}", container.name), Some(elapsed))?;
            told.push(object([
                ("container", container.name.into()),
                ("milliseconds", number(elapsed)),
            ]));
        }
        self.report.insert("detached".into(), told.into());
        Ok(())
    }

    fn left(&mut self, before: &State) -> Result<(), Failure> {
        let left = Left::between(before, &State::look(&self.world)?);
        left.verdict()?;
        self.screen.heading("What is left")?;
        for (what, words) in [
            ("interfaces", left.interfaces_text()),
            ("nftables", left.tables_text()),
            ("files", left.files_text()),
        ] {
            self.screen.step(&format!("{what:10}  {words}"), None)?;
        }
        self.report.insert("left".into(), left.to_json());
        Ok(())
    }

    fn end(mut self, ui: Ui, elapsed: Duration) -> Result<(), Failure> {
        if ui.json {
            self.report.insert("milliseconds".into(), number(elapsed));
            return ui.print_json(&Value::Object(self.report));
        }
        self.screen.words(&format!(
            "\nAll as it should be, in {}. The sandbox goes with this program.",
            milliseconds(elapsed)
        ))
    }
}

/// Lays down the configuration where runtimes look for it.
fn configure() -> Result<PathBuf, Failure> {
    let path = Path::new(DEFAULT_CONFIG_DIR).join("mynet.conf");
    fs::create_dir_all(DEFAULT_CONFIG_DIR)
        .and_then(|()| fs::write(&path, CONFIGURATION))
        .map_err(|error| {
            let words = format!("cannot write {}", path.display());
            Failure::new(Kind::Failed, words).because(error)
        })?;
    Ok(path)
}

fn runtime(ui: Ui) -> Runtime {
    Runtime::builder()
        .plugin_dir(PLUGIN_DIR)
        .timeout(TIMEOUT)
        .observer(watch(ui))
        .build()
}

fn address_and_gateway(result: &Success) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let ip = result.ips.first()?;
    match (ip.address.addr(), ip.gateway?) {
        (IpAddr::V4(address), IpAddr::V4(gateway)) => Some((address, gateway)),
        _ => None,
    }
}

fn number(elapsed: Duration) -> Value {
    (elapsed.as_micros() as f64 / 1000.0).into()
}
