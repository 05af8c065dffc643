//! The runtime: attaches containers to networks, and detaches them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use linkspan_spans::during;
use linkspan_spec::{Command, NetworkList, NetworkName, PluginConfig, Success};

use crate::cache::Cache;
use crate::chain::{Chain, derived, result_to_json, with_result};
use crate::lock::{Locks, Patience, Turn};
use crate::runner::Runner;
use crate::trace::operation;
use crate::{
    CachedAttachment, CachedFile, Cancel, DEFAULT_CACHE_DIR, Deadline, Endpoint, Error, Execute,
    Finished, Process, TraceContext, Undone,
};

/// How long an operation may take when nothing else is said: two minutes, as long as the kubelet
/// waits for a container runtime.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// Attaches containers to networks, and detaches them.
///
/// Every operation blocks until it is done or its time has passed. A runtime holds no state but
/// where things are: what an attachment needs later is on disk, as the reference's runtime keeps
/// it. It can be shared between threads and cloned at will.
///
/// # Examples
/// ```no_run
/// use linkspan_runtime::{Endpoint, Runtime, load_network};
///
/// let network = load_network("/etc/cni/net.d".as_ref(), "mynet")?;
/// let runtime = Runtime::builder().plugin_dir("/opt/cni/bin").build();
/// let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?).with_netns("/run/netns/c1");
/// let result = runtime.add(&network, &endpoint)?;
/// println!("{:?}", result.ips);
/// runtime.del(&network, &endpoint)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Runtime {
    pub(crate) runner: Runner,
    pub(crate) cache: Cache,
    pub(crate) locks: Locks,
    pub(crate) timeout: Duration,
    pub(crate) detach_failed: bool,
    pub(crate) finish_detach: bool,
    pub(crate) refuse_unused_capabilities: bool,
}

/// A failed ADD.
struct Failed {
    error: Error,
    /// Whether something of it may be there.
    has_begun: bool,
}

/// How an operation that may have nothing to do went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The network's configuration says that it must not be done (`disableCheck`, `disableGC`).
    Disabled,
    /// The network's version does not have the operation.
    NotInVersion,
}

