//! Comparing a plan with the kernel.

use linkspan_spans::enter;
use linkspan_spec::{Error, ErrorCode};

use crate::apply::STEPS;
use crate::namespaces::Namespaces;
use crate::plan::{Plan, Reasoned};

/// Compares every object that the plan wants with the kernel. What others share and may change (a
/// gateway's address, kernel parameters) is not looked at.
///
/// # Errors
/// All differences in one error, or that they cannot be found out.
pub fn check(plan: &Plan, namespaces: &Namespaces) -> Result<(), Error> {
    let mut differences = Vec::new();
    for Reasoned { step, .. } in &plan.steps {
        let mut span = enter(|| format!("compare {}", step.kind()));
        span.note(STEPS, || vec![step.to_string()]);
        let compared = step.object().differences(namespaces);
        differences
            .extend(compared.inspect_err(|error| span.fail(Some(error.code.0), &error.msg))?);
    }
    let [first, rest @ ..] = differences.as_slice() else {
        return Ok(());
    };
    let others: Vec<_> = rest
        .iter()
        .map(|difference| format!("{difference}; "))
        .collect();
    Err(
        Error::new(ErrorCode::INTERNAL, first.to_string()).with_details(format!(
            "{}something changed the attachment after ADD; DEL and ADD make it anew",
            others.concat()
        )),
    )
}
