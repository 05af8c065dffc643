//! Runs a program one instruction at a time and writes the addresses of all that it executed, each once, in the order in
//! which it came to them, one to a line: `executed FILE PROGRAM [ARGUMENT…]`. For `scripts/order`.

use std::collections::HashSet;
use std::fmt::Write;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::ptr::null_mut;

fn main() -> io::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("executed FILE PROGRAM [ARGUMENT…]"));
    };
    let (executed, status) = step_through(Command::new(program).args(arguments))?;
    let mut text = String::new();
    for address in executed {
        writeln!(text, "{address:x}").map_err(io::Error::other)?;
    }
    std::fs::write(file, text)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(u8::MAX)))
}

fn step_through(command: &mut Command) -> io::Result<(Vec<u64>, ExitStatus)> {
    // SAFETY: between fork and exec it makes one system call, which neither allocates nor locks.
    unsafe { command.pre_exec(|| request(libc::PTRACE_TRACEME, 0)) };
    let pid = command.spawn()?.id().cast_signed();
    let (mut executed, mut known) = (Vec::new(), HashSet::new());
    loop {
        let mut status = 0;
        // SAFETY: the pointer is that of an integer that outlives the call.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        if !libc::WIFSTOPPED(status) {
            return Ok((executed, ExitStatus::from_raw(status)));
        }
        let address = instruction_pointer(pid)?;
        if known.insert(address) {
            executed.push(address);
        }
        request(libc::PTRACE_SINGLESTEP, pid)?;
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction_pointer(pid: i32) -> io::Result<u64> {
    // SAFETY: integers may be zero.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let none = null_mut::<libc::c_void>();
    // SAFETY: the kernel writes the registers to where they outlive the call.
    let outcome = unsafe { libc::ptrace(libc::PTRACE_GETREGS, pid, none, &raw mut registers) };
    match outcome {
        0 => Ok(registers.rip),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Registers are the architecture's.
#[cfg(not(target_arch = "x86_64"))]
fn instruction_pointer(_pid: i32) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

fn request(what: libc::c_uint, pid: i32) -> io::Result<()> {
    let none = null_mut::<libc::c_void>();
    // SAFETY: these requests read and write nothing of the caller's.
    match unsafe { libc::ptrace(what, pid, none, none) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
