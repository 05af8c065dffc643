//! Making a plan so.
//!
//! Steps are taken in order. Those that stand for themselves (settings, addresses, routes) and follow
//! each other in the same namespace travel in one send.

use linkspan_plugin::Undo;
use linkspan_spans::{Entered, enter};
use linkspan_spec::Error;

use crate::namespaces::Namespaces;
use crate::plan::{Plan, Reasoned};
use crate::send::{Sent, send};
use crate::step::Way;
use crate::sysctls::{self, Sysctl};

/// The attribute of a span that says what its steps are, in words.
pub(crate) const STEPS: &str = "linkspan.steps";

/// Makes the plan so; registers with `undo` how each step is undone.
///
/// # Errors
/// The first step that failed. What was done before stands until `undo` is dropped.
pub fn apply<'a>(
    plan: &Plan,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    for steps in plan.steps.chunk_by(are_taken_at_once) {
        let mut span = entered(steps);
        take(steps, namespaces, undo)
            .inspect_err(|error| span.fail(Some(error.code.0), &error.msg))?;
    }
    Ok(())
}

/// Whether a step is taken with the one before it.
fn are_taken_at_once(before: &Reasoned, step: &Reasoned) -> bool {
    match (before.step.way(), step.step.way()) {
        (Way::Sent(before), Way::Sent(step)) => before.batch() == step.batch(),
        (Way::Written(before), Way::Written(step)) => before.place == step.place,
        _ => false,
    }
}

/// Takes steps that are taken at once.
fn take<'a>(
    steps: &[Reasoned],
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let (mut sent, mut written) = (Vec::<&dyn Sent>::new(), Vec::<&Sysctl>::new());
    for step in steps {
        match step.step.way() {
            Way::Made(object) => object.make(namespaces, undo)?,
            Way::Sent(object) => sent.push(object),
            Way::Written(parameter) => written.push(parameter),
        }
    }
    if let Some(first) = sent.first() {
        send(&sent, first.batch(), namespaces, undo)?;
    }
    if let Some(first) = written.first() {
        sysctls::write(&written, first.place, namespaces, undo)?;
    }
    Ok(())
}

/// The span of steps: called after their kinds, of which there are few.
fn entered(steps: &[Reasoned]) -> Entered {
    let mut span = enter(|| {
        let mut kinds: Vec<&str> = steps.iter().map(|one| one.step.kind()).collect();
        kinds.dedup();
        kinds.join(", ")
    });
    span.note(STEPS, || {
        steps
            .iter()
            .map(|one| one.step.to_string())
            .collect::<Vec<_>>()
    });
    span
}
