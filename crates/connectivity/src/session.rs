//! A run of the test, from the first namespace to the last look at what is left.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::time::Instant;

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::Rtnl;
use linkspan_kernel::xtables::Protocol;
use linkspan_runtime::{Cancel, Deadline, Endpoint, Runtime};
use linkspan_spec::{IfName, Map, NameError, NetworkList, Value};

use crate::attached::{Attached, interface};
use crate::chains;
use crate::check::{Aspect, Check, Outcome, Who};
use crate::diagnose::{self, Scene};
use crate::outside::{Outside, Wire, disconnect};
use crate::place::Place;
use crate::plan::plan;
use crate::probe::{CONTAINER_PORT, End, Facts, NextHop};
use crate::promise::{ASKED, Kind, Promises};
use crate::residue::{Identity, residue};
use crate::trial::{Places, attempt};
use crate::{Run, trip};

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something could not be made or asked for.
    #[error(transparent)]
    Kernel(#[from] linkspan_kernel::Error),
    /// A name that the specification does not allow.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What is wanted of a run.
#[derive(Debug)]
pub struct Options<'a> {
    /// The network.
    pub network: &'a NetworkList,
    /// What runs its plugins.
    pub runtime: &'a Runtime,
    /// The interface in the containers.
    pub ifname: IfName,
    /// The containers stay for somebody to look at.
    pub keep: bool,
    /// Addresses in the world outside to be tried as well, with a port for TCP.
    pub world: Vec<(IpAddr, Option<u16>)>,
    /// What gives the run up.
    pub cancel: Option<Cancel>,
    /// When it is given up.
    pub deadline: Deadline,
}

/// Whom a run tells what it does.
pub trait Observer {
    /// Something begins that may take a moment.
    fn begins(&mut self, words: &str);
    /// Something came out.
    fn checked(&mut self, check: &Check);
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All that was looked at.
    pub checks: Vec<Check>,
    /// The addresses of what played the world outside.
    pub wires: Vec<Wire>,
    /// It was given up by a signal.
    pub cancelled: bool,
    /// It was given up since its time was over.
    pub timed_out: bool,
    /// The containers that are still attached.
    pub kept: Vec<String>,
}

impl Report {
    /// How many checks passed, failed and were not tried.
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for check in &self.checks {
            counts[match check.outcome {
                Outcome::Passed => 0,
                Outcome::Failed { .. } => 1,
                Outcome::Skipped(_) => 2,
            }] += 1;
        }
        counts
    }
}

/// A run of the test.
#[derive(Debug)]
pub struct Session<'a> {
    options: Options<'a>,
    run: Run,
    promises: Promises,
}

/// What a run has made so far, undone by [`Session::end`].
struct Made {
    attached: Vec<Attached>,
    /// Of an ADD that failed: something of it may be there.
    begun: Vec<(Place, Endpoint)>,
    outside: Option<Outside>,
    host_port: u16,
    report: Report,
}

impl<'a> Session<'a> {
    /// A run that has not begun.
    pub fn new(options: Options<'a>) -> Self {
        Self {
            run: Run::of_this_process(options.keep),
            promises: Promises::of(options.network),
            options,
        }
    }

    /// What the network promises.
    pub fn promises(&self) -> &Promises {
        &self.promises
    }

    /// The IDs of the containers that will be attached.
    pub fn container_ids(&self) -> Vec<String> {
        let letters = ["a", "b"].into_iter().take(self.promises.containers());
        letters
            .map(|letter| self.run.container_id(letter))
            .collect()
    }

    /// Attaches, sends, and detaches, unless the containers are to be kept.
    ///
    /// # Errors
    /// When a namespace cannot be made, or the kernel not be asked. What was made until then is removed. That the network
    /// does not do as it promises is no error, but in the report.
    pub fn prove(self, observer: &mut dyn Observer) -> Result<Report, Error> {
        let mut made = Made {
            attached: Vec::new(),
            begun: Vec::new(),
            outside: None,
            host_port: free_port(),
            report: Report::default(),
        };
        let proven = self.attach(&mut made, observer).and_then(|()| {
            if made.attached.is_empty() || self.is_over(&mut made.report) {
                return Ok(());
            }
            self.try_all(&mut made, observer)
        });
        let report = self.end(made, observer);
        proven.map(|()| report)
    }

