//! The runtime: attaches containers to networks, and detaches them.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use linkspan_spec::{Command, NetworkList, NetworkName, PluginConfig, Success};

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::chain::{Chain, derived, result_to_json, with_result};
use crate::lock::{Locks, Patience};
use crate::runner::Runner;
use crate::trace::operation;
use crate::{
    Builder, CachedAttachment, CachedFile, Cancel, Deadline, Endpoint, Error, TraceContext,
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
    pub(crate) detach_timeout: Option<Duration>,
    pub(crate) detach_failed: bool,
    pub(crate) detach_cancelled: bool,
    pub(crate) finish_detach: bool,
    pub(crate) refuse_unused_capabilities: bool,
}

/// How an operation that may have nothing to do went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

    /// The same runtime for operations that a token gives up, instead of what [`Builder::cancel`] has said: one for each, say.
    ///
    /// # Examples
    /// ```no_run
    /// # use linkspan_runtime::{Cancel, Endpoint, Runtime, load_network};
    /// # let network = load_network("/etc/cni/net.d".as_ref(), "mynet")?;
    /// # let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?);
    /// # let runtime = Runtime::builder().build();
    /// let cancel = Cancel::new()?;
    /// std::thread::scope(|scope| {
    ///     let add = scope.spawn(|| runtime.with_cancel(cancel.clone()).add(&network, &endpoint));
    ///     // The pod is not wanted any more.
    ///     cancel.cancel();
    ///     assert!(add.join().unwrap().is_err_and(|error| error.is_cancelled()));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_cancel(&self, cancel: Cancel) -> Self {
        let mut runtime = self.clone();
        runtime.runner.cancel = Some(cancel);
        runtime
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

    /// The same runtime for what is done on behalf of a plugin by a process which that has not started, such as the daemon of a
    /// meta plugin: within the turn of the operation that runs the plugin. Without, where both runtimes have the same cache, the
    /// daemon waits for the operation, which waits for the plugin, which waits for the daemon, until the deadline.
    ///
    /// The plugin finds the turn in its variable `LINKSPAN_TURN`, and hands it over with what it asks for; an
    /// [`Execute`](crate::Execute) finds it in its [request](crate::Request::variable). A turn that is over, or none, is as good as
    /// nothing. A process that the plugin has started need not be told.
    #[must_use]
    pub fn with_turn(&self, turn: impl Into<OsString>) -> Self {
        let mut runtime = self.clone();
        runtime.locks.handed = Some(turn.into());
        runtime
    }

    /// The directories that plugins are searched in, in order.
    pub fn plugin_dirs(&self) -> &[PathBuf] {
        &self.runner.directories
    }

    /// Attaches a container: runs ADD of the network's plugins in order, each with the result of
    /// the one before, and keeps the last result for CHECK, DEL and GC.
    ///
    /// Before the first plugin is run, what it is run for is noted in the journal: should this process be killed, or ADD fail, the
    /// attachment is found by [`attachments`](Self::attachments), as one that is not complete, and by GC, until a DEL succeeds.
    ///
    /// When a plugin fails, those before it have done their work and stay as they are, as with the
    /// reference's runtime: the caller must call [`del`](Self::del). With
    /// [`Builder::detach_failed`] that is done here, and the error is [`Error::Undone`]. It is not done when nothing was begun,
    /// or the attachment may be another's:
    ///
    /// - when what failed was to attach once more what is attached already: that goes on working;
    /// - when the first plugin was not run, or says itself why it failed. One that refuses an interface which exists
    ///   must not have it removed: another runtime may have made it, with a cache of its own. Then nothing is noted, either.
    ///
    /// # Errors
    /// The first failure of a plugin; [`Error::NotKept`], that the result could not be kept though the container is
    /// attached; or, before a plugin is run, that it cannot be noted, or that the result would take the place of another
    /// attachment's.
    ///
    /// # Spec
    /// Section 3, "Attaching a container to a network".
    pub fn add(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<Success, Error> {
        operation(&self.runner, Command::Add, &network.name, endpoint, || {
            let deadline = self.deadline();
            let turn = self.turn(Command::Add, &endpoint.container_id, deadline)?;
            turn.add(network, endpoint, deadline)
        })
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
        operation(
            &self.runner,
            Command::Check,
            &network.name,
            endpoint,
            || {
                let deadline = self.deadline();
                let turn = self.turn(Command::Check, &endpoint.container_id, deadline)?;
                turn.check(network, endpoint, deadline)
            },
        )
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
    /// failures told. Also when nothing was kept, the attachment is known from then on, as one that is not complete, and
    /// [`detach_all`](Self::detach_all) and GC try again.
    ///
    /// # Spec
    /// Section 3, "Deleting a container from a network".
    pub fn del(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<(), Error> {
        operation(&self.runner, Command::Del, &network.name, endpoint, || {
            let deadline = self.deadline();
            let turn = self.turn(Command::Del, &endpoint.container_id, deadline)?;
            turn.del(network, endpoint, deadline)
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
        operation(&self.runner, Command::Del, network, endpoint, || {
            let deadline = self.deadline();
            let turn = self.turn(Command::Del, &endpoint.container_id, deadline)?;
            turn.del_with(network, endpoint, deadline, choose)
        })
    }

    /// The attachment that ADD has kept, or begun: with its arguments and the configuration of then, so that
    /// DEL can be called with just those, as [`detach`](Self::detach) does.
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

    /// The file in which ADD keeps an attachment; of one that was only begun, that of the journal.
    pub fn cached_path(&self, network: &NetworkName, endpoint: &Endpoint) -> PathBuf {
        self.cache.path_of(network, &endpoint.attachment())
    }

    /// Every attachment of a network that ADD has made, or begun, and DEL has not removed: what GC must know
    /// of all of them. Those that are not [complete](CachedAttachment::is_complete) are nobody's to use.
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

    /// Every file of the cache, of all networks, also of what was only begun: with the attachment, or why it cannot be read.
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
            turn: None,
        }
    }

    /// The moment by which an operation has to end that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
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
