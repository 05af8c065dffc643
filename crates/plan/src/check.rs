//! Comparing a plan with the kernel.

use linkspan_spec::{Error, ErrorCode};

use crate::namespaces::Namespaces;
use crate::plan::Plan;

/// Compares every object that the plan wants with the kernel. What others share and may change (a
/// gateway's address, kernel parameters) is not looked at.
///
/// # Errors
/// All differences in one error, or that they cannot be found out.
pub fn check(plan: &Plan, namespaces: &Namespaces) -> Result<(), Error> {
    let mut differences = Vec::new();
    for step in &plan.steps {
        differences.extend(step.object().differences(namespaces)?);
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
