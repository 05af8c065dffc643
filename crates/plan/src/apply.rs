//! Making a plan so.
//!
//! Steps are taken in order. Those that stand for themselves (settings, addresses, routes) and follow
//! each other in the same namespace travel in one send.

use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::namespaces::Namespaces;
use crate::plan::Plan;
use crate::send::send;
use crate::step::{Step, Way};
use crate::sysctls;

/// Makes the plan so; registers with `undo` how each step is undone.
///
/// # Errors
/// The first step that failed. What was done before stands until `undo` is dropped.
pub fn apply<'a>(
    plan: &Plan,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let mut ways = plan.steps.iter().map(Step::way).peekable();
    while let Some(way) = ways.next() {
        match way {
            Way::Made(object) => object.make(namespaces, undo)?,
            Way::Sent(first) => {
                let batch = first.batch();
                let mut together = vec![first];
                while let Some(Way::Sent(next)) =
                    ways.next_if(|way| matches!(way, Way::Sent(next) if next.batch() == batch))
                {
                    together.push(next);
                }
                send(&together, batch, namespaces, undo)?;
            }
            Way::Written(first) => {
                let place = first.place;
                let mut together = vec![first];
                while let Some(Way::Written(next)) =
                    ways.next_if(|way| matches!(way, Way::Written(next) if next.place == place))
                {
                    together.push(next);
                }
                sysctls::write(&together, place, namespaces, undo)?;
            }
        }
    }
    Ok(())
}