    /// Whether the run is to end.
    fn is_over(&self, report: &mut Report) -> bool {
        report.cancelled |= self.options.cancel.as_ref().is_some_and(Cancel::take);
        report.timed_out |= self.options.deadline.has_passed();
        report.cancelled || report.timed_out
    }

    fn attach(&self, made: &mut Made, observer: &mut dyn Observer) -> Result<(), Error> {
        let containers = [(Who::First, "a"), (Who::Second, "b")];
        for (who, letter) in containers.into_iter().take(self.promises.containers()) {
            if self.is_over(&mut made.report) {
                break;
            }
            observer.begins(&format!("attaching {who}"));
            let network = self.options.network;
            let name = self.run.namespace(letter, network.name.as_str());
            let place = Place::make(self.run, &name)?;
            let endpoint = self.endpoint(who, letter, &place, made.host_port)?;
            let begun = Instant::now();
            let check = Check::new(Aspect::Attach).of(who);
            match self.options.runtime.add(network, &endpoint) {
                Ok(result) => {
                    let attached = Attached::new(who, place, endpoint, &result);
                    let addresses: Vec<_> = attached
                        .end
                        .addresses
                        .iter()
                        .map(ToString::to_string)
                        .collect();
                    let check = check.detail(addresses.join(", ")).took(begun.elapsed());
                    made.tell(observer, check);
                    self.look(&attached, made, observer);
                    made.attached.push(attached);
                }
                Err(error) => {
                    made.report.cancelled |= error.is_cancelled();
                    let (why, next) = of_runtime(&error);
                    made.tell(observer, check.failed(why, next));
                    made.begun.push((place, endpoint));
                    break;
                }
            }
        }
        Ok(())
    }

    fn endpoint(
        &self,
        who: Who,
        letter: &str,
        place: &Place,
        host_port: u16,
    ) -> Result<Endpoint, Error> {
        let id = self.run.container_id(letter).parse()?;
        let mut endpoint = Endpoint::new(id, self.options.ifname.clone()).with_netns(&place.path);
        if self.promises.published.is_some() && who == Who::First {
            endpoint = endpoint.with_capability_arg("portMappings", mappings(host_port));
        }
        if self.promises.asks_limits {
            endpoint = endpoint.with_capability_arg("bandwidth", asked_limits());
        }
        Ok(endpoint)
    }

    /// The interface, CHECK, and what is said of DNS.
    fn look(&self, attached: &Attached, made: &mut Made, observer: &mut dyn Observer) {
        made.tell(observer, interface(attached, self.promises.mtu));
        let check = self.check(attached, &mut made.report);
        made.tell(observer, check);
        if let Some(words) = &attached.dns {
            let check = Check::new(Aspect::Dns).of(attached.end.who);
            made.tell(
                observer,
                check.skipped(format!("{words}; told to the runtime, not tried")),
            );
        }
    }

    fn check(&self, attached: &Attached, report: &mut Report) -> Check {
        use linkspan_runtime::{Error, Outcome};
        let begun = Instant::now();
        let check = Check::new(Aspect::Check).of(attached.end.who);
        match self
            .options
            .runtime
            .check(self.options.network, &attached.endpoint)
        {
            Ok(Outcome::Done) => check.took(begun.elapsed()),
            Ok(_) => check.skipped("the configuration says \"disableCheck\""),
            Err(Error::CheckNotSupported { version, .. }) => {
                check.skipped(format!("version {version} has no CHECK"))
            }
            Err(error) => {
                report.cancelled |= error.is_cancelled();
                let (why, next) = of_runtime(&error);
                check.failed(why, next)
            }
        }
    }

