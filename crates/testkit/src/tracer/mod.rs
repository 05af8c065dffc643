//! Programs whose system calls are watched one by one, and of which one can be made to fail.

mod names;
mod ptrace;
mod registers;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::background::{Collected, spawn};
use crate::command::{Cmd, Output};

pub use names::errno;
use ptrace::{Event, Resume, Tracee};

/// How long output is awaited from what a program that has ended has left behind.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

/// A system call that a program is about to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syscall {
    /// Its name, as strace has it; `unknown` for one that no plugin was seen to make.
    pub name: &'static str,
    /// Which call of that name it is of the program, its threads and its children together, counted from 1.
    pub occurrence: u32,
    /// Its arguments, as they are in the registers.
    pub args: [u64; 6],
    /// The process or thread that makes it.
    pub thread: u32,
}

/// What becomes of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not happen, and returns this error (`libc`'s number; see [`errno`]).
    Error(i32),
    /// Neither it nor any later call of its name happens, whoever makes it; each returns this error.
    ErrorsFromNowOn(i32),
    /// It happens, and returns this error all the same, as `close` does.
    Answer(i32),
    /// Who makes it is killed instead, by SIGKILL.
    Kill,
    /// Who makes it gets SIGTERM while it is made.
    Terminate,
    /// Its argument of this index, a length, becomes this one.
    Shorten(usize, u64),
}

/// Runs a program to its end, with all that it starts, and asks before each system call what becomes of it. Once there was a
/// fault nothing more is asked: what follows runs at full speed.
///
/// strace's `--inject` does the same at the price of 40 ms a run, most of them for strace's own start and its log; this
/// costs a few, so that thousands of runs are a matter of minutes.
///
/// # Panics
/// When it cannot be started or traced.
#[track_caller]
pub fn trace(program: Cmd, decide: impl FnMut(&Syscall) -> Option<Fault> + Send) -> Output {
    let deadline = program.deadline;
    let line = program.line();
    let started = Instant::now();
    let (say, heard) = mpsc::channel();
    // What is traced belongs to the thread that has started it, and so do the waits for it.
    let traced = thread::scope(|scope| {
        let tracing = scope.spawn(move || {
            let leader = start(program);
            let _ = say.send(Some(leader.pid));
            let status = follow(leader.pid, decide);
            let _ = say.send(None);
            (leader, status)
        });
        let leader = heard.recv().ok().flatten();
        let ended = heard.recv_timeout(deadline);
        let timed_out = matches!(ended, Err(mpsc::RecvTimeoutError::Timeout));
        if let Some(pid) = leader.and_then(pid).filter(|_| timed_out) {
            // It may be gone by now.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        tracing.join().map(|traced| (traced, timed_out))
    });
    let ((leader, status), timed_out) = match traced {
        Ok(traced) => traced,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let elapsed = started.elapsed();
    leader.stdout.wait(OUTPUT_GRACE, |_| false);
    leader.stderr.wait(OUTPUT_GRACE, |_| false);
    Output {
        command: line,
        status,
        stdout: leader.stdout.text(),
        stderr: leader.stderr.text(),
        elapsed,
        timed_out,
    }
}

/// A program that was started and stands before its first instruction.
struct Leader {
    pid: i32,
    stdout: Collected,
    stderr: Collected,
}

#[track_caller]
fn start(program: Cmd) -> Leader {
    let Cmd {
        mut command, stdin, ..
    } = program;
    ptrace::trace_me(&mut command);
    let (child, stdout, stderr) = spawn(&mut command, stdin);
    Leader {
        pid: child.id().cast_signed(),
        stdout,
        stderr,
    }
}

/// Lets the program and all that it starts go from call to call until the last has ended; gives how the first one did.
fn follow(leader: i32, mut decide: impl FnMut(&Syscall) -> Option<Fault>) -> ExitStatus {
    let mut occurrences: BTreeMap<&'static str, u32> = BTreeMap::new();
    let mut resume = Resume::ToSyscall;
    let mut status = ExitStatus::from_raw(0);
    let mut begun = false;
    let mut answer = None;
    let mut staying: Option<(&'static str, i32)> = None;
    while let Some((tracee, event)) = Tracee::wait() {
        let mut signal = 0;
        match event {
            Event::Ended(raw) => {
                if tracee.id() == leader {
                    status = ExitStatus::from_raw(raw);
                }
                continue;
            }
            // The first stop is the one behind execve.
            Event::Signal(_) if !begun && tracee.id() == leader => {
                begun = true;
                tracee.follow_children();
            }
            Event::Signal(number) => signal = number,
            Event::Syscall => {
                if let Some((number, args)) = tracee.entered() {
                    let name = names::name(number);
                    if let Some((failing, error)) = staying {
                        if name == failing {
                            tracee.skip(error);
                        }
                        tracee.resume(resume, signal);
                        continue;
                    }
                    let occurrence = occurrences.entry(name).or_default();
                    *occurrence += 1;
                    let syscall = Syscall {
                        name,
                        occurrence: *occurrence,
                        args,
                        thread: tracee.id().cast_unsigned(),
                    };
                    match decide(&syscall).filter(|_| answer.is_none()) {
                        // At the call's end.
                        Some(Fault::Answer(error)) => answer = Some((tracee.id(), error)),
                        Some(Fault::ErrorsFromNowOn(error)) => {
                            tracee.skip(error);
                            staying = Some((name, error));
                        }
                        Some(fault) => {
                            inject(&tracee, fault);
                            resume = Resume::ToEnd;
                        }
                        None => {}
                    }
                } else if let Some((_, error)) = answer.filter(|(thread, _)| *thread == tracee.id())
                {
                    tracee.answer(error);
                    resume = Resume::ToEnd;
                }
            }
            Event::Other => {}
        }
        tracee.resume(resume, signal);
    }
    status
}

fn inject(tracee: &Tracee, fault: Fault) {
    match fault {
        Fault::Error(number) | Fault::ErrorsFromNowOn(number) => tracee.skip(number),
        Fault::Answer(number) => tracee.answer(number),
        Fault::Shorten(argument, length) => tracee.change_argument(argument, length),
        Fault::Terminate => tracee.signal(Signal::TERM),
        Fault::Kill => {
            tracee.skip(0);
            if let Some(pid) = pid(tracee.id()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn pid(number: i32) -> Option<Pid> {
    Pid::from_raw(number)
}
