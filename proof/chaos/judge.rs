//! What must hold after each run with a fault.
//!
//! - What is told is told as the specification has it: a result, or an error with a code and a message. Who is killed tells nothing.
//! - A success is one: the host has what a run without a fault leaves, and the answer is the same.
//! - A failed ADD leaves the host as it was. Of one that was killed, DEL leaves nothing, and so does GC without a DEL.
//! - DEL and GC that failed are completed by another one. What they tell as a success has left nothing.
//! - CHECK, STATUS, VERSION, and GC of what lives change nothing.
//! - Nobody else loses anything, at any time.

use std::collections::BTreeMap;
use std::env;
use std::os::unix::process::ExitStatusExt;

use linkspan_testkit::{Outcome, Syscall, Tally, trace};
use serde_json::Value;

use crate::faults::{Point, What, points, staying};
use crate::places::{PLACES, Place};
use crate::scene::{Command, Scene};
use crate::state::State;
use crate::subjects::Life;

/// One fault, as it is told where something is wrong, for those who look at it alone.
const FAULT: &str = "FAULT";

/// What is told where no run had a fault; `proof/mutants/run` takes it for no finding.
const NOTHING_FAILED: &str = "no call was made to fail";

/// How much is told of what is wrong.
const MAX_FINDINGS: usize = 12;
const MAX_LINES: usize = 8;

/// For how many faults that happen once there is one that stays.
const STAYING: usize = 4;

