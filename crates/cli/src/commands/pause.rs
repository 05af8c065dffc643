//! `pause`: what stays in the pod of a DaemonSet when its init container has done the work (contrib/kubernetes). The image has no
//! other program that could.

use linkspan_runtime::io_advice;
use rustix::process::{WaitOptions, wait};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Kind};

/// Waits until it is told to end, which is no failure.
///
/// As the first process of a container: there the kernel ignores a signal that nobody handles, and a process whose parent has died
/// (a probe that took too long) is its child.
pub(crate) fn pause() -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGCHLD]).map_err(|error| {
        let failure = Failure::new(Kind::Failed, "cannot wait for signals");
        let advice = io_advice(&error);
        let failure = failure.because(error);
        advice.into_iter().fold(failure, Failure::advise)
    })?;
    for signal in signals.forever() {
        if signal != SIGCHLD {
            break;
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
    Ok(())
}
