//! Records that an earlier version wrote, whose containers still run.
//!
//! They lay in one folder for all hosts that share /run, under names without a network in them, and were
//! everybody's to read and so to lock. The next call of this version takes them over, as often as somebody goes back to that
//! version and comes again.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use linkspan_state::Folder;
use linkspan_state::lock::{Lock, Mode};
use serde::Deserialize as _;
use serde_json::Value;

use super::head::{FOLDER, Found, Head, UP, bytes, file_name};

/// The registers that there were.
const PORTS: &str = "ports";
const LOCALNETS: &str = "route_localnet";

/// How long another call may take over the same.
const DEADLINE: Duration = Duration::from_secs(10);

/// Takes over what an earlier version left, if there is anything.
///
/// What is there goes when all of it is copied, so that one who is killed is followed by one who goes on.
pub(super) fn adopt() -> io::Result<()> {
    if Folder::of_all_if_there(FOLDER)?.is_none() {
        return Ok(());
    }
    let all = Folder::of_all("")?;
    let _lock = Lock::take(all.again()?.into(), Mode::Alone, DEADLINE)?;
    let Some(earlier) = all.folder_if_there(FOLDER)? else {
        return Ok(());
    };
    let own = Folder::of_host(FOLDER)?;
    let mut names = HashMap::new();
    let mut localnets = Vec::new();
    for name in earlier.names()? {
        // Not renamed: somebody may have the file open, and lock it.
        match bytes(&earlier, &name)? {
            Found::Record(bytes) => {
                let record = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
                let head = Head::deserialize(&record);
                let new = head.map_or_else(
                    |_| name.clone(),
                    |head| file_name(head.plugin(), &head.owner()),
                );
                // Where both are there, the earlier version has attached last.
                own.write(&new, &bytes)?;
                localnets.extend(interfaces(&record).map(|interface| (interface, new.clone())));
                names.insert(name, new);
            }
            // Folders, of which more below.
            Found::Unreadable | Found::Nothing => {}
        }
    }
    lead_claims(&earlier, &own, &names)?;
    note_interfaces(&earlier, &own, &localnets)?;
    drop(earlier);
    all.remove_all(FOLDER)
}

/// The interfaces by which 127.0.0.1 reaches what a record publishes.
fn interfaces(record: &Value) -> impl Iterator<Item = String> {
    let parts = record["parts"].as_array().into_iter().flatten();
    parts.filter_map(|part| Some(part["publishedPorts"]["localnet"].as_str()?.to_owned()))
}

/// Claims lead to the records by their new names.
fn lead_claims(earlier: &Folder, own: &Folder, names: &HashMap<String, String>) -> io::Result<()> {
    let Some(earlier) = earlier.folder_if_there(PORTS)? else {
        return Ok(());
    };
    let (ports, _lock) = register(own, PORTS)?;
    for thing in earlier.names()? {
        let Some(claims) = earlier.folder_if_there(&thing)? else {
            continue;
        };
        for claim in claims.names()? {
            let target = claims.link_target(&claim)?;
            let old = target
                .as_deref()
                .and_then(|target| target.strip_prefix(UP).ok());
            if let Some(new) = old.and_then(Path::to_str).and_then(|old| names.get(old)) {
                ports
                    .folder(&thing)?
                    .link(&claim, Path::new(UP).join(new))?;
            }
        }
    }
    Ok(())
}

/// An interface that was set was an empty file; now who needs it is told.
fn note_interfaces(earlier: &Folder, own: &Folder, users: &[(String, String)]) -> io::Result<()> {
    let Some(earlier) = earlier.folder_if_there(LOCALNETS)? else {
        return Ok(());
    };
    let (localnets, _lock) = register(own, LOCALNETS)?;
    for interface in earlier.names()? {
        let users = users.iter().filter(|(used, _)| *used == interface);
        let interface = localnets.folder(&interface)?;
        for (_, record) in users {
            interface.link(record, Path::new(UP).join(record))?;
        }
    }
    Ok(())
}

/// A [register](crate::register), locked.
fn register(own: &Folder, name: &str) -> io::Result<(Folder, Lock)> {
    let folder = own.folder(name)?;
    let lock = Lock::take(folder.again()?.into(), Mode::Alone, DEADLINE)?;
    Ok((folder, lock))
}