pub(crate) struct Judge<'a> {
    scene: Scene<'a>,
    /// How many faults there are at most for each command.
    limit: usize,
    /// What there is while `c1` is detached, and while it is attached.
    detached: State,
    attached: State,
    result: Value,
    counts: BTreeMap<&'static str, u64>,
    findings: Vec<String>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(mut scene: Scene<'a>, limit: usize) -> Self {
        let detached = scene.look();
        let result = without_chance(scene.attach());
        let attached = scene.look();
        scene.detach();
        Self {
            scene,
            limit,
            detached,
            attached,
            result,
            counts: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// Has each command fail in each way.
    pub(crate) fn every_command(&mut self) {
        for command in self.commands() {
            let only = env::var(FAULT).ok();
            for (number, point) in self.points(command).into_iter().enumerate() {
                let words = format!("{} {}", command.name(), point.words());
                if only.as_ref().is_some_and(|only| *only != words)
                    || self.findings.len() >= MAX_FINDINGS
                {
                    continue;
                }
                let wrong = self.fail(command, &point, number);
                if let Err(wrong) = wrong {
                    self.findings.push(self.told(&words, &wrong));
                    self.restore();
                }
            }
        }
    }

    /// Has each command run in each place.
    pub(crate) fn every_place(&mut self) {
        let only = env::var(FAULT).ok();
        for command in self.commands() {
            for place in &PLACES {
                let words = format!("{} {}", command.name(), place.name);
                if only.as_ref().is_some_and(|only| *only != words)
                    || self.findings.len() >= MAX_FINDINGS
                {
                    continue;
                }
                if let Err(wrong) = self.fail_in(command, place) {
                    self.findings.push(self.told(&words, &wrong));
                    self.restore();
                }
            }
        }
    }

    fn commands(&self) -> impl Iterator<Item = Command> + use<> {
        // A device that is in a namespace goes with it.
        let is_device = self.life() == Life::Device;
        let all = Command::ALL.into_iter();
        all.filter(move |command| !(is_device && *command == Command::Gc))
    }

    /// The faults of a command: all of them, or as many as are asked for, from its begin to its end.
    fn points(&mut self, command: Command) -> Vec<Point> {
        self.prepare(command);
        let (mut once, mut for_ever) = (Vec::new(), Vec::new());
        let output = trace(self.scene.command(command), |syscall: &Syscall| {
            once.extend(points(syscall));
            for_ever.extend(staying(syscall));
            None
        });
        // Of what fails by itself, the beginning alone would be tried, and each error would be as expected.
        let outcome = Outcome::of(output);
        assert!(
            outcome.output.ok(),
            "{}: {} fails without a fault: {}",
            self.scene.subject.name,
            command.name(),
            outcome.output
        );
        self.learn(command, &outcome);
        match (command, self.life()) {
            (Command::Gc, Life::Namespace | Life::Once) | (Command::Del, Life::Once) => {
                self.scene.renew();
            }
            _ => {}
        }
        let mut chosen = spread(once, self.limit);
        chosen.extend(spread(for_ever, self.limit.div_ceil(STAYING)));
        chosen
    }

    /// `c1` is attached where the command is about what is; and where its namespace ends what it has, that is gone before GC.
    fn prepare(&mut self, command: Command) {
        let is_attached = self.scene.is_attached();
        match command {
            Command::Add if is_attached => self.scene.detach(),
            // The device has to be at home for another ADD.
            Command::Status if is_attached && self.life() == Life::Device => self.scene.detach(),
            Command::Check | Command::Del | Command::Gc | Command::GcNothing if !is_attached => {
                self.scene.attach();
            }
            _ => {}
        }
        if command == Command::Gc && self.life() != Life::Host {
            self.scene.lose_namespace();
        }
    }

    fn life(&self) -> Life {
        self.scene.subject.life
    }

    /// What a command that has succeeded has made of `c1`.
    fn learn(&mut self, command: Command, outcome: &Outcome) {
        match command {
            _ if !outcome.output.ok() => {}
            Command::Add => self.scene.learn(outcome.json.clone().unwrap_or_default()),
            Command::Del | Command::Gc => self.scene.forget(),
            _ => {}
        }
    }

    /// Runs a command with a fault, and tells what is wrong then.
    fn fail(&mut self, command: Command, point: &Point, number: usize) -> Result<(), String> {
        self.prepare(command);
        let mut hit = false;
        let output = trace(self.scene.command(command), |syscall| {
            let fault = point.fault(syscall);
            hit |= fault.is_some();
            fault
        });
        if output.timed_out {
            return Err(format!("it did not end: {output}"));
        }
        let is_killed = output
            .status
            .signal()
            .is_some_and(|signal| is_expected(point, signal));
        let is_success = output.ok();
        let outcome = Outcome::of(output);
        self.count(point, hit, is_success, is_killed);
        let told = self.is_well_told(command, point, &outcome, is_killed);
        let run = Run {
            cannot_undo: is_killed || matches!(point.what, What::Stays(_)),
            number,
            stays: None,
        };
        told.and(self.leaves(command, &outcome, run))
    }

    /// Runs a command in a place that is bad, and tells what is wrong when it is mended.
    fn fail_in(&mut self, command: Command, place: &Place) -> Result<(), String> {
        self.prepare(command);
        let outcome = place.run(self.scene.host, self.scene.command(command));
        let is_success = outcome.output.ok();
        let mut add = |what| *self.counts.entry(what).or_default() += 1;
        add("runs in bad places");
        add(answered_by(is_success));
        let told = match self.scene.subject.is_run_by_linkspan {
            _ if outcome.output.stderr.contains("panicked") => {
                Err(format!("it broke: {}", outcome.output))
            }
            _ if is_success => Ok(()),
            true => place.is_named(&outcome),
            false => is_error(&outcome).and_then(|()| place.is_named(&outcome)),
        };
        let run = Run {
            cannot_undo: false,
            number: 0,
            stays: place.stays(),
        };
        told.and(self.leaves(command, &outcome, run))
    }

    /// What there is behind a command, and behind the one that brings the host back.
    fn leaves(&mut self, command: Command, outcome: &Outcome, run: Run) -> Result<(), String> {
        self.learn(command, outcome);
        let true_ = self.is_true(command, outcome, run);
        let others = self.spares_others();
        let recovered = self.recovers(command, outcome.output.ok(), run);
        true_.and(others).and(recovered)
    }

    fn count(&mut self, point: &Point, hit: bool, is_success: bool, is_killed: bool) {
        let mut add = |what| *self.counts.entry(what).or_default() += 1;
        if !hit {
            return add("calls that were not made again");
        }
        add("runs");
        add(match point.what {
            What::Error(_) => "calls failed",
            What::Stays(_) => "calls failed from then on",
            What::Kill => "SIGKILLs",
            What::Terminate => "SIGTERMs",
            What::Shorten(_) => "calls cut short",
        });
        if !is_killed {
            add(answered_by(is_success));
        }
    }

    /// An answer has the form that the specification gives it.
    fn is_well_told(
        &self,
        command: Command,
        point: &Point,
        outcome: &Outcome,
        is_killed: bool,
    ) -> Result<(), String> {
        let output = &outcome.output;
        let is_broken = output
            .status
            .signal()
            .is_some_and(|signal| !is_expected(point, signal));
        // The standard library panics, too, where it finds no memory before `main`.
        let panicked = [&output.stderr, &output.stdout]
            .iter()
            .any(|text| text.contains("panicked"));
        if is_broken || (panicked && !is_killed) {
            return Err(format!("it broke: {output}"));
        }
        // Who could not write an answer has given none, nor has who could not be loaded: a build for development is linked to libraries.
        let is_not_loaded = output.status.code() == Some(127);
        let could_not =
            is_killed || is_not_loaded || (point.syscall == "write" && output.stdout.is_empty());
        if could_not || output.ok() || self.scene.subject.is_run_by_linkspan {
            let must_tell = output.ok() && matches!(command, Command::Add | Command::Version);
            return match &outcome.json {
                None if must_tell && !self.scene.subject.is_run_by_linkspan => {
                    Err(format!("a success without a result: {output}"))
                }
                _ if !output.ok() && !could_not && output.stderr.trim().is_empty() => {
                    Err(format!("an error without a word: {output}"))
                }
                _ => Ok(()),
            };
        }
        is_error(outcome)
    }

    /// The host is as the answer has it.
    fn is_true(&self, command: Command, outcome: &Outcome, run: Run) -> Result<(), String> {
        let is_success = outcome.output.ok();
        let told = if is_success {
            "a success was told"
        } else {
            "an error was told"
        };
        let (wanted, what) = match command {
            Command::Add if is_success => {
                let result = without_chance(outcome.json.clone().unwrap_or_default());
                if result != self.result {
                    return Err(format!("another result: {}", outcome.output));
                }
                (&self.attached, "what an ADD leaves")
            }
            Command::Add if run.cannot_undo => return Ok(()),
            Command::Add if self.scene.subject.is_run_by_linkspan => return Ok(()),
            Command::Add => (&self.detached, "what was before"),
            // Without its namespace the host is to be looked at when there is another.
            Command::Gc if self.life() != Life::Host => return Ok(()),
            Command::Del if self.life() == Life::Once => return Ok(()),
            Command::Del | Command::Gc if is_success => (&self.detached, "what was before"),
            Command::Del | Command::Gc => return Ok(()),
            _ if self.scene.is_attached() => (&self.attached, "what was before"),
            _ => (&self.detached, "what was before"),
        };
        let mut difference = self.scene.differs(wanted);
        if is_success && command == Command::Add && difference.lines().all(is_best_effort) {
            difference.clear();
        }
        let may_stay = |line: &str| run.stays.is_some_and(|stays| line.starts_with(stays));
        if matches!(command, Command::Del | Command::Gc) && difference.lines().all(may_stay) {
            difference.clear();
        }
        if difference.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{told}, and there is not {what}:\n{difference}{}",
            outcome.output
        ))
    }

    /// All that `by` has is there still.
    fn spares_others(&self) -> Result<(), String> {
        let now = self.scene.look();
        let lost: Vec<&str> = self
            .detached
            .iter()
            .filter(|line| self.scene.is_of_by(line) && !now.contains(*line))
            .map(String::as_str)
            .collect();
        if lost.is_empty() {
            Ok(())
        } else {
            Err(format!("another container has lost:\n{}", lost.join("\n")))
        }
    }

    /// DEL, and by turns GC without one, bring the host back to where it was.
    fn recovers(&mut self, command: Command, is_success: bool, run: Run) -> Result<(), String> {
        let life = self.life();
        let by = match command {
            Command::Add if run.number % 2 == 1 && life != Life::Device => Command::Gc,
            Command::Add | Command::Del => Command::Del,
            Command::Gc => Command::Gc,
            _ => return Ok(()),
        };
        let loses_namespace = by == Command::Gc && life != Life::Host;
        if loses_namespace && command != Command::Gc {
            self.scene.lose_namespace();
        }
        let is_over = is_success && command != Command::Add && run.stays.is_none();
        let outcome = (!is_over).then(|| self.scene.run(by));
        self.scene.forget();
        if loses_namespace || life == Life::Once {
            self.scene.renew();
        }
        if let Some(outcome) = outcome.filter(|outcome| !outcome.output.ok()) {
            return Err(format!("then {} failed: {}", by.verb(), outcome.output));
        }
        let difference = self.scene.differs(&self.detached);
        if difference.is_empty() {
            Ok(())
        } else {
            Err(format!("left after {}:\n{difference}", by.verb()))
        }
    }

    /// Goes on behind something that was wrong.
    fn restore(&mut self) {
        for command in [Command::Del, Command::Gc] {
            self.scene.run(command);
        }
        self.scene.forget();
        if self.life() != Life::Device {
            self.scene.renew();
        }
        if !self.scene.differs(&self.detached).is_empty() {
            self.findings
                .push("and neither DEL nor GC can mend it: the rest was not tried".to_owned());
            self.findings.resize(MAX_FINDINGS, String::new());
        }
    }

    fn told(&self, words: &str, wrong: &str) -> String {
        let lines: Vec<&str> = wrong.lines().take(MAX_LINES).collect();
        format!(
            "{FAULT}='{words}'  # {}\n  {}",
            self.scene.subject.name,
            lines.join("\n  ")
        )
    }

    /// Counts, and tells what was wrong.
    ///
    /// # Panics
    /// When something was not as it must be.
    pub(crate) fn tell(&self) {
        println!("{}: {:?}", self.scene.subject.name, self.counts);
        let mut tally = Tally::of("chaos");
        for (what, many) in &self.counts {
            tally.add(what, *many);
        }
        tally.add("leftovers", self.findings.len()).write();
        assert!(self.findings.is_empty(), "{}", self.findings.join("\n"));
        assert!(
            self.counts.contains_key("runs"),
            "{NOTHING_FAILED}: {FAULT} names no call of {}",
            self.scene.subject.name
        );
    }
}

