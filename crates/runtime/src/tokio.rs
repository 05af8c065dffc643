//! Operations as futures, on tokio (feature `tokio`).

use std::io;
use std::panic::resume_unwind;

use linkspan_spec::{Attachment, NetworkList, PluginType, Success, VersionInfo};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{Cancel, Endpoint, Error, Outcome, Runtime};

/// A [`Runtime`] whose operations are futures: each runs on a thread of tokio's for what blocks, so that no other future waits
/// for it. The futures are `Send`.
///
/// # Giving up
/// A future that is dropped, by [`tokio::time::timeout`](https://docs.rs/tokio/latest/tokio/time/fn.timeout.html), by `select!`
/// or with its task, gives its operation up: one that has not begun never does; of one that has, the plugin that runs is told to end
/// (SIGTERM to its process group) and ended two seconds later (SIGKILL), and no other is run. A plugin that runs within this process
/// goes on to its end, and its success counts no more. An ADD is then detached where the runtime
/// was [built](crate::Builder) to do so, with a deadline of its own; one whose last plugin had ended before stays. Nobody waits for that: it goes on on its thread, which holds the
/// attachment's turn until it is done, so that an operation on the same attachment that begins afterwards finds it done. tokio's runtime
/// waits for the thread when it is dropped; `shutdown_timeout` does not.
///
/// An operation has a token of its own, in the place of [`Builder::cancel`](crate::Builder::cancel)'s.
///
/// # Threads
/// tokio has 512 threads for what blocks unless told otherwise (`max_blocking_threads`); more operations wait for one of these,
/// which does not count to their own time.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
/// use linkspan_runtime::tokio::AsyncRuntime;
/// use linkspan_runtime::{Endpoint, Runtime, load_network};
///
/// # async fn attach() -> Result<(), Box<dyn std::error::Error>> {
/// let network = load_network("/etc/cni/net.d".as_ref(), "mynet")?;
/// let runtime = Runtime::builder().plugin_dir("/opt/cni/bin").detach_failed(true).build();
/// let runtime = AsyncRuntime::new(runtime);
/// let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?).with_netns("/run/netns/c1");
/// let result = runtime.add(&network, &endpoint).await?;
/// println!("{:?}", result.ips);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AsyncRuntime {
    runtime: Runtime,
}

impl AsyncRuntime {
    /// The same runtime, for futures.
    pub fn new(runtime: Runtime) -> Self {
        Self { runtime }
    }

    /// The runtime whose operations block.
    pub fn blocking(&self) -> &Runtime {
        &self.runtime
    }

    /// Runs any operation; it is given up when the future is dropped. What the methods of this type do is done by it.
    ///
    /// # Errors
    /// Those of the operation; [`Error::NotBegun`] where tokio's runtime is shut down.
    ///
    /// # Panics
    /// When the operation does, and outside of a runtime of tokio.
    ///
    /// # Examples
    /// ```no_run
    /// # use linkspan_runtime::tokio::AsyncRuntime;
    /// # async fn kept(runtime: AsyncRuntime) -> Result<(), linkspan_runtime::Error> {
    /// let kept = runtime.run(|runtime| runtime.cached_files()).await?;
    /// println!("{} attachments", kept.len());
    /// # Ok(())
    /// # }
    /// # use linkspan_runtime::{Order, Pod};
    /// # async fn pod(runtime: AsyncRuntime, pod: Pod) -> Result<(), Box<dyn std::error::Error>> {
    /// // An operation with errors of its own.
    /// let made = runtime.run(move |runtime| Ok(runtime.add_pod(&pod, Order::Parallel))).await??;
    /// println!("{} networks", made.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Runtime) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // Where no descriptor is left the operation itself tells.
        let cancel = Cancel::of_future().ok();
        let mut runtime = self.runtime.clone();
        if let Some(cancel) = cancel.clone() {
            runtime = runtime.with_cancel(cancel);
        }
        let mut running = Running {
            task: spawn_blocking(move || operation(&runtime)),
            cancel,
        };
        let ended = (&mut running.task).await;
        // There is nothing to be given up any more.
        running.cancel = None;
        match ended {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(error) => Err(Error::NotBegun {
                source: io::Error::other(error),
            }),
        }
    }

    /// [`Runtime::add`].
    ///
    /// # Errors
    /// As there, and as [`run`](Self::run).
    pub async fn add(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<Success, Error> {
        let (network, endpoint) = (network.clone(), endpoint.clone());
        self.run(move |runtime| runtime.add(&network, &endpoint))
            .await
    }

    /// [`Runtime::check`].
    ///
    /// # Errors
    /// As there, and as [`run`](Self::run).
    pub async fn check(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
    ) -> Result<Outcome, Error> {
        let (network, endpoint) = (network.clone(), endpoint.clone());
        self.run(move |runtime| runtime.check(&network, &endpoint))
            .await
    }

    /// [`Runtime::del`].
    ///
    /// # Errors
    /// As there, and as [`run`](Self::run).
    pub async fn del(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<(), Error> {
        let (network, endpoint) = (network.clone(), endpoint.clone());
        self.run(move |runtime| runtime.del(&network, &endpoint))
            .await
    }

    /// [`Runtime::gc`].
    ///
    /// # Errors
    /// As there, and as [`run`](Self::run).
    pub async fn gc(&self, network: &NetworkList, in_use: &[Attachment]) -> Result<Outcome, Error> {
        let (network, in_use) = (network.clone(), in_use.to_vec());
        self.run(move |runtime| runtime.gc(&network, &in_use)).await
    }

    /// [`Runtime::status`].
    ///
    /// # Errors
    /// As there, and as [`run`](Self::run).
    pub async fn status(&self, network: &NetworkList) -> Result<Outcome, Error> {
        let network = network.clone();
        self.run(move |runtime| runtime.status(&network)).await
    }

    /// [`Runtime::version`].
    ///
    /// # Errors
    /// As there, and as [`run`](Self::run).
    pub async fn version(&self, plugin: &PluginType) -> Result<VersionInfo, Error> {
        let plugin = plugin.clone();
        self.run(move |runtime| runtime.version(&plugin)).await
    }
}

/// An operation, which is given up when this is dropped before it has ended.
struct Running<T> {
    task: JoinHandle<T>,
    cancel: Option<Cancel>,
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if let Some(cancel) = &self.cancel {
            // That keeps it from being begun; one that has begun goes on until it sees the token.
            self.task.abort();
            cancel.cancel();
        }
    }
}
