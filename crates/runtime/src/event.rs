//! What whoever watches a runtime is told.

use std::time::{Duration, Instant};

use linkspan_spec::{Attachment, Command, NetworkName};

use crate::runner::Runner;
use crate::{Endpoint, Error, Finished, Step};

/// What happened in a runtime, told to its [observer](crate::Builder::observer): for logs, metrics and spans. What a program does
/// not care for it passes over; more kinds may come.
///
/// # Examples
/// ```
/// use linkspan_runtime::{Event, Runtime};
///
/// let runtime = Runtime::builder().observer(|event| match event {
///     Event::Step(step) => println!("{}: {:?}", step.step.plugin, step.elapsed),
///     Event::Ended { operation, elapsed, .. } => println!("{}: {elapsed:?}", operation.command),
///     _ => {}
/// });
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A plugin was run.
    Step(&'a Finished<'a>),
    /// A plugin was to be run and is not there. Its step has no path.
    Missing {
        /// The step.
        step: &'a Step,
        /// Where it was searched, and what is there.
        error: &'a Error,
    },
    /// An operation's turn has come: no other is at its container or its attachment, nor GC at its network.
    Turn {
        /// The operation.
        operation: &'a Operation<'a>,
        /// How long it has waited.
        waited: Duration,
    },
    /// Arguments of ADD reach no plugin, since none declares the capability.
    Unused {
        /// The operation.
        operation: &'a Operation<'a>,
        /// The capabilities, by name.
        capabilities: &'a [String],
    },
    /// An operation is over: ADD, CHECK or DEL of an attachment, GC or STATUS of a network.
    Ended {
        /// The operation.
        operation: &'a Operation<'a>,
        /// How long it took, with the wait for its turn.
        elapsed: Duration,
        /// Whether it succeeded, and why not.
        result: Result<(), &'a Error>,
    },
}

/// An operation on a network, or on an attachment to it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Operation<'a> {
    /// Which it is.
    pub command: Command,
    /// The network.
    pub network: &'a NetworkName,
    /// The attachment; none of GC and STATUS.
    pub attachment: Option<Attachment>,
}

impl<'a> Operation<'a> {
    pub(crate) fn new(
        command: Command,
        network: &'a NetworkName,
        endpoint: Option<&Endpoint>,
    ) -> Self {
        Self {
            command,
            network,
            attachment: endpoint.map(Endpoint::attachment),
        }
    }

    /// Does the work of the operation, and tells how it ended.
    pub(crate) fn told<T>(
        &self,
        runner: &Runner,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let begin = Instant::now();
        let done = work();
        runner.tell(Event::Ended {
            operation: self,
            elapsed: begin.elapsed(),
            result: done.as_ref().map(|_| ()),
        });
        done
    }
}
