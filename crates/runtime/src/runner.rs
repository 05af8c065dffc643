//! Running one plugin, and telling who watches.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use linkspan_spans::{Kind, enter};
use linkspan_spec::{Command, DecodeError, PluginType};

use crate::execute::{Ended, Execute, Output, Request};
use crate::process::Begun;
use crate::step::{Cause, Finished, PluginError, Step};
use crate::{Cancel, Deadline, Error, Event, TraceContext, trace};

pub(crate) type Observer = dyn Fn(Event<'_>) + Send + Sync;

/// Where plugins are, how they are run, and whom to tell.
#[derive(Clone)]
pub(crate) struct Runner {
    /// Searched in order.
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) executor: Arc<dyn Execute>,
    pub(crate) observer: Option<Arc<Observer>>,
    pub(crate) cancel: Option<Cancel>,
    pub(crate) trace: Option<TraceContext>,
}

/// What a plugin printed, with the step for the error if it is not what was expected.
pub(crate) struct Answer {
    step: Step,
    output: Vec<u8>,
    stderr: String,
}

impl Answer {
    /// Decodes the answer.
    pub(crate) fn decode<T>(
        self,
        decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        decode(&self.output).map_err(|source| {
            Error::from(PluginError {
                cause: Cause::not_an_answer(&self.output, source),
                step: self.step,
                stderr: self.stderr,
                was_run: true,
            })
        })
    }
}

impl Runner {
    /// Tells who watches.
    pub(crate) fn tell(&self, event: Event<'_>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }

    /// Where a plugin is.
    pub(crate) fn find(&self, plugin: &PluginType) -> Result<PathBuf, Error> {
        self.executor.find(plugin, &self.directories)
    }

    /// Runs one plugin once and tells the observer.
    pub(crate) fn run(
        &self,
        step: Step,
        mut env: Vec<(&'static str, OsString)>,
        stdin: &[u8],
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let mut span =
            enter(|| format!("{} {}", step.command, step.plugin.as_str())).of_kind(Kind::Client);
        span.note("cni.plugin.type", || step.plugin.as_str().to_owned());
        env.extend(trace::variables(self.trace.as_ref()));
        let request = Request {
            plugin: &step.plugin,
            path: &step.path,
            command: step.command,
            env,
            stdin,
            deadline,
            cancel: self.cancel.as_ref(),
        };
        let begin = Instant::now();
        let (was_run, stderr, result) = self.execute(&request);
        if let Err(cause) = &result {
            span.fail(Some(cause.code().0), cause);
        }
        drop(span);
        self.tell(Event::Step(&Finished {
            step: &step,
            elapsed: begin.elapsed(),
            stderr: &stderr,
            result: result.as_ref().map(|_| ()),
        }));
        match result {
            Ok(output) => Ok(Answer {
                step,
                output,
                stderr,
            }),
            Err(cause) => Err(Error::from(PluginError {
                step,
                cause,
                stderr,
                was_run,
            })),
        }
    }

    /// Whether it was run at all, what it printed on standard error, and what came of it.
    fn execute(&self, request: &Request<'_>) -> (bool, String, Result<Vec<u8>, Cause>) {
        let (was_run, run) = if request.cancel.is_some_and(Cancel::take) {
            (false, Ok(Output::new(Ended::Cancelled)))
        } else if request.deadline.has_passed() {
            (false, Ok(Output::new(Ended::TimedOut)))
        } else {
            let run = self.executor.run(request);
            (true, run.map(|output| heard(request, output)))
        };
        match run {
            Ok(output) => (
                was_run,
                String::from_utf8_lossy(&output.stderr).into_owned(),
                Cause::of(output, request.deadline.allowed()),
            ),
            Err(source) => (
                Begun::is_behind(&source),
                String::new(),
                Err(Cause::NotRun {
                    path: request.path.to_owned(),
                    source,
                }),
            ),
        }
    }
}

/// What an executor that cannot end its plugin brought of an ADD after its future was dropped is for nobody: the ADD has ended as
/// one whose plugin was ended, so that it is detached, or is known as not complete.
fn heard(request: &Request<'_>, output: Output) -> Output {
    let is_unheard = request.cancel.is_some_and(Cancel::is_unheard);
    match (request.command, output.ended) {
        (Command::Add, Ended::Exited(status)) if status.success() && is_unheard => Output {
            ended: Ended::Cancelled,
            ..output
        },
        _ => output,
    }
}
