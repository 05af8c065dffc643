//! One probe, sent.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use linkspan_kernel::Error;
use linkspan_kernel::netns::Netns;

use crate::attached::Attached;
use crate::check::{Aspect, Check, Expected, Outcome, Who};
use crate::diagnose::Scene;
use crate::limit::{self, Measured};
use crate::place::Place;
use crate::probe::{Probe, Way, socket_address};
use crate::promise::{Limit, Neighbours};
use crate::trip::{Arrival, Fault, ping, talk};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long is waited for one that must not come.
const DOUBT: Duration = Duration::from_millis(400);
/// The port that a rate is measured at.
const RATE_PORT: u16 = 8081;

/// Where everybody is.
pub(crate) struct Places<'a> {
    pub(crate) containers: &'a [Attached],
    pub(crate) outside: Option<&'a Place>,
}

impl Places<'_> {
    /// The namespace of somebody; `None` of the world.
    fn of<'a>(&'a self, who: Who, host: &'a Netns) -> Option<&'a Netns> {
        match who {
            Who::Host | Who::Gateway => Some(host),
            Who::Outside => self.outside.map(|place| &place.netns),
            Who::World => None,
            Who::First | Who::Second => {
                let mut containers = self.containers.iter();
                let found = containers.find(|one| one.end.who == who);
                found.map(|one| &one.place.netns)
            }
        }
    }
}

/// Sends what a probe says, and tells what came of it.
pub(crate) fn attempt(
    probe: &Probe,
    scene: &Scene<'_>,
    places: &Places<'_>,
) -> Result<Check, Error> {
    let check = probe.check();
    if let Some(why) = &probe.obstacle {
        return Ok(check.skipped(why));
    }
    let host = Netns::current()?;
    let Some(from) = places.of(probe.from, &host) else {
        return Ok(check.skipped("there is nobody to send it"));
    };
    let to = places.of(probe.to, &host);
    if let Way::Rate(limit) = probe.way {
        return Ok(rate(check, probe, limit, [from, to.unwrap_or(&host)]));
    }
    let arrival = send(probe, from, to);
    Ok(match probe.expected {
        Expected::Blocked => blocked(check, scene, arrival),
        Expected::Passes => match arrival {
            Ok(arrival) => passed(check, scene, probe, &arrival),
            Err(fault) => {
                let (why, next) = scene.explain(probe, &fault);
                check.failed(why, next)
            }
        },
    })
}

fn send(probe: &Probe, from: &Netns, to: Option<&Netns>) -> Result<Arrival, Fault> {
    let patience = match probe.expected {
        Expected::Passes => PATIENCE,
        Expected::Blocked => DOUBT,
    };
    let Some(address) = probe.address else {
        return Err(Fault::Other("there is no address".to_owned()));
    };
    match (probe.way, to) {
        (Way::Talk(transport, port), Some(place)) => {
            let to = SocketAddr::new(address, probe.port.unwrap_or(port));
            talk(transport, from, (place, port), to, patience)
        }
        (Way::Talk(_, port), None) => connect(from, SocketAddr::new(address, port)),
        (Way::Whole(bytes), _) => whole(from, to, address, bytes),
        _ => ping(from, to, address, None, patience),
    }
}

/// A connection to somebody who is not of this run.
fn connect(from: &Netns, address: SocketAddr) -> Result<Arrival, Fault> {
    let begun = Instant::now();
    let connected = from.run(|| TcpStream::connect_timeout(&address, PATIENCE));
    match connected {
        Ok(Ok(_)) => Ok(Arrival {
            elapsed: begun.elapsed(),
            source: None,
        }),
        Ok(Err(error)) => Err(Fault::of(&error)),
        Err(error) => Err(Fault::Other(error.to_string())),
    }
}

/// The largest packet passes; one byte more must not, or the largest is another than is said.
fn whole(
    from: &Netns,
    to: Option<&Netns>,
    address: std::net::IpAddr,
    bytes: u32,
) -> Result<Arrival, Fault> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let arrival = ping(from, to, address, Some(bytes), PATIENCE)?;
    match ping(from, to, address, Some(bytes + 1), DOUBT) {
        Ok(_) => Err(Fault::Other(format!(
            "{} bytes pass as well, though the interface says that {bytes} are the most",
            bytes + 1
        ))),
        Err(_) => Ok(arrival),
    }
}

fn passed(mut check: Check, scene: &Scene<'_>, probe: &Probe, arrival: &Arrival) -> Check {
    check.seen_as = arrival.source;
    check.elapsed = Some(arrival.elapsed);
    if let (Some(wanted), Some(seen)) = (probe.source, arrival.source)
        && wanted != seen
    {
        let (why, next) = scene.other_source(probe, seen, wanted);
        return check.failed(why, next);
    }
    let masquerades = scene.promises.masquerades == Some(true);
    let detail = match (probe.aspect, probe.way, arrival.source) {
        (Aspect::Mtu, Way::Whole(bytes), _) => {
            format!("{bytes} bytes in one packet, and not one more")
        }
        (Aspect::Outside, _, Some(seen)) if masquerades => {
            format!("masqueraded: arrives from {seen}")
        }
        (Aspect::Outside, _, Some(seen)) => format!("arrives from {seen}"),
        (Aspect::Published, _, Some(seen)) => format!("arrives from {seen}"),
        _ => String::new(),
    };
    check.detail(detail)
}

fn blocked(check: Check, scene: &Scene<'_>, arrival: Result<Arrival, Fault>) -> Check {
    let by = match scene.promises.neighbours {
        Neighbours::Apart(by) => by,
        _ => "the configuration",
    };
    match arrival {
        Ok(_) => check.failed(
            format!("it passes, though {by} says that it must not"),
            Some(
                "the reference's firewall sees what a bridge passes on with br_netfilter only: `modprobe br_netfilter`, or \
                 Linkspan's plugins, which need none"
                    .to_owned(),
            ),
        ),
        Err(Fault::Other(words)) => check.failed(words, None),
        Err(_) => check.detail(format!("does not pass, as {by} says")),
    }
}

fn rate(check: Check, probe: &Probe, limit: Limit, [from, to]: [&Netns; 2]) -> Check {
    // Always from the host, which a firewall lets connect; the container is the one that listens.
    let receives = probe.to == Who::First;
    let (client, server) = match receives {
        true => (from, to),
        false => (to, from),
    };
    let Some(address) = socket_address(probe, RATE_PORT) else {
        return check.skipped("there is no address");
    };
    let measured = match limit::measure(client, server, address, receives) {
        Ok(measured) => measured,
        Err(error) => return check.failed(format!("nothing could be measured: {error}"), None),
    };
    let verb = if receives { "receives" } else { "sends" };
    verdict(check.took(measured.elapsed), verb, limit, measured)
}

fn verdict(check: Check, verb: &str, limit: Limit, measured: Measured) -> Check {
    let words = limit::words;
    let told = format!(
        "c1 {verb} {} of {} at most",
        words(measured.rate()),
        words(limit.rate)
    );
    if !measured.is_within(limit.rate, limit.burst) {
        let next = "see `tc qdisc show` on the host; containers get their limits at ADD".to_owned();
        return check.failed(told, Some(next));
    }
    match measured.outlasts(limit.burst) {
        true => check.detail(told),
        false => check.outcome(Outcome::Skipped(format!(
            "its burst lets {} pass at once, more than came in a second",
            words(limit.burst).replace("/s", "")
        ))),
    }
}
