//! The undo log that makes ADD a transaction.

use linkspan_spec::Error;

/// What to do when an ADD fails half-way: each step, once done, registers how it is undone.
///
/// Dropped without [`commit`](Self::commit), it undoes everything in reverse order. A step that cannot
/// be undone is reported on standard error and does not keep the others from being undone; what
/// remains then is found by DEL and GC.
///
/// ```
/// use std::cell::RefCell;
/// let log = RefCell::new(Vec::new());
/// {
///     let mut undo = linkspan_plugin::Undo::new();
///     undo.on_failure("first", || Ok(log.borrow_mut().push("first undone")));
///     undo.on_failure("second", || Ok(log.borrow_mut().push("second undone")));
/// }
/// assert_eq!(*log.borrow(), ["second undone", "first undone"]);
/// ```
#[derive(Default)]
#[must_use = "dropped at once, it undoes nothing that comes after"]
pub struct Undo<'a> {
    steps: Vec<Step<'a>>,
}

type Action<'a> = Box<dyn FnOnce() -> Result<(), Error> + 'a>;

struct Step<'a> {
    name: String,
    action: Action<'a>,
}

impl<'a> Undo<'a> {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers how the step `name`, just done, is undone.
    pub fn on_failure(
        &mut self,
        name: impl Into<String>,
        action: impl FnOnce() -> Result<(), Error> + 'a,
    ) {
        self.steps.push(Step {
            name: name.into(),
            action: Box::new(action),
        });
    }

    /// Everything succeeded: nothing will be undone.
    pub fn commit(mut self) {
        self.steps.clear();
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        while let Some(step) = self.steps.pop() {
            let mut span = linkspan_spans::enter(|| "undo");
            span.note("linkspan.undone", || step.name.clone());
            if let Err(error) = (step.action)() {
                span.fail(Some(error.code.0), &error.msg);
                crate::warn(&format!("could not undo {}: {error}", step.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_committed_log_undoes_nothing() {
        let undone = Cell::new(0);
        let mut undo = Undo::new();
        undo.on_failure("step", || {
            undone.set(undone.get() + 1);
            Ok(())
        });
        undo.commit();
        assert_eq!(undone.get(), 0);
    }

    #[test]
    fn a_step_that_cannot_be_undone_does_not_stop_the_others() {
        let undone = Cell::new(0);
        {
            let mut undo = Undo::new();
            undo.on_failure("first", || {
                undone.set(undone.get() + 1);
                Ok(())
            });
            undo.on_failure("second", || {
                Err(Error::new(linkspan_spec::ErrorCode::INTERNAL, "no"))
            });
        }
        assert_eq!(undone.get(), 1);
    }
}
