//! Stands at a plugin's name and executes the file beside it that holds all plugins; what that is, the library of this crate says.
//!
//! What it is called with goes on as it is: descriptors, environment, arguments. Only the first of these becomes the path that
//! the kernel was told to execute: the holder goes by the name in it, and a plugin is what its file is named, whatever the caller
//! writes there. The holder is opened, looked at and executed by one descriptor, so nobody can exchange it in between.
//!
//! Where panics abort, as in a release, it does without the standard library, which is what makes it small.
#![no_main]
#![cfg_attr(panic = "abort", no_std)]

mod failure;
mod text;

use core::ffi::{CStr, c_char, c_int, c_ulong};
use core::mem::MaybeUninit;
use core::ptr;

use linkspan_stub::{BEGINNING, HOLDER, Kind, Mark, started};

use failure::Failure;
use text::Text;

linkspan_stub::mark!(Stub);

/// A path that the kernel takes.
type Path = Text<{ libc::PATH_MAX as usize }>;

/// # Safety
/// It is called by the C library alone, with what the kernel has laid down: `count` arguments and a null, the environment and a null.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(
    count: c_int,
    arguments: *mut *const c_char,
    environment: *const *const c_char,
) -> c_int {
    let started = started();
    if let Some(path) = named(started)
        && count > 0
    {
        // SAFETY: there is a first argument, and the array is this process's own.
        unsafe { arguments.write(path.as_ptr()) };
    }
    let mut holder = Path::new();
    let failure = match open(started, &mut holder) {
        // SAFETY: the caller's promise.
        Ok(file) => unsafe { execute(file, arguments, environment) },
        Err(failure) => failure,
    };
    failure.tell(&holder);
    1
}

/// Opens the holder, whose path it writes to `holder`.
fn open(started: Option<&CStr>, holder: &mut Path) -> Result<c_int, Failure> {
    if auxiliary(libc::AT_SECURE) != 0 && !has_rights_of_caller() {
        // Whoever may link to this file would choose what is executed with the rights of its owner.
        return Err(Failure::Privileged);
    }
    beside(started, holder)?;
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    // SAFETY: the path ends with a zero.
    let file = unsafe { libc::open(holder.as_ptr(), flags) };
    if file < 0 {
        return Err(Failure::NotOpened(errno()));
    }
    let mut bytes = [0; BEGINNING];
    // SAFETY: there is room for that many bytes.
    let length = unsafe { libc::pread(file, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    let Ok(length) = usize::try_from(length) else {
        return Err(Failure::NotRead(errno()));
    };
    match bytes.get(..length).and_then(Mark::read) {
        Some(mark) if mark.kind == Kind::Plugins => Ok(file),
        Some(_) => Err(Failure::Stub),
        None => Err(Failure::Foreign),
    }
}

/// The path of the holder: beside the executable, or, where there is no `/proc`, beside what was started.
fn beside(started: Option<&CStr>, holder: &mut Path) -> Result<(), Failure> {
    let room = holder.room();
    // SAFETY: the path ends with a zero, and there is room for that many bytes.
    let length = unsafe {
        libc::readlink(
            c"/proc/self/exe".as_ptr(),
            room.as_mut_ptr().cast(),
            room.len(),
        )
    };
    match usize::try_from(length) {
        Ok(length) => holder.keep(length),
        Err(_) => holder.push(started.ok_or(Failure::NoPath)?.to_bytes()),
    }
    holder.cut_behind(b'/');
    holder.push(HOLDER.as_bytes());
    match holder.is_whole() {
        true => Ok(()),
        false => Err(Failure::NoPath),
    }
}

/// Executes an open file; returns why that cannot be.
///
/// # Safety
/// Both are arrays of pointers to texts that end with a zero, with a null at their end.
unsafe fn execute(
    file: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Failure {
    let (empty, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
    // SAFETY: the caller's promise; it only returns when it fails.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file,
            empty,
            arguments,
            environment,
            flags,
        )
    };
    Failure::NotExecuted(errno())
}

/// Whether more rights than the user has are the caller's own, as those of a setuid runtime that takes another effective user for its
/// plugins, and none of them come by this file.
fn has_rights_of_caller() -> bool {
    let executable = c"/proc/self/exe".as_ptr();
    let differ = |one, other| auxiliary(one) != auxiliary(other);
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the path ends with a zero, and there is room for the answer.
    let is_told = unsafe { libc::stat(executable, stat.as_mut_ptr()) } == 0;
    // SAFETY: zeros are one, too.
    let mode = unsafe { stat.assume_init() }.st_mode;
    let name = c"security.capability".as_ptr();
    // SAFETY: both texts end with a zero, and nothing is to be written.
    let length = unsafe { libc::getxattr(executable, name, ptr::null_mut(), 0) };
    let is_plain = length < 0 && matches!(errno(), libc::ENODATA | libc::EOPNOTSUPP);
    let is_caller_other =
        differ(libc::AT_UID, libc::AT_EUID) || differ(libc::AT_GID, libc::AT_EGID);
    is_told && mode & (libc::S_ISUID | libc::S_ISGID) == 0 && is_plain && is_caller_other
}

/// That path, unless it only names a descriptor: then the caller alone knows the name.
fn named(started: Option<&CStr>) -> Option<&CStr> {
    started.filter(|path| !path.to_bytes().starts_with(b"/dev/fd/"))
}

fn auxiliary(kind: c_ulong) -> c_ulong {
    // SAFETY: it reads what the kernel has laid down at the start.
    unsafe { libc::getauxval(kind) }
}

fn errno() -> c_int {
    // SAFETY: it always may be called.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's own.
    unsafe { *place }
}

/// Nothing here panics, but who has no standard library has to say what then.
#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: it ends the process.
    unsafe { libc::abort() }
}
