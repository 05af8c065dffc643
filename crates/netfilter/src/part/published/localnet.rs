//! `route_localnet`: the host reaches published ports by 127.0.0.1.
//!
//! Without it, the kernel drops packets of 127.0.0.0/8 that are to leave by, or came in by, another
//! interface than `lo`, as a connection to 127.0.0.1 does once it is led to a container. With it, neighbours
//! on that interface could send to the host's own 127.0.0.1 as well, so the rules that drop such packets
//! come first. The interface may be one that stays, such as a bridge; it is set back when the last published
//! port is gone.

use std::fs;
use std::io;
use std::path::PathBuf;

use linkspan_kernel::sysctl;
use linkspan_spec::Error;

use super::iptables;
use crate::fault::explain;
use crate::record::{Records, failed, lock};

/// Lets packets of 127.0.0.0/8 pass an interface, and keeps in mind that it was not so before.
pub(super) fn enable(interface: &str, records: &Records) -> Result<(), Error> {
    let parameter = parameter(interface);
    let directory = directory(records);
    let _lock = lock(&directory)?;
    match sysctl::read(&parameter) {
        Ok(value) if value == "1" => return Ok(()),
        _ => {}
    }
    let mark = directory.join(interface);
    fs::File::create(&mark).map_err(|error| failed("create", &mark, &error))?;
    sysctl::write(&parameter, "1").map_err(|error| {
        explain(error).with_details(
            "published ports answer to 127.0.0.1 with it alone; /proc/sys must be writable, or \
             \"snat\" be false",
        )
    })
}

/// What is not as [`enable`] leaves it.
pub(super) fn difference(interface: &str) -> Option<String> {
    let parameter = parameter(interface);
    let found = match sysctl::read(&parameter) {
        Ok(value) if value == "1" => return None,
        Ok(value) => value,
        Err(error) => error.to_string(),
    };
    Some(format!("expected {parameter} to be 1, found {found}"))
}

/// Leaves an interface as it is: the reference plugins, which set it too, never set it back.
pub(super) fn hand_over(interface: &str, records: &Records) -> Result<(), Error> {
    let mark = directory(records).join(interface);
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", &mark, &error))
        }
        _ => Ok(()),
    }
}

/// Sets every interface back, unless there is an attachment again.
pub(super) fn restore(records: &Records) -> Result<(), Error> {
    let directory = directory(records);
    if !directory.exists() {
        return Ok(());
    }
    let _lock = lock(&directory)?;
    if !records.is_empty() {
        return Ok(());
    }
    for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        match sysctl::write(&parameter(&name.to_string_lossy()), "0") {
            Err(error) if !error.is_not_found() => return Err(explain(error)),
            _ => {}
        }
        let mark = entry.path();
        fs::remove_file(&mark).map_err(|error| failed("remove", &mark, &error))?;
    }
    iptables::remove_guard()
}

fn parameter(interface: &str) -> String {
    format!("net/ipv4/conf/{interface}/route_localnet")
}

/// The interfaces that were set, an empty file each.
fn directory(records: &Records) -> PathBuf {
    records.directory().join("route_localnet")
}
