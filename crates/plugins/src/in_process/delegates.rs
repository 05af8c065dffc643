//! The plugins that one which runs here delegates to.

use std::io;
use std::path::PathBuf;
use std::process;
use std::sync::{Mutex, PoisonError};

use linkspan_plugin::spec::{Error, PluginType};
use linkspan_plugin::{Delegate, Delegates, find_in_path};
use linkspan_runtime::{Ended, Request};

use super::{Choice, InProcess};

/// They are chosen as the plugin itself was, and those of others have its deadline.
pub(super) struct Others<'a> {
    executor: &'a InProcess,
    request: &'a Request<'a>,
    /// How one of them was ended, which goes for all.
    ended: Mutex<Option<Ended>>,
}

impl<'a> Others<'a> {
    pub(super) fn new(executor: &'a InProcess, request: &'a Request<'a>) -> Self {
        Self {
            executor,
            request,
            ended: Mutex::default(),
        }
    }

    /// Why the whole run has to be taken for ended; nothing where it ended by itself.
    pub(super) fn ended(&self) -> Option<Ended> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ended: Ended) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }
}

impl Delegates for Others<'_> {
    fn find(&self, plugin: &PluginType, path: &[PathBuf]) -> Result<Option<PathBuf>, Error> {
        let executor = self.executor;
        if matches!(executor.choice, Choice::ByName) && executor.named(plugin).is_some() {
            return Ok(None);
        }
        let file = find_in_path(plugin, path)?;
        let is_own = executor.own(plugin, &file).is_some();
        Ok((!is_own).then_some(file))
    }

    fn run(&self, delegate: &Delegate<'_>) -> io::Result<process::Output> {
        let (deadline, cancel) = (self.request.deadline, self.request.cancel);
        let ended = match self.ended() {
            None if deadline.has_passed() => Some(Ended::TimedOut),
            ended => ended,
        };
        if let Some(ended) = ended {
            return Err(self.not_to_the_end(ended));
        }
        let mut request = Request::new(delegate.plugin, delegate.file, delegate.command);
        request.env = delegate.env.clone();
        request.stdin = delegate.stdin;
        (request.deadline, request.cancel) = (deadline, cancel);
        let output = self.executor.otherwise.run(&request)?;
        match output.ended {
            Ended::Exited(status) => Ok(process::Output {
                status,
                stdout: output.stdout,
                stderr: output.stderr,
            }),
            ended => Err(self.not_to_the_end(ended)),
        }
    }
}

impl Others<'_> {
    fn not_to_the_end(&self, ended: Ended) -> io::Error {
        match ended {
            Ended::TimedOut | Ended::Cancelled => self.end(ended),
            // That goes for none but itself.
            _ => {}
        }
        io::Error::other(match ended {
            Ended::TimedOut => "it did not end in time",
            Ended::Cancelled => "the operation was given up",
            _ => "it printed too much on standard output",
        })
    }
}