    fn try_all(&self, made: &mut Made, observer: &mut dyn Observer) -> Result<(), Error> {
        observer.begins("making a world outside");
        made.outside = Some(self.outside(&made.attached)?);
        let facts = self.facts(made)?;
        made.report.wires.clone_from(&facts.wires);
        let ends: Vec<End> = made.attached.iter().map(|one| one.end.clone()).collect();
        let probes = plan(&self.promises, &ends, &facts);
        let scene = Scene {
            promises: &self.promises,
            ends: made.attached.iter().map(Attached::at).collect(),
            uplink: self.run.interface(),
        };
        let places = Places {
            containers: &made.attached,
            outside: made.outside.as_ref().map(|outside| &outside.place),
        };
        let mut checks = Vec::new();
        for probe in &probes {
            if self.is_over(&mut made.report) {
                break;
            }
            observer.begins(&probe.check().subject());
            let check = attempt(probe, &scene, &places)?;
            observer.checked(&check);
            checks.push(check);
        }
        made.report.checks.extend(checks);
        Ok(())
    }

    fn outside(&self, attached: &[Attached]) -> Result<Outside, Error> {
        /// What a link has by default.
        const MTU: u32 = 1500;
        let nets = || attached.iter().flat_map(|one| &one.end.addresses);
        let families = [false, true].map(|v6| nets().any(|net| net.addr().is_ipv6() == v6));
        let taken: Vec<_> = nets().map(ipnet::IpNet::trunc).collect();
        let mtu = attached.iter().map(|one| one.end.mtu).fold(MTU, u32::max);
        let network = self.options.network.name.as_str();
        Ok(Outside::make(self.run, network, families, mtu, &taken)?)
    }

    /// What the kernel says; each container learns where it sends what is for the world outside.
    fn facts(&self, made: &mut Made) -> Result<Facts, Error> {
        let host = Rtnl::open()?;
        let wires = made
            .outside
            .as_ref()
            .map_or_else(Vec::new, |outside| outside.wires.clone());
        let facts = Facts {
            host_addresses: diagnose::addresses(&host)?,
            leads_on: self.leads_on(&host)?,
            filters_bridged: [Protocol::Ipv4, Protocol::Ipv6].map(chains::see_bridged),
            wires,
            host_port: made.host_port,
            world: self.options.world.clone(),
        };
        let stays = match self.promises.kind {
            Kind::Bridge { .. } => !facts.leads_on,
            Kind::PointToPoint => true,
            _ => false,
        };
        for attached in &mut made.attached {
            let inside = Rtnl::open_in(&attached.place.netns)?;
            for wire in &facts.wires {
                let route = inside.route_to(wire.outside)?;
                let family = usize::from(wire.outside.is_ipv6());
                attached.end.next_hops[family] = match route.map(|route| route.gateway) {
                    None => NextHop::None,
                    Some(_) if stays => NextHop::Host,
                    Some(Some(hop)) if facts.host_addresses.contains(&hop) => NextHop::Host,
                    Some(hop) => NextHop::Beyond(hop),
                };
            }
        }
        Ok(facts)
    }

    /// Whether the bridge has a port that is no end of a pair.
    fn leads_on(&self, host: &Rtnl) -> Result<bool, Error> {
        let Kind::Bridge { name, .. } = &self.promises.kind else {
            return Ok(true);
        };
        let bridge = match host.link(name) {
            Err(error) if error.is_not_found() => return Ok(true),
            bridge => bridge?,
        };
        Ok(host
            .ports(bridge.index)?
            .iter()
            .any(|port| !port.is_kind("veth")))
    }

    /// Detaches what was attached, and looks what is left, unless it is to be kept.
    fn end(&self, mut made: Made, observer: &mut dyn Observer) -> Report {
        let runtime = self.options.runtime;
        let network = self.options.network;
        for (place, endpoint) in std::mem::take(&mut made.begun) {
            // Why ADD failed is told; that DEL of it fails as well says nothing more.
            let _ = runtime.del(network, &endpoint);
            let _ = Netns::remove(&place.path);
        }
        if self.options.keep && !made.report.cancelled {
            let attached = made.attached.iter();
            made.report.kept = attached
                .map(|one| one.endpoint.container_id.to_string())
                .collect();
            return made.report;
        }
        disconnect(self.run);
        if let Some(outside) = made.outside.take() {
            let _ = Netns::remove(&outside.place.path);
        }
        for attached in std::mem::take(&mut made.attached) {
            observer.begins(&format!("detaching {}", attached.end.who));
            for check in self.detach(&attached) {
                made.tell(observer, check);
            }
            let _ = Netns::remove(&attached.place.path);
        }
        made.report
    }

