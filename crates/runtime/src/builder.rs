//! What a runtime is made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::lock::Locks;
use crate::runner::Runner;
use crate::{Cancel, DEFAULT_CACHE_DIR, DEFAULT_TIMEOUT, Event, Execute, Process, Runtime};

/// Configures a [`Runtime`].
pub struct Builder {
    runner: Runner,
    cache_dir: PathBuf,
    timeout: Duration,
    detach_timeout: Option<Duration>,
    detach_failed: bool,
    detach_cancelled: bool,
    finish_detach: bool,
    refuse_unused_capabilities: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            runner: Runner {
                directories: Vec::new(),
                executor: Arc::new(Process),
                observer: None,
                cancel: None,
                trace: None,
            },
            cache_dir: DEFAULT_CACHE_DIR.into(),
            timeout: DEFAULT_TIMEOUT,
            detach_timeout: None,
            detach_failed: false,
            detach_cancelled: false,
            finish_detach: false,
            refuse_unused_capabilities: false,
        }
    }
}

impl Builder {
    /// Adds a directory that plugins are searched in, after those added before.
    #[must_use]
    pub fn plugin_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.runner.directories.push(directory.into());
        self
    }

    /// Adds directories that plugins are searched in, in order.
    #[must_use]
    pub fn plugin_dirs(mut self, directories: impl IntoIterator<Item = PathBuf>) -> Self {
        self.runner.directories.extend(directories);
        self
    }

    /// Where results are kept, below the directory `results`, and what was begun, below `pending`. Default:
    /// [`DEFAULT_CACHE_DIR`].
    #[must_use]
    pub fn cache_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.cache_dir = directory.as_ref().to_owned();
        self
    }

    /// How plugins are run. Default: as processes, [`Process`].
    #[must_use]
    pub fn executor(mut self, executor: impl Execute + 'static) -> Self {
        self.runner.executor = Arc::new(executor);
        self
    }

    /// Whom to tell of what happens, such as each plugin that was run, for logs and timings. Who is told must be quick: the
    /// operation waits.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        self.runner.observer = Some(Arc::new(observer));
        self
    }

    /// How long an operation on one attachment, its whole chain of plugins, may take.
    /// [`Duration::MAX`]: as long as it likes. Default: [`DEFAULT_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What gives the operations of the runtime up: the plugin that runs is told to end, as at a deadline, and no other is run.
    /// For single operations there is [`Runtime::with_cancel`].
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.runner.cancel = Some(cancel);
        self
    }

    /// Whether an attachment whose ADD fails, or is given up, is detached at once, by DEL of the whole chain with a
    /// time of its own; not one that may have been there before, see [`Runtime::add`]. Default: no, the caller does that.
    #[must_use]
    pub fn detach_failed(mut self, yes: bool) -> Self {
        self.detach_failed = yes;
        self
    }

    /// The same for an ADD that is given up ([`Cancel`]) and none that fails otherwise. Default: no.
    #[must_use]
    pub fn detach_cancelled(mut self, yes: bool) -> Self {
        self.detach_cancelled = yes;
        self
    }

    /// How long the DEL may take that follows a failed ADD. Default: as long as an operation, [`timeout`](Self::timeout).
    #[must_use]
    pub fn detach_timeout(mut self, timeout: Duration) -> Self {
        self.detach_timeout = Some(timeout);
        self
    }

    /// Whether DEL goes on to the other plugins when one fails, and tells all failures at the end.
    /// Default: no.
    #[must_use]
    pub fn finish_detach(mut self, yes: bool) -> Self {
        self.finish_detach = yes;
        self
    }

    /// Whether ADD refuses arguments for capabilities that no plugin of the network declares, such as ports that nobody would
    /// publish. Default: no, as with the reference's runtime, since runtimes of Kubernetes hand the same to every network;
    /// [`Runtime::unused_capabilities`] tells them.
    #[must_use]
    pub fn refuse_unused_capabilities(mut self, yes: bool) -> Self {
        self.refuse_unused_capabilities = yes;
        self
    }

    /// The runtime.
    pub fn build(self) -> Runtime {
        Runtime {
            runner: self.runner,
            cache: Cache::new(&self.cache_dir),
            locks: Locks::new(&self.cache_dir),
            timeout: self.timeout,
            detach_timeout: self.detach_timeout,
            detach_failed: self.detach_failed,
            detach_cancelled: self.detach_cancelled,
            finish_detach: self.finish_detach,
            refuse_unused_capabilities: self.refuse_unused_capabilities,
        }
    }
}
