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
/// [`is_not_found`](Error::is_not_found) when there is no such parameter.
pub fn read(path: &str) -> Result<String, Error> {
    fs::read_to_string(file(path))
        .map(|value| value.trim_end().to_owned())
        .map_err(|error| failed("read", path, error))
}

/// Writes a parameter.
///
/// # Errors
/// [`is_not_found`](Error::is_not_found) when there is no such parameter.
pub fn write(path: &str, value: &str) -> Result<(), Error> {
    fs::OpenOptions::new()
        .write(true)
        .open(file(path))
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| failed(&format!("write {value:?} to"), path, error))
}

fn file(path: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(path.trim_start_matches('/'))
}

fn failed(operation: &str, path: &str, error: io::Error) -> Error {
    Error::new(operation, format!("the kernel parameter {path}"), error)
}
