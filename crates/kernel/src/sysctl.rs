//! Kernel parameters under `/proc/sys`, in the calling thread's namespace.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::Error;

/// Reads a parameter, without the newline at its end.
///
/// `path` is below `/proc/sys` and separated by slashes (`net/ipv6/conf/eth0.5/accept_ra`), since
/// names of links can hold dots.
///
/// # Errors
/// [`is_not_found`](Error::is_not_found) when there is no such parameter; `EINVAL` when the path leads out
/// of `/proc/sys`.
pub fn read(path: &str) -> Result<String, Error> {
    file(path)
        .and_then(fs::read_to_string)
        .map(|value| value.trim_end().to_owned())
        .map_err(|error| failed("read", path, error))
}

/// Writes a parameter.
///
/// # Errors
/// [`is_not_found`](Error::is_not_found) when there is no such parameter; `EINVAL` when the path leads out
/// of `/proc/sys`.
pub fn write(path: &str, value: &str) -> Result<(), Error> {
    file(path)
        .and_then(|file| fs::OpenOptions::new().write(true).open(file))
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| failed(&format!("write {value:?} to"), path, error))
}

fn file(path: &str) -> io::Result<PathBuf> {
    if path.split('/').any(|part| part == "..") {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    Ok(PathBuf::from("/proc/sys").join(path.trim_start_matches('/')))
}

fn failed(operation: &str, path: &str, error: io::Error) -> Error {
    Error::new(operation, format!("the kernel parameter {path}"), error)
}
