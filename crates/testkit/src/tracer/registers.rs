//! The registers of a thread that is before a system call, by processor.

use std::ptr;

use super::ptrace::Tracee;

pub(super) use arch::{set_argument, set_number, set_result, skip};

/// The set of general registers (`NT_PRSTATUS`), as `PTRACE_GETREGSET` knows it.
const GENERAL: usize = 1;

/// Reads, changes and writes them.
pub(super) fn change(tracee: &Tracee, change: impl FnOnce(&mut arch::Registers)) {
    let mut registers = arch::NONE;
    let mut place = libc::iovec {
        iov_base: registers.as_mut_ptr().cast(),
        iov_len: size_of::<arch::Registers>(),
    };
    let set = || ptr::without_provenance_mut(GENERAL);
    let pointer = (&raw mut place).cast();
    if tracee.request(libc::PTRACE_GETREGSET, set(), pointer) {
        change(&mut registers);
        tracee.request(libc::PTRACE_SETREGSET, set(), pointer);
    }
}

#[cfg(target_arch = "x86_64")]
mod arch {
    use super::super::ptrace::Tracee;

    /// `struct user_regs_struct`, by its words.
    pub(in super::super) type Registers = [u64; 27];
    pub(in super::super) const NONE: Registers = [0; 27];

    const RAX: usize = 10;
    const ORIG_RAX: usize = 15;
    /// RDI, RSI, RDX, R10, R8, R9.
    const ARGUMENTS: [usize; 6] = [14, 13, 12, 7, 9, 8];

    pub(in super::super) fn set_number(registers: &mut Registers, number: i64) {
        registers[ORIG_RAX] = number.cast_unsigned();
    }

    pub(in super::super) fn set_result(registers: &mut Registers, result: i64) {
        registers[RAX] = result.cast_unsigned();
    }

    pub(in super::super) fn set_argument(registers: &mut Registers, index: usize, value: u64) {
        registers[ARGUMENTS[index]] = value;
    }

    /// The number is a register here.
    pub(in super::super) fn skip(_: &Tracee) {}
}

#[cfg(target_arch = "aarch64")]
mod arch {
    use std::ptr;

    use super::super::ptrace::Tracee;

    /// `struct user_pt_regs`: X0 to X30, SP, PC, PSTATE.
    pub(in super::super) type Registers = [u64; 34];
    pub(in super::super) const NONE: Registers = [0; 34];

    /// The set that is the number of the call (`NT_ARM_SYSTEM_CALL`).
    const SYSTEM_CALL: usize = 0x404;

    /// The number has a set of its own: see [`skip`].
    pub(in super::super) fn set_number(_: &mut Registers, _: i64) {}

    pub(in super::super) fn set_result(registers: &mut Registers, result: i64) {
        registers[0] = result.cast_unsigned();
    }

    pub(in super::super) fn set_argument(registers: &mut Registers, index: usize, value: u64) {
        registers[index] = value;
    }

    /// Makes it the call that there is not.
    pub(in super::super) fn skip(tracee: &Tracee) {
        let mut number: i32 = -1;
        let mut place = libc::iovec {
            iov_base: (&raw mut number).cast(),
            iov_len: size_of::<i32>(),
        };
        let set = ptr::without_provenance_mut(SYSTEM_CALL);
        tracee.request(libc::PTRACE_SETREGSET, set, (&raw mut place).cast());
    }
}
