//! The place where the body of a test runs.
//!
//! [`sandbox`] is called in the test process that `cargo test` or nextest started. That process runs its own executable
//! once more, asking for exactly this one test, through `unshare(1)`: so the body runs alone in a process whose
//! namespaces are its own from the first instruction, which works for every thread of it and needs no `unsafe`. In
//! there `sandbox` finds its name in the environment, lays private directories over those that plugins write to, and
//! calls the body.

mod mounts;
mod namespaces;
mod rerun;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::namespaces::unshared;
use self::rerun::Place;
use crate::command::Cmd;
use crate::features::Feature;
use crate::netns::Netns;

/// The environment variable that tells the inner process which test it runs.
const INSIDE: &str = "LINKSPAN_SANDBOX";

/// The environment variable by which the one who runs the tests chooses: `all` sandboxes in the virtual machine, or `only`
/// those that cannot be here.
const WHICH: &str = "LINKSPAN_VM";

/// How long a test may take when nothing else is said.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// Runs the body of a `#[test]` in a sandbox of its own. See [`Setup`] for what can be asked of it.
///
/// What the test does before this call it does twice, outside and inside; what it does afterwards happens outside only.
///
/// # Panics
/// When the body panics, when it is still running after 60 seconds (it is killed then, with everything that it started),
/// or when no sandbox can be made.
#[track_caller]
pub fn sandbox<F: FnOnce(&Sandbox)>(body: F) {
    Setup::default().sandbox(body);
}

/// What a test asks of its sandbox.
#[derive(Debug, Clone)]
pub struct Setup {
    name: Option<String>,
    deadline: Duration,
    needs: Vec<Feature>,
    kernel_parameters: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            name: None,
            deadline: DEFAULT_DEADLINE,
            needs: Vec::new(),
            kernel_parameters: String::new(),
        }
    }
}

impl Setup {
    /// What the kernel must have; see [`needs`](crate::needs).
    #[must_use]
    pub fn needs(mut self, features: &[Feature]) -> Self {
        self.needs.extend(features);
        self
    }

    /// Runs it in a virtual machine whose kernel is started with these parameters, such as `ipv6.disable=1`.
    #[must_use]
    pub fn kernel_parameters(mut self, parameters: impl Into<String>) -> Self {
        self.kernel_parameters = parameters.into();
        self
    }

    /// How long the body may take, instead of 60 seconds; in a virtual machine it may take four times as long.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The test's path as `cargo test -- --list` shows it, for a test that is not an ordinary function: by itself
    /// the sandbox goes by the thread's name, and on the main thread by the body's type.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs the body; see [`sandbox`](fn@sandbox).
    ///
    /// # Panics
    /// As [`sandbox`](fn@sandbox) does.
    #[track_caller]
    pub fn sandbox<F: FnOnce(&Sandbox)>(self, body: F) {
        self.tell(|host| {
            body(host);
            String::new()
        });
    }

    /// The same for a body that gives text, which comes out of the sandbox: what a test in a virtual machine has found, where no
    /// file can be written. `None` where the one who runs the tests has asked for others.
    ///
    /// # Panics
    /// As [`sandbox`](fn@sandbox) does.
    #[track_caller]
    pub fn tell<F: FnOnce(&Sandbox) -> String>(self, body: F) -> Option<String> {
        let name = self.name.clone().unwrap_or_else(rerun::test_name::<F>);
        if env::var(INSIDE).as_deref() == Ok(name.as_str()) {
            let told = body(&Sandbox::enter());
            rerun::end_passed(&told)
        }
        let place = self.place()?;
        Some(rerun::rerun(&name, place, self.deadline))
    }

    /// Where the test runs; `None` when the one who runs the tests has asked for others.
    fn place(&self) -> Option<Place> {
        let machine = || Place::VirtualMachine(self.kernel_parameters.clone());
        let here = || {
            self.kernel_parameters.is_empty() && self.needs.iter().all(|feature| feature.is_here())
        };
        match env::var(WHICH).as_deref() {
            Ok("all") => Some(machine()),
            Ok("only") => (!here()).then(machine),
            _ if here() => Some(Place::Here),
            _ => Some(machine()),
        }
    }
}

/// The sandbox that a test's body runs in: a host of its own, with nothing on it but a loopback interface.
///
/// User (when not root), network, mount, process, IPC and host name namespaces are private; `/run`, `/var/lib/cni`,
/// `/etc/cni` and `/opt/cni` are empty and private, and so is the directory for temporary files (`TMPDIR`). All of it
/// is gone when the body returns.
#[derive(Debug)]
pub struct Sandbox {
    host: Netns,
}

impl Sandbox {
    fn enter() -> Self {
        mounts::lay_private_directories();
        Cmd::new("ip").args(["link", "set", "lo", "up"]).run();
        Self {
            host: Netns::host(),
        }
    }

    /// The sandbox's own network namespace, which plays the host's.
    #[must_use]
    pub fn host(&self) -> &Netns {
        &self.host
    }

    /// Makes a network namespace at `/run/netns/<name>`, as a runtime makes one for a container.
    ///
    /// # Panics
    /// When there is one of that name.
    #[track_caller]
    #[must_use]
    pub fn netns(&self, name: &str) -> Netns {
        Netns::create(name)
    }

    /// The network namespace at `/run/netns/<name>`, which somebody else has made.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn existing_netns(&self, name: &str) -> Netns {
        Netns::existing(name)
    }

    /// Runs a line of shell on the host side and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        self.host.run(line)
    }

    /// A new, empty, private directory, there until the end of the test.
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        match tempfile::tempdir() {
            Ok(dir) => dir.keep(),
            Err(error) => panic!(
                "cannot make a directory in {}: {error}",
                env::temp_dir().display()
            ),
        }
    }
}