fn answered_by(is_success: bool) -> &'static str {
    match is_success {
        true => "answered by a success",
        false => "answered by an error",
    }
}

/// Whether it is an error as the specification has it.
fn is_error(outcome: &Outcome) -> Result<(), String> {
    let json = outcome.json.clone().unwrap_or_default();
    let message = json["msg"].as_str().unwrap_or_default();
    if json["code"].as_u64().unwrap_or_default() == 0 || message.len() < 8 {
        let output = &outcome.output;
        return Err(format!("no error of the specification: {output}"));
    }
    Ok(())
}

/// How a command ran, as far as it matters to what it has left.
#[derive(Clone, Copy)]
struct Run {
    /// It was killed, or undoing needs the call that fails as well.
    cannot_undo: bool,
    /// Which fault of a command it is: what brings the host back goes by turns.
    number: usize,
    /// How lines about what a DEL or a GC may leave begin, until another one.
    stays: Option<&'static str>,
}

/// An answer without what chance gives.
fn without_chance(mut result: Value) -> Value {
    for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
        interface
            .as_object_mut()
            .map(|interface| interface.remove("mac"));
    }
    result
}

/// As many as are asked for, from the begin to the end; not the same part of each command.
fn spread(all: Vec<Point>, limit: usize) -> Vec<Point> {
    let step = all.len().div_ceil(limit).max(1);
    all.into_iter().skip(step / 2).step_by(step).collect()
}

/// Whether it is about parameters of IPv6, which plugins set where they can: addresses are usable a second later without `accept_dad`.
fn is_best_effort(line: &str) -> bool {
    line.contains(" parameters of ") && line.contains(" family 10 ")
}

/// Whether a program ends by this signal where this happens to it.
fn is_expected(point: &Point, signal: i32) -> bool {
    match (point.what, point.syscall) {
        (What::Kill, _) => signal == 9,
        (What::Terminate, _) => signal == 15,
        // Without memory Rust's programs abort, and the C library does not come to its begin.
        (What::Error("ENOMEM"), "mmap" | "brk" | "mremap" | "mprotect") => {
            signal == 6 || signal == 11
        }
        // A thread that cannot come back from a namespace does nothing more in the wrong one.
        (What::Error(_), "setns") => signal == 6,
        _ => false,
    }
}
