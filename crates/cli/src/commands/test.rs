//! `test`: draws what the library finds out.

use std::time::{Duration, Instant};

use linkspan_connectivity::{
    Check, Expected, Observer, Options, Outcome, Report, Session, Swept, sweep,
};
use linkspan_runtime::Deadline;
use linkspan_spec::{IfName, NetworkList, Value};

use crate::args;
use crate::failure::{Failure, Kind};
use crate::privilege;
use crate::progress::Progress;
use crate::signals;
use crate::text::milliseconds;
use crate::ui::{Ui, object};

/// Columns of what a check is about.
const SUBJECT: usize = 44;
/// Columns of how long it took.
const TIME: usize = 8;
/// Columns before what belongs to a check.
const MARGIN: usize = 10;

/// Proves a network.
pub(crate) fn test(ui: Ui, args: &args::Test) -> Result<(), Failure> {
    let ifname: IfName = args
        .ifname
        .parse()
        .map_err(|error: linkspan_spec::NameError| Failure::usage(error.to_string()))?;
    privilege::require("test")?;
    let network = args.places.network(ui, &args.network)?;
    let cancel = signals::cancel();
    let builder = args.places.runtime(ui).finish_detach(true);
    // One for both: what a signal gives up is either an operation of the runtime or what is between two.
    let runtime = match &cancel {
        Some(cancel) => builder.cancel(cancel.clone()),
        None => builder,
    };
    let runtime = runtime.build();
    let swept = sweep(&runtime, &network, args.clean);
    if args.clean {
        return cleaned(ui, &network, swept);
    }
    note_swept(ui, &swept);
    let begun = Instant::now();
    let session = Session::new(Options {
        network: &network,
        runtime: &runtime,
        ifname,
        keep: args.keep,
        world: args.outside.clone(),
        cancel,
        deadline: Deadline::after(args.places.timeout),
    });
    announce(ui, &network, &session, args)?;
    let mut screen = Screen::new(ui);
    let report = session
        .prove(&mut screen)
        .map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
    screen.end()?;
    finish(ui, &network, &report, begun.elapsed())
}

/// Says what will be done, to who could still stop it.
fn announce(
    ui: Ui,
    network: &NetworkList,
    session: &Session<'_>,
    args: &args::Test,
) -> Result<(), Failure> {
    if ui.json {
        return Ok(());
    }
    let ids = session.container_ids();
    let containers = match ids.len() {
        1 => "a throw-away container",
        _ => "two throw-away containers",
    };
    let end = match args.keep {
        true => "and leaves them attached.",
        false => "and removes them.",
    };
    let plugins: Vec<_> = network
        .plugins
        .iter()
        .filter_map(|plugin| Some(plugin.plugin_type().ok()?.to_string()))
        .collect();
    let words = format!(
        "Attaches {containers} ({}) to network {}, which takes their addresses for some seconds, sends packets by every way \
         that its plugins ({}) promise, {end}",
        ids.join(", "),
        network.name,
        plugins.join(", "),
    );
    let style = ui.style();
    ui.print(&format!("{}\n\n", style.behind_margin(&words, 0)))
}

/// What is drawn while it goes on.
struct Screen {
    ui: Ui,
    progress: Option<Progress>,
    failure: Option<Failure>,
    /// The last advice, which need not be given twice.
    advice: Option<String>,
}

impl Screen {
    fn new(ui: Ui) -> Self {
        Self {
            ui,
            progress: None,
            failure: None,
            advice: None,
        }
    }

    /// A result that could not be printed.
    fn end(self) -> Result<(), Failure> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl Observer for Screen {
    fn begins(&mut self, words: &str) {
        // The one before ends first.
        self.progress = None;
        self.progress = Some(self.ui.progress(words));
    }

    fn checked(&mut self, check: &Check) {
        self.progress = None;
        let mut check = check.clone();
        if let Outcome::Failed { next, .. } = &mut check.outcome {
            match *next == self.advice {
                true => *next = None,
                false => self.advice.clone_from(next),
            }
        }
        if !self.ui.json
            && let Err(failure) = self.ui.print(&drawn(self.ui, &check))
        {
            self.failure = Some(failure);
        }
    }
}

/// A check as its lines.
fn drawn(ui: Ui, check: &Check) -> String {
    let style = ui.style();
    let subject = check.subject();
    let time = check.elapsed.map(milliseconds).unwrap_or_default();
    let beside = |mark: &str, time: &str, words: &str| {
        let head = format!("  {mark} {subject:SUBJECT$} {time:>TIME$}");
        format!("{}  {words}", head).trim_end().to_owned() + "\n"
    };
    match &check.outcome {
        Outcome::Passed => beside(&style.good("✓"), &time, &style.dim(&check.detail)),
        Outcome::Skipped(why) => format!(
            "  {} {}\n{:MARGIN$}{}\n",
            style.dim("–"),
            subject,
            "",
            style.dim(&style.behind_margin(why, MARGIN))
        ),
        Outcome::Failed { why, next } => {
            let mut text = format!("  {} {subject}\n", style.bad("✗"));
            let labelled = |label: &str, words: &str| {
                format!("    {label} {}\n", style.behind_margin(words, MARGIN))
            };
            text.push_str(&labelled(&style.dim("  why:"), why));
            if let Some(next) = next {
                text.push_str(&labelled(&style.good(" next:"), next));
            }
            text
        }
    }
}

fn finish(
    ui: Ui,
    network: &NetworkList,
    report: &Report,
    elapsed: Duration,
) -> Result<(), Failure> {
    let [passed, failed, skipped] = report.counts();
    match ui.json {
        true => ui.print_json(&json(network, report, elapsed))?,
        false => summary(ui, report, elapsed)?,
    }
    let tried = passed + failed;
    let name = &network.name;
    let over = match (report.cancelled, report.timed_out) {
        (true, _) => Some((Kind::Failed, "was given up")),
        (_, true) => Some((Kind::Temporary, "was not finished in time")),
        _ => None,
    };
    if let Some((kind, words)) = over {
        let words =
            format!("the test of network {name} {words}: {passed} of {tried} checks passed");
        let left = match report.kept.is_empty() {
            true => "The containers were removed; it can be repeated.",
            false => {
                "The containers are still attached; `linkspan test` with --clean removes them."
            }
        };
        return Err(Failure::new(kind, words).advise(left));
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(
            Kind::Failed,
            format!("{failed} of {tried} checks of network {name} failed, {skipped} did not apply"),
        )),
    }
}

