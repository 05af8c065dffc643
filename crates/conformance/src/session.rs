//! All checks of a plugin, one after another, each in a place of its own.

use std::thread;
use std::time::{Duration, Instant};

use linkspan_kernel::Error;
use linkspan_kernel::sandbox::Sandbox;
use linkspan_spec::Version;

use crate::bench::{Bench, claimed, versions};
use crate::check::{Check, Outcome, Verdict};
use crate::checks::checks;
use crate::exceptions::Exceptions;
use crate::report::{Judged, Report};
use crate::subject::Subject;

/// Who is told while it goes on.
pub trait Observer {
    /// A check begins.
    fn begins(&mut self, check: &'static Check);
    /// Something came of it. Whether to go on.
    fn ends(&mut self, judged: &Judged) -> bool;
}

/// Takes the process away from the machine: what is done from now on, the machine does not see.
///
/// To be called before the process has a second thread. Each check then has namespaces of its own within.
///
/// # Errors
/// `EPERM`, `EACCES` and `ENOSPC`: this machine lets its user make no namespaces.
pub fn leave_machine() -> Result<(), Error> {
    Sandbox::enter().map(drop)
}

/// Judges a plugin, by all checks or those of these names.
///
/// # Errors
/// When a place to judge in cannot be made. What a plugin does otherwise is no error, but in the report.
pub fn judge(
    subject: &Subject,
    only: &[String],
    exceptions: &Exceptions,
    observer: &mut dyn Observer,
) -> Result<Report, Error> {
    let claimed = apart(|| {
        let bench = Bench::enter(subject, &[])?;
        // What is wrong with the answer is told by the check "version".
        Ok(claimed(&bench).unwrap_or_default())
    })?;
    let known = versions(&claimed);
    let mut report = Report {
        plugin: subject.name.clone(),
        kind: subject.kind,
        versions: claimed,
        judged: Vec::new(),
        needless: Vec::new(),
    };
    let is_wanted =
        |check: &&Check| only.is_empty() || only.iter().any(|wanted| wanted == check.id);
    let of_kind = |check: &&Check| check.of.contains(&subject.kind);
    for check in checks().filter(of_kind).filter(is_wanted) {
        observer.begins(check);
        let (verdict, elapsed) = made(check, subject, &known)?;
        let outcome = excepted(Outcome::of(verdict, check.level), check, exceptions);
        let judged = Judged {
            check,
            outcome,
            elapsed,
        };
        let goes_on = observer.ends(&judged);
        report.judged.push(judged);
        if !goes_on {
            break;
        }
    }
    report.needless = needless(&report, exceptions);
    Ok(report)
}

/// Makes a check in namespaces of its own, and says how long it took.
fn made(
    check: &'static Check,
    subject: &Subject,
    known: &[Version],
) -> Result<(Verdict, Duration), Error> {
    apart(|| {
        let bench = Bench::enter(subject, known)?;
        let begun = Instant::now();
        let verdict = (check.run)(&bench);
        Ok((verdict, begun.elapsed()))
    })
}

/// Does work on a thread of its own, which ends with the namespaces that it has entered.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let failed = |error| Error::new("start", "a thread for a check", error);
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .spawn_scoped(scope, work)
            .map_err(failed)?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn excepted(outcome: Outcome, check: &Check, exceptions: &Exceptions) -> Outcome {
    match (outcome, exceptions.reason(check.id)) {
        (Outcome::Failed(fault) | Outcome::Warned(fault), Some(reason)) => {
            Outcome::Excepted(fault, reason.to_owned())
        }
        (outcome, _) => outcome,
    }
}

/// Exceptions for checks that were made, and that it passes or which say nothing of it.
fn needless(report: &Report, exceptions: &Exceptions) -> Vec<String> {
    let is_needless = |id: &&str| {
        let judged = report.judged.iter().find(|judged| judged.check.id == *id);
        judged.is_some_and(|judged| !matches!(judged.outcome, Outcome::Excepted(..)))
    };
    let needless = exceptions.ids().filter(is_needless);
    needless.map(str::to_owned).collect()
}
