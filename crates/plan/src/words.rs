//! Faults in the words that the reference has for them, which runtimes and scripts know: they are all of the message,
//! and details say what is more.

use std::io;
use std::rc::Rc;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::Link;
use linkspan_spec::Error;

use crate::fault::explain;
use crate::namespaces::Namespaces;

/// An error in others' words.
pub fn in_words(words: impl Into<String>, error: Error) -> Error {
    let own = match error.details.is_empty() {
        true => error.msg.clone(),
        false => format!("{}; {}", error.msg, error.details),
    };
    error.with_msg(words).with_details(own)
}

/// A link of the container that has to be there.
///
/// # Errors
/// In these words when it is not; else the kernel's.
pub fn link(
    namespaces: &Namespaces,
    name: &str,
    words: impl Into<String>,
) -> Result<Rc<Link>, Error> {
    match namespaces.inside(name)? {
        Ok(link) => Ok(namespaces.remember_inside(name, link)),
        Err(error) if error.is_not_found() => Err(in_words(words, explain(error))),
        Err(error) => Err(explain(error)),
    }
}

/// What Go calls an error of the system.
pub fn cause(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::IsADirectory => "is a directory",
        io::ErrorKind::InvalidInput => "invalid argument",
        io::ErrorKind::ReadOnlyFilesystem => "read-only file system",
        _ => return None,
    })
}

/// Why a parameter could not be read or written: the reference opens a file below `/proc/sys`, and then writes to it.
pub fn of_parameter(path: &str, error: KernelError) -> Error {
    let errno = error.errno();
    let mut own = explain(error);
    let system = io::Error::from_raw_os_error(errno.unwrap_or_default());
    let attempted = match system.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => "open",
        _ => "write",
    };
    if system.kind() == io::ErrorKind::NotFound {
        own.details =
            "there is no such parameter in this namespace; `sysctl -a` shows those that are there"
                .to_owned();
    }
    match cause(&system) {
        Some(cause) => in_words(format!("{attempted} /proc/sys/{path}: {cause}"), own),
        None => own,
    }
}
