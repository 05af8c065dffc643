//! ptrace(2), in types.
#![expect(unsafe_code, reason = "ptrace takes pointers, and nobody wraps it")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use rustix::process::Signal;

use super::registers;

/// What a new process or thread of a traced one is traced for as well; all end with their tracer.
const OPTIONS: libc::c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_EXITKILL;

/// A request as the C library's headers have it.
#[cfg(target_env = "musl")]
type Request = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

/// `PTRACE_GET_SYSCALL_INFO`, which `libc` does not name everywhere.
const GET_SYSCALL_INFO: Request = 0x420e;

/// What `PTRACE_GET_SYSCALL_INFO` calls the stop before a call (`PTRACE_SYSCALL_INFO_ENTRY`).
const ENTRY: u8 = 1;

/// The words of `struct ptrace_syscall_info`: what it is about, two pointers' worth of place, the call's number and its arguments.
type SyscallInfo = [u64; 11];

/// Has the program be traced by the thread that starts it, from its first instruction on.
pub(super) fn trace_me(command: &mut Command) {
    let traced = || {
        // SAFETY: without pointers, about this process alone, and allowed between fork and exec.
        match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one system call, which is safe after fork.
    unsafe { command.pre_exec(traced) };
}

/// How far a traced thread goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Resume {
    /// To the begin or the end of its next system call.
    ToSyscall,
    /// Until it ends, or starts another.
    ToEnd,
}

/// Why a traced thread is heard of.
#[derive(Debug)]
pub(super) enum Event {
    /// It has ended, with the status that `wait` tells.
    Ended(i32),
    /// It is about to get this signal.
    Signal(i32),
    /// It is before or behind a system call.
    Syscall,
    /// It has begun, or another of its kind.
    Other,
}

/// A traced thread that stands still, or has ended.
#[derive(Debug)]
pub(super) struct Tracee(i32);

impl Tracee {
    /// The next of this thread's tracees of which there is something to say; `None` when there are no more.
    pub(super) fn wait() -> Option<(Self, Event)> {
        let mut status = 0;
        let id = loop {
            // SAFETY: `status` is ours, and there for the call.
            let id =
                unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
            match id {
                -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                -1 => return None,
                id => break id,
            }
        };
        let event = if !libc::WIFSTOPPED(status) {
            Event::Ended(status)
        } else if status >> 16 != 0 {
            Event::Other
        } else {
            match libc::WSTOPSIG(status) {
                stop if stop == libc::SIGTRAP | 0x80 => Event::Syscall,
                // What begins to be traced does so by a stop, which is not a signal to it.
                libc::SIGSTOP => Event::Other,
                signal => Event::Signal(signal),
            }
        };
        Some((Self(id), event))
    }

    pub(super) fn id(&self) -> i32 {
        self.0
    }

    /// Has all that it will start be traced, too.
    pub(super) fn follow_children(&self) {
        let options = ptr::without_provenance_mut(OPTIONS.cast_unsigned() as usize);
        self.request(libc::PTRACE_SETOPTIONS, ptr::null_mut(), options);
    }

    /// The number and the arguments of the system call that it is about to make; `None` behind one.
    pub(super) fn entered(&self) -> Option<(u64, [u64; 6])> {
        let mut info: SyscallInfo = [0; 11];
        let size = ptr::without_provenance_mut(size_of::<SyscallInfo>());
        let written = self.request(GET_SYSCALL_INFO, size, info.as_mut_ptr().cast());
        let [head, _, _, number, args @ .., _] = info;
        (written && head.to_ne_bytes()[0] == ENTRY).then_some((number, args))
    }

    /// Has the call that it is about to make not happen and return an error.
    pub(super) fn skip(&self, error: i32) {
        registers::change(self, |registers| {
            registers::set_number(registers, -1);
            registers::set_result(registers, -i64::from(error));
        });
        registers::skip(self);
    }

    /// Has the call that it has just made return an error.
    pub(super) fn answer(&self, error: i32) {
        registers::change(self, |registers| {
            registers::set_result(registers, -i64::from(error));
        });
    }

    /// Changes an argument of the call that it is about to make.
    pub(super) fn change_argument(&self, index: usize, value: u64) {
        registers::change(self, |registers| {
            registers::set_argument(registers, index, value);
        });
    }

    /// Sends it a signal, which it gets with the call that it is about to make.
    pub(super) fn signal(&self, signal: Signal) {
        // SAFETY: without pointers. The thread stands still, so that its number is still its own.
        unsafe { libc::syscall(libc::SYS_tkill, self.0, signal.as_raw()) };
    }

    /// Lets it go on, with a signal that it is to get (0 for none).
    pub(super) fn resume(&self, resume: Resume, signal: i32) {
        let request = match resume {
            Resume::ToSyscall => libc::PTRACE_SYSCALL,
            Resume::ToEnd => libc::PTRACE_CONT,
        };
        let signal = ptr::without_provenance_mut(signal.unsigned_abs() as usize);
        // Who was killed meanwhile is heard of next.
        self.request(request, ptr::null_mut(), signal);
    }

    /// Makes a request; whether it was one for a thread that stands still.
    pub(super) fn request(
        &self,
        request: Request,
        address: *mut libc::c_void,
        data: *mut libc::c_void,
    ) -> bool {
        // SAFETY: both are numbers or point to what the caller has and the request wants; it is there for the call.
        unsafe { libc::ptrace(request, self.0, address, data) >= 0 }
    }
}