impl Runtime {
    /// A runtime to be configured.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The same runtime with another time for each operation.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            timeout,
            ..self.clone()
        }
    }

    /// The same runtime for operations that are part of a trace: each plugin is told of it by `TRACEPARENT`, `TRACESTATE` and
    /// `BAGGAGE`, as libcni tells them what its caller's context says. Without, plugins find in these variables what this
    /// process found there.
    ///
    /// Where spans are collected on the calling thread, `TRACEPARENT` is that of the plugin's own span instead, so that what the
    /// plugins of a chain do is told apart.
    #[must_use]
    pub fn with_trace(&self, trace: TraceContext) -> Self {
        let mut runtime = self.clone();
        runtime.runner.trace = Some(trace);
        runtime
    }

    /// The directories that plugins are searched in, in order.
    pub fn plugin_dirs(&self) -> &[PathBuf] {
        &self.runner.directories
    }

    /// Attaches a container: runs ADD of the network's plugins in order, each with the result of
    /// the one before, and keeps the last result for CHECK, DEL and GC.
    ///
    /// When a plugin fails, those before it have done their work and stay as they are, as with the
    /// reference's runtime: the caller must call [`del`](Self::del). With
    /// [`Builder::detach_failed`] that is done here, and the error is [`Error::Undone`]. It is not done when nothing was begun,
    /// or the attachment may be another's:
    ///
    /// - when what failed was to attach once more what is attached already: that goes on working;
    /// - when the first plugin was not run, or says itself why it failed. One that refuses an interface which exists
    ///   must not have it removed: another runtime may have made it, with a cache of its own.
    ///
    /// # Errors
    /// The first failure of a plugin; or that the result could not be kept, though the container is
    /// attached; or, before a plugin is run, that the result would take the place of another attachment's.
    ///
    /// # Spec
    /// Section 3, "Attaching a container to a network".
    pub fn add(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<Success, Error> {
        operation(Command::Add, &network.name, endpoint, || {
            self.add_in_turn(network, endpoint)
        })
    }

    fn add_in_turn(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<Success, Error> {
        self.check_arguments(network, endpoint)?;
        let deadline = Deadline::after(self.timeout);
        let _turn = self.turn(Command::Add, &network.name, endpoint, deadline)?;
        self.cache.refuse_other(&network.name, endpoint)?;
        // One that cannot be read is one.
        let attached = || !matches!(self.cache.load(&network.name, endpoint), Ok(None));
        let may_detach = self.detach_failed || self.runner.cancel.is_some();
        let may_detach = may_detach && !attached();
        self.attach(network, endpoint, deadline).map_err(|failed| {
            let wanted = self.detach_failed || failed.error.is_cancelled();
            match may_detach && wanted && failed.has_begun {
                true => self.undo(failed.error, network, endpoint),
                false => failed.error,
            }
        })
    }

    /// Detaches what ADD has begun. DEL has a time of its own.
    fn undo(&self, add: Error, network: &NetworkList, endpoint: &Endpoint) -> Error {
        let cleaner = Self {
            finish_detach: true,
            ..self.clone()
        };
        let del = operation(Command::Del, &network.name, endpoint, || {
            cleaner.detach(network, endpoint, Deadline::after(self.timeout))
        });
        Error::Undone(Box::new(Undone { add, del }))
    }

    fn attach(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Success, Failed> {
        let chain = self.chain(network, Command::Add, Some(endpoint), deadline);
        let mut result = None;
        for index in 0..network.plugins.len() {
            let added = chain.run_add(index, result.as_ref());
            result = Some(added.map_err(|error| Failed {
                has_begun: index > 0 || error.may_leave_something(),
                error,
            })?);
        }
        let result = result.unwrap_or_default();
        let kept = chain.to_json(&result).and_then(|json| {
            during(
                || "keep the result",
                || self.cache.store(network, endpoint, &json),
            )
        });
        match kept {
            Ok(()) => Ok(result),
            Err(error) => Err(Failed {
                has_begun: true,
                error,
            }),
        }
    }

    /// Checks an attachment: runs CHECK of the network's plugins in order, each with the kept
    /// result of ADD.
    ///
    /// # Errors
    /// The first failure of a plugin: what is not as ADD has left it; or that the network's version
    /// has no CHECK, or that the kept result cannot be used.
    ///
    /// # Spec
    /// Section 3, "Checking a container's attachment".
    pub fn check(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<Outcome, Error> {
        if network.cni_version < Command::Check.since() {
            return Err(Error::CheckNotSupported {
                network: network.name.clone(),
                version: network.cni_version,
            });
        }
        if network.disable_check {
            return Ok(Outcome::Disabled);
        }
        operation(Command::Check, &network.name, endpoint, || {
            let deadline = Deadline::after(self.timeout);
            let _turn = self.turn(Command::Check, &network.name, endpoint, deadline)?;
            let chain = self.chain(network, Command::Check, Some(endpoint), deadline);
            let kept = self.cache.result(&network.name, endpoint)?;
            let kept = kept.map(|result| chain.to_json(&result)).transpose()?;
            for index in 0..network.plugins.len() {
                chain.run(index, |config| with_result(config, kept.clone()))?;
            }
            Ok(Outcome::Done)
        })
    }

    /// Detaches a container: runs DEL of the network's plugins in reverse order, from version 0.4.0
    /// on each with the kept result of ADD, and forgets that.
    ///
    /// A kept result that cannot be used is as good as none: what it would have told, the plugins
    /// find out (cni#1055). An attachment that is not there, or no more, is no failure.
    ///
    /// # Errors
    /// The first failure of a plugin; those before it in the chain are then not run and the result
    /// is kept, as with the reference's runtime. With [`Builder::finish_detach`] all are run and all
    /// failures told.
    ///
    /// # Spec
    /// Section 3, "Deleting a container from a network".
    pub fn del(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<(), Error> {
        operation(Command::Del, &network.name, endpoint, || {
            let deadline = Deadline::after(self.timeout);
            let _turn = self.turn(Command::Del, &network.name, endpoint, deadline)?;
            self.detach(network, endpoint, deadline)
        })
    }

    /// [`del`](Self::del) with what `choose` makes of what ADD has kept: the configuration, and the same attachment's endpoint
    /// with its arguments. It is asked once no other operation is at the attachment; what [`cached`](Self::cached) has said
    /// before may be of an attachment that has been made, or removed, since.
    ///
    /// # Errors
    /// As [`del`](Self::del), and those of `choose`.
    pub fn del_with(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
        choose: impl FnOnce(
            Result<Option<CachedAttachment>, Error>,
        ) -> Result<(NetworkList, Endpoint), Error>,
    ) -> Result<(), Error> {
        operation(Command::Del, network, endpoint, || {
            let deadline = Deadline::after(self.timeout);
            let _turn = self.turn(Command::Del, network, endpoint, deadline)?;
            let (network, endpoint) = choose(self.cached(network, endpoint))?;
            self.detach(&network, &endpoint, deadline)
        })
    }

    /// DEL by who has the turn.
    pub(crate) fn detach(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let chain = self.chain(network, Command::Del, Some(endpoint), deadline);
        let kept = if network.cni_version >= Command::Check.since() {
            let kept = self.cache.result_if_readable(&network.name, endpoint)?;
            kept.and_then(|result| chain.to_json(&result).ok())
        } else {
            None
        };
        let mut errors = Vec::new();
        for index in (0..network.plugins.len()).rev() {
            let run = chain.run(index, |config| with_result(config, kept.clone()));
            if let Err(error) = run {
                let go_on = self.finish_detach && !error.is_cancelled();
                errors.push(error);
                if !go_on {
                    break;
                }
            }
        }
        Error::collect(errors)?;
        self.cache.remove(&network.name, endpoint)
    }

    /// The attachment that ADD has kept: with its arguments and the configuration of then, so that
    /// DEL can be called with just those.
    ///
    /// # Errors
    /// When what is kept cannot be read.
    pub fn cached(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<Option<CachedAttachment>, Error> {
        self.cache.load(network, endpoint)
    }

    /// The file in which ADD keeps an attachment.
    pub fn cached_path(&self, network: &NetworkName, endpoint: &Endpoint) -> PathBuf {
        self.cache.path_of(network, &endpoint.attachment())
    }

    /// Every attachment of a network that ADD has kept and DEL has not removed: what GC must know
    /// of all of them.
    ///
    /// # Errors
    /// When the cache's directory or a file that could be of the network cannot be read.
    pub fn attachments(&self, network: &NetworkName) -> Result<Vec<CachedAttachment>, Error> {
        let files = self.cache.files()?.into_iter();
        let (mut attachments, mut unread) = (Vec::new(), Vec::new());
        for file in files.filter(|file| file.may_be_of(network)) {
            match file.attachment {
                Ok(attachment) => attachments.push(attachment),
                Err(error) => unread.push((file.path, error)),
            }
        }
        Error::unknown_attachments(network, unread)?;
        Ok(attachments)
    }

    /// Every file of the cache, of all networks: with the attachment, or why it cannot be read.
    ///
    /// # Errors
    /// When the cache's directory cannot be read.
    pub fn cached_files(&self) -> Result<Vec<CachedFile>, Error> {
        self.cache.files()
    }

    /// The result as JSON in the network's version, as plugins and the kept result have it.
    ///
    /// # Errors
    /// When no version can express it.
    pub fn result_json(
        network: &NetworkList,
        result: &Success,
    ) -> Result<linkspan_spec::Value, Error> {
        result_to_json(network, result)
    }

    /// The configuration that ADD hands to the plugin at `index`, with the result of the plugin before it, if there is one.
    ///
    /// # Errors
    /// When its capabilities are none, or no version can express the result.
    pub fn plugin_config(
        network: &NetworkList,
        index: usize,
        endpoint: &Endpoint,
        previous: Option<&Success>,
    ) -> Result<PluginConfig, Error> {
        let previous = previous.map(|result| result_to_json(network, result));
        let config = derived(network, index, Some(endpoint))?;
        Ok(with_result(config, previous.transpose()?))
    }

    pub(crate) fn chain<'a>(
        &'a self,
        network: &'a NetworkList,
        command: Command,
        endpoint: Option<&'a Endpoint>,
        deadline: Deadline,
    ) -> Chain<'a> {
        Chain {
            runner: &self.runner,
            network,
            command,
            endpoint,
            deadline,
        }
    }

    /// Waits until no other operation is at the attachment, nor GC at its network.
    fn turn(
        &self,
        command: Command,
        network: &NetworkName,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Turn, Error> {
        let patience = self.patience(deadline);
        self.locks.attachment(command, network, endpoint, patience)
    }

    pub(crate) fn patience(&self, deadline: Deadline) -> Patience<'_> {
        Patience {
            deadline,
            cancel: self.runner.cancel.as_ref(),
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("plugin_dirs", &self.runner.directories)
            .field("cache", &self.cache)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Configures a [`Runtime`].
pub struct Builder {
    runner: Runner,
    cache_dir: PathBuf,
    timeout: Duration,
    detach_failed: bool,
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
            detach_failed: false,
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

    /// Where results are kept, below the directory `results`. Default: [`DEFAULT_CACHE_DIR`].
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

    /// Whom to tell of every plugin that was run, for logs and timings.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Finished<'_>) + Send + Sync + 'static) -> Self {
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

    /// What gives an operation up: its plugin is told to end, as at a deadline, and no other is run. An
    /// ADD that is given up is detached as with [`detach_failed`](Self::detach_failed).
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.runner.cancel = Some(cancel);
        self
    }

    /// Whether an attachment whose ADD fails is detached at once, by DEL of the whole chain with a
    /// time of its own; not one that may have been there before, see [`Runtime::add`]. Default: no, the caller does that.
    #[must_use]
    pub fn detach_failed(mut self, yes: bool) -> Self {
        self.detach_failed = yes;
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
            detach_failed: self.detach_failed,
            finish_detach: self.finish_detach,
            refuse_unused_capabilities: self.refuse_unused_capabilities,
        }
    }
}
