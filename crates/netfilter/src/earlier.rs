//! Records that an earlier version wrote, whose containers still run.
//!
//! They lay in one folder for all hosts that share /run, under names without a network in them, and were
//! everybody's to read and so to lock. The first call of this version takes them over, whole.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use linkspan_state::Folder;
use linkspan_state::lock::{Lock, Mode};
use serde::Deserialize as _;
use serde_json::Value;

use super::head::{FOLDER, Found, Head, UP, bytes, file_name};

/// How long another call may take over the same.
const DEADLINE: Duration = Duration::from_secs(10);

/// Takes over what an earlier version left, if there is anything; whether there is a folder of records now.
///
/// The folder moves when everything in it has its new name, so that one who is killed is followed by one who
/// goes on.
pub(super) fn adopt() -> io::Result<bool> {
    if Folder::of_all_if_there(FOLDER)?.is_none() {
        return Ok(false);
    }
    let all = Folder::of_all("")?;
    let _lock = Lock::take(all.again()?.into(), Mode::Alone, DEADLINE)?;
    let Some(earlier) = all.folder_if_there(FOLDER)? else {
        return Ok(true);
    };
    let mut names = HashMap::new();
    let mut localnets = Vec::new();
    for name in earlier.names()? {
        if let Found::Record(bytes) = bytes(&earlier, &name)?
            && let Ok(record) = serde_json::from_slice::<Value>(&bytes)
            && let Ok(head) = Head::deserialize(&record)
        {
            let new = file_name(head.plugin(), &head.owner());
            localnets.extend(interfaces(&record).map(|interface| (interface, new.clone())));
            // Not renamed: somebody may have the file open, and lock it.
            earlier.write(&new, &bytes)?;
            names.insert(name, new);
        }
    }
    lead_claims(&earlier, &names)?;
    note_interfaces(&earlier, &localnets)?;
    for name in names
        .iter()
        .filter(|(old, new)| old != new)
        .map(|names| names.0)
    {
        earlier.remove(name)?;
    }
    drop(earlier);
    all.rename(FOLDER, &Folder::of_host("")?, FOLDER)?;
    Ok(true)
}

/// The interfaces by which 127.0.0.1 reaches what a record publishes.
fn interfaces(record: &Value) -> impl Iterator<Item = String> {
    let parts = record["parts"].as_array().into_iter().flatten();
    parts.filter_map(|part| Some(part["publishedPorts"]["localnet"].as_str()?.to_owned()))
}

/// Claims lead to the records by their new names.
fn lead_claims(earlier: &Folder, names: &HashMap<String, String>) -> io::Result<()> {
    let Some(ports) = earlier.folder_if_there("ports")? else {
        return Ok(());
    };
    for port in ports.names()? {
        let Some(port) = ports.folder_if_there(&port)? else {
            continue;
        };
        for claim in port.names()? {
            let target = port.link_target(&claim);
            let old = target
                .as_deref()
                .and_then(|target| target.strip_prefix(UP).ok());
            if let Some(new) = old.and_then(Path::to_str).and_then(|old| names.get(old)) {
                port.link(&claim, Path::new(UP).join(new))?;
            }
        }
    }
    Ok(())
}

/// An interface that was set was an empty file; now who needs it is told.
fn note_interfaces(earlier: &Folder, users: &[(String, String)]) -> io::Result<()> {
    let Some(folder) = earlier.folder_if_there("route_localnet")? else {
        return Ok(());
    };
    for interface in folder.names()? {
        if folder.folder_if_there(&interface).is_ok() {
            continue;
        }
        folder.remove(&interface)?;
        let users = users.iter().filter(|(used, _)| *used == interface);
        let interface = folder.folder(&interface)?;
        for (_, record) in users {
            interface.link(record, Path::new(UP).join(record))?;
        }
    }
    Ok(())
}