    fn detach(&self, attached: &Attached) -> Vec<Check> {
        let who = attached.end.who;
        let del = |aspect| {
            let begun = Instant::now();
            let check = Check::new(aspect).of(who);
            match self
                .options
                .runtime
                .del(self.options.network, &attached.endpoint)
            {
                Ok(()) => check.took(begun.elapsed()),
                Err(error) => {
                    let (why, next) = of_runtime(&error);
                    check.failed(why, next)
                }
            }
        };
        vec![
            del(Aspect::Detach),
            del(Aspect::DetachAgain),
            self.left(attached),
        ]
    }

    fn left(&self, attached: &Attached) -> Check {
        let check = Check::new(Aspect::Left).of(attached.end.who);
        let bridge = match &self.promises.kind {
            Kind::Bridge { name, .. } => Some(name),
            _ => None,
        };
        let host_links: Vec<_> = attached
            .host_links
            .iter()
            .filter(|link| Some(*link) != bridge)
            .cloned()
            .collect();
        let identity = Identity {
            container_id: attached.endpoint.container_id.as_str(),
            host_links: &host_links,
            reservations: self.promises.reservations.as_deref(),
        };
        match residue(&identity) {
            Ok(left) if left.is_empty() => {
                check.detail("no interface, no rule, no reservation, no record")
            }
            Ok(left) => check.failed(
                left.join("; "),
                Some(format!("`linkspan gc {}`", self.options.network.name)),
            ),
            Err(error) => check.failed(error.to_string(), None),
        }
    }
}

impl Made {
    fn tell(&mut self, observer: &mut dyn Observer, check: Check) {
        observer.checked(&check);
        self.report.checks.push(check);
    }
}

/// Why an operation of the runtime failed, and what to do.
fn of_runtime(error: &linkspan_runtime::Error) -> diagnose::Reason {
    let mut words = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(behind) = source {
        words.push(behind.to_string());
        source = behind.source();
    }
    let why = words.join(": ");
    let is_full = why.contains("no IP addresses available");
    let next = match is_full {
        true => Some(
            "every address of the network is taken: `linkspan ipam show` tells by whom; `linkspan gc` frees those of \
             containers that are gone"
                .to_owned(),
        ),
        false => error.advice(),
    };
    (why, next)
}

/// A port of the host that is free for TCP and UDP; 0 when there is none.
fn free_port() -> u16 {
    let free = || {
        let listener = TcpListener::bind("0.0.0.0:0").ok()?;
        let port = listener.local_addr().ok()?.port();
        UdpSocket::bind(("0.0.0.0", port)).ok().map(|_| port)
    };
    (0..16).find_map(|_| free()).unwrap_or_default()
}

fn mappings(host_port: u16) -> Value {
    let mapping = |protocol: trip::Transport| {
        Value::Object(Map::from_iter([
            ("hostPort".to_owned(), host_port.into()),
            ("containerPort".to_owned(), CONTAINER_PORT.into()),
            ("protocol".to_owned(), protocol.as_str().into()),
        ]))
    };
    Value::Array(
        [trip::Transport::Tcp, trip::Transport::Udp]
            .map(mapping)
            .into(),
    )
}

fn asked_limits() -> Value {
    Value::Object(Map::from_iter(
        [
            ("ingressRate", ASKED.rate),
            ("ingressBurst", ASKED.burst),
            ("egressRate", ASKED.rate),
            ("egressBurst", ASKED.burst),
        ]
        .map(|(name, value)| (name.to_owned(), value.into())),
    ))
}
