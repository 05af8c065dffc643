//! Plugins without processes, for programs that attach containers themselves (feature `in-process`).

mod delegates;
mod file;

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linkspan_kernel::netns::is_own;
use linkspan_plugin::spec::PluginType;
use linkspan_plugin::{Answer, Embedded, Handler, Report, embed, find};
use linkspan_runtime::{Error, Execute, Output, Process, Request};

use self::delegates::Others;
use self::file::Files;
use crate::{PLUGINS, is_host, record_of};

/// Runs the plugins of this crate within the calling process, and hands everything else to another [`Execute`].
///
/// # Which plugins
/// - [`new`](Self::new) goes by the file: a plugin runs here when the file that is found in the directories of plugins is
///   Linkspan's multi-call binary of this crate's version, by whatever name or link. So whatever else is installed there is
///   respected, a plugin of others as well as another version of Linkspan's: it runs as a process.
/// - [`always`](Self::always) goes by the name: a plugin of this crate needs no file, and one that is there is not looked at. The
///   version that runs is the one that the program was built with.
///
/// A plugin that another one asks for addresses (`ipam`) is found in the same way, in `CNI_PATH`.
///
/// # What is as with processes, and what is not
/// - The plugin runs on the calling thread. Another of its own comes and goes where work is done side by side, or where the thread
///   could not come back from a container's namespace. Any number of threads may call at a time: what they share is on the host,
///   behind the same locks as between processes.
/// - It reads the variables of its [`Request`] and no other: nothing of this process's environment but `PATH`, by which the
///   programs of others are found (`iptables`, and `ip` for a tap device with an SELinux context), and `DBUS_SYSTEM_BUS_ADDRESS`, by which
///   firewalld is. It changes nothing that belongs to the process:
///   neither environment, working directory, umask nor signals.
/// - What it says on standard error is in [`Output::stderr`], and nothing is printed.
/// - A panic is a plugin's error with the specification's code 999. The program's panic hook is told, as of any other; a program that is
///   built with `panic = "abort"` ends.
/// - *Deadline and cancellation* end what is waited for elsewhere: plugins of others run as processes, and are ended. A plugin of
///   this crate is not stopped half-way, for a thread cannot be. It is not begun once the time has passed, and what it waits for has
///   limits of its own: a minute at most for the kernel and for locks, five for a DHCP server; none where a program
///   of others (`iptables`) does not end, or a system bus greets nobody. Then the chain is not gone on with. Its answer counts if it came late, unless that was to a future which was dropped: nobody would know of what was attached.
/// - The program must not ignore SIGCHLD or reap children that it has not started, nor end by SIGPIPE, as with [`Process`]: `iptables` is a
///   child of it.
/// - The thread has to be in the host's network namespace, as the process of a plugin would be. The process aborts, as a last resort, where the
///   kernel does not let a thread back into it that it has let go, since all that follows would happen in the wrong network.
/// - Calls are told to `linkspan events`, and their spans kept where somebody keeps the trace, as with processes, unless
///   [that is switched off](Self::without_events). Where this program [collects spans](linkspan_spans::Collecting) on the calling thread, those of the
///   plugin are among them instead.
///
/// # Examples
/// ```no_run
/// use linkspan_plugins::InProcess;
/// use linkspan_runtime::{Endpoint, Runtime, load_network};
///
/// let runtime = Runtime::builder().executor(InProcess::new().always()).build();
/// let network = load_network("/etc/cni/net.d".as_ref(), "mynet")?;
/// let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?).with_netns("/run/netns/c1");
/// runtime.add(&network, &endpoint)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct InProcess {
    otherwise: Arc<dyn Execute>,
    choice: Choice,
    tells: bool,
}

/// Which plugins run here.
#[derive(Clone)]
enum Choice {
    ByName,
    ByFile(Arc<Files>),
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl InProcess {
    /// Runs the plugins here whose files are those of this build, and others as processes.
    pub fn new() -> Self {
        Self {
            otherwise: Arc::new(Process),
            choice: Choice::ByFile(Arc::default()),
            tells: true,
        }
    }

    /// Runs every plugin of this crate here, whatever is in the directories of plugins, and if nothing is.
    #[must_use]
    pub fn always(self) -> Self {
        Self {
            choice: Choice::ByName,
            ..self
        }
    }

    /// Who runs the others. Default: [`Process`].
    #[must_use]
    pub fn otherwise(self, otherwise: impl Execute + 'static) -> Self {
        Self {
            otherwise: Arc::new(otherwise),
            ..self
        }
    }

    /// Tells `linkspan events` nothing of the calls, and keeps no spans of them.
    #[must_use]
    pub fn without_events(self) -> Self {
        Self {
            tells: false,
            ..self
        }
    }

    /// The plugin that runs here, if it is one.
    fn own(&self, plugin: &PluginType, file: &Path) -> Option<&'static dyn Handler> {
        let own = self.named(plugin)?;
        match &self.choice {
            Choice::ByName => Some(own),
            Choice::ByFile(files) => files.are_this_build(own, file).then_some(own),
        }
    }

    fn named(&self, plugin: &PluginType) -> Option<&'static dyn Handler> {
        find(PLUGINS, plugin.as_str())
    }
}

impl Execute for InProcess {
    /// The plugin's file. Where the [name](Self::always) is enough, a path of that alone.
    fn find(&self, plugin: &PluginType, directories: &[PathBuf]) -> Result<PathBuf, Error> {
        match self.choice {
            Choice::ByName if self.named(plugin).is_some() => Ok(plugin.as_str().into()),
            _ => self.otherwise.find(plugin, directories),
        }
    }

    fn run(&self, request: &Request<'_>) -> io::Result<Output> {
        match self.own(request.plugin, request.path) {
            Some(handler) => Ok(self.run_here(handler, request)),
            None => self.otherwise.run(request),
        }
    }
}

impl InProcess {
    fn run_here(&self, handler: &'static dyn Handler, request: &Request<'_>) -> Output {
        let env = |name: &str| variable(request, name);
        let others = Others::new(self, request);
        let observe: &dyn Fn(&Report<'_>) = &|report| record_of(report, std::process::id());
        let call = Embedded {
            env: &env,
            stdin: request.stdin,
            is_own: if self.tells { is_host } else { is_own },
            observe: self.tells.then_some(observe),
            delegates: &others,
        };
        let answered = embed(handler, PLUGINS, &call);
        let output = match (others.ended(), answered.answer) {
            (Some(ended), _) => Output::new(ended),
            (None, Answer::Failure(error)) => Output::failed(error),
            (None, Answer::Success(text)) => Output::success(text.unwrap_or_default()),
            (None, Answer::About(text)) => return Output::success("").with_stderr(text),
        };
        output.with_stderr(answered.stderr)
    }
}

/// A variable, of which what is no text is as good as none, as with a process. No directory of plugins is a list of none.
fn variable(request: &Request<'_>, name: &str) -> Option<String> {
    let value = request.variable(name).and_then(OsStr::to_str)?;
    match (name, value) {
        ("CNI_PATH", "") => Some(":".to_owned()),
        _ => Some(value.to_owned()),
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess")
            .field("always", &matches!(self.choice, Choice::ByName))
            .field("tells", &self.tells)
            .finish_non_exhaustive()
    }
}
