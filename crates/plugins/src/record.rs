//! What a call was, told to whoever looks later (`linkspan events`).

use std::cell::Cell;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::SystemTime;

use linkspan_events::{Delegated, Event, Ring};
use linkspan_kernel::netns::{Identity, is_own_and_which};
use linkspan_plugin::Report;
use linkspan_spans::Trace;
use linkspan_traces::{Source, Spool};

thread_local! {
    /// The host's namespace, where it was looked at for the sake of the call that this thread is at: to ask twice costs more
    /// than to tell.
    static HOST: Cell<Option<Identity>> = const { Cell::new(None) };
}

/// Whether an open file is the network namespace of the calling thread, which is the host's.
///
/// # Errors
/// As [`linkspan_kernel::netns::is_own`].
pub fn is_host(file: BorrowedFd<'_>) -> io::Result<bool> {
    let (is_own, which) = is_own_and_which(file)?;
    HOST.set(which);
    Ok(is_own)
}

/// Appends the call to the host's ring, and its spans to the file of those, where somebody keeps its trace. Where that cannot
/// be written, nothing is told: no call fails, warns or waits for it.
pub fn record(report: &Report<'_>) {
    let parent = rustix::process::getppid();
    let caller = parent.map_or(0, |parent| parent.as_raw_nonzero().get().unsigned_abs());
    record_of(report, caller);
}

/// The same of a call by the process of this number.
pub(crate) fn record_of(report: &Report<'_>, caller: u32) {
    // The next call may be in another namespace.
    let host = HOST.take();
    // There is nobody to be told.
    let _ = Ring::tell(host, &event(report, caller));
    if let Some(trace) = report.trace {
        leave(host, report.plugin, trace);
    }
}

#[cold]
#[inline(never)]
fn leave(host: Option<Identity>, plugin: &str, trace: &Trace) {
    let source = Source {
        plugin: Some(plugin.to_owned()),
        process: std::process::id(),
    };
    // As with the ring, there is nobody to be told.
    let _ = Spool::leave(host, &source, trace);
}

fn event(report: &Report<'_>, caller: u32) -> Event {
    let now = SystemTime::now();
    let ipam = report.delegated.iter().map(|one| Delegated {
        plugin: one.plugin.clone(),
        command: one.command.to_string(),
        took: one.took,
        code: one.code,
    });
    Event {
        began: now.checked_sub(report.took).unwrap_or(now),
        took: report.took,
        command: report.command.to_owned(),
        plugin: report.plugin.to_owned(),
        network: report.network.to_owned(),
        container: report.container.to_owned(),
        ifname: report.ifname.to_owned(),
        pod: pod(report.args).unwrap_or_default(),
        caller,
        ipam: ipam.collect(),
        error: report.error.cloned(),
    }
}

/// The pod that the kubelet's runtimes name in CNI_ARGS.
fn pod(args: &str) -> Option<String> {
    let value = |key: &str| {
        let mut pairs = args.split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    Some(format!(
        "{}/{}",
        value("K8S_POD_NAMESPACE")?,
        value("K8S_POD_NAME")?
    ))
}