fn summary(ui: Ui, report: &Report, elapsed: Duration) -> Result<(), Failure> {
    let style = ui.style();
    let [passed, failed, skipped] = report.counts();
    let wires = report.wires.iter();
    let outside: Vec<_> = wires.map(|wire| wire.outside.to_string()).collect();
    let mut words = format!(
        "{passed} passed, {failed} failed, {skipped} do not apply, in {}.",
        milliseconds(elapsed)
    );
    if !outside.is_empty() {
        words.push_str(&format!(
            " What played the world outside was a namespace on this host, at {}.",
            outside.join(" and ")
        ));
    }
    if !report.kept.is_empty() {
        words.push_str(&format!(
            " Still attached are {}: see `ip netns list`, and remove them with `linkspan test` and --clean.",
            report.kept.join(" and ")
        ));
    }
    ui.print(&format!("\n{}\n", style.behind_margin(&words, 0)))
}

/// For programs: see docs/operate/test.md.
fn json(network: &NetworkList, report: &Report, elapsed: Duration) -> Value {
    let [passed, failed, skipped] = report.counts();
    let texts = |texts: Vec<String>| Value::from(texts);
    let wires = report.wires.iter();
    object([
        ("network", network.name.as_str().into()),
        ("passed", passed.into()),
        ("failed", failed.into()),
        ("skipped", skipped.into()),
        ("milliseconds", number(elapsed)),
        (
            "outside",
            texts(wires.map(|wire| wire.outside.to_string()).collect()),
        ),
        ("kept", texts(report.kept.clone())),
        ("checks", report.checks.iter().map(of_check).collect()),
    ])
}

fn of_check(check: &Check) -> Value {
    let (outcome, why, next) = match &check.outcome {
        Outcome::Passed => ("passed", None, None),
        Outcome::Failed { why, next } => ("failed", Some(why), next.as_ref()),
        Outcome::Skipped(why) => ("skipped", Some(why), None),
    };
    let expected = match check.expected {
        Expected::Passes => "passes",
        Expected::Blocked => "blocked",
    };
    let text = |words: Option<&String>| Value::from(words.map(String::as_str));
    let address =
        |address: Option<std::net::IpAddr>| Value::from(address.map(|address| address.to_string()));
    object([
        ("check", check.aspect.as_str().into()),
        ("from", check.from.map(|who| who.name()).into()),
        ("to", check.to.map(|who| who.name()).into()),
        ("address", address(check.address)),
        ("port", check.port.into()),
        ("protocol", check.protocol.into()),
        ("expected", expected.into()),
        ("outcome", outcome.into()),
        ("seenAs", address(check.seen_as)),
        ("milliseconds", check.elapsed.map(number).into()),
        ("detail", check.detail.as_str().into()),
        ("why", text(why)),
        ("next", text(next)),
    ])
}

fn number(elapsed: Duration) -> Value {
    (elapsed.as_micros() as f64 / 1000.0).into()
}

/// Tells what a test left that was killed.
fn note_swept(ui: Ui, swept: &Swept) {
    if !swept.names.is_empty() {
        let names: Vec<_> = swept.names.iter().map(String::as_str).collect();
        let names = names.join(", ");
        ui.note(&format!(
            "removed what a test left that was killed: {names}"
        ));
    }
    for error in &swept.errors {
        ui.note(&format!("what a test left could not be removed: {error}"));
    }
}

fn cleaned(ui: Ui, network: &NetworkList, swept: Swept) -> Result<(), Failure> {
    let mut failures = swept.errors.into_iter().map(Failure::from);
    if let Some(first) = failures.next() {
        return Err(first.with_others(failures.collect()));
    }
    let names: Vec<_> = swept.names.into_iter().collect();
    let words = match names.is_empty() {
        true => format!("no test has left anything on network {}", network.name),
        false => format!("removed {}", names.join(", ")),
    };
    let told = object([
        ("network", network.name.as_str().into()),
        ("removed", names.into()),
    ]);
    ui.done(&words, told)
}
