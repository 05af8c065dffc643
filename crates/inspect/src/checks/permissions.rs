//! Who may write what root runs and trusts, and whether root can.

use super::{Check, quoted};
use crate::finding::Finding;
use crate::repair::Repair;
use crate::system::{Directory, Use};
use crate::{Host, System};

pub(super) const WRITABLE: Check = Check {
    id: "writable-by-others",
    title: "nobody but root writes plugins, configurations and state",
    looks_at: "owners and modes of the directories of plugins, configurations, results and pools, and of configurations",
    find: writable,
};

/// The bits of a mode by which the group and everybody may write.
const GROUP: u32 = 0o020;
const EVERYBODY: u32 = 0o002;

fn writable(_: &Host, system: &System) -> Vec<Finding> {
    let finding = |place: &Directory| {
        let path = place.path.display().to_string();
        let why = match place.purpose {
            Use::Plugins => {
                "Whoever writes there has his programs run as root, by the next container."
            }
            Use::Configurations => {
                "Whoever writes there says what root runs, and how containers are attached."
            }
            Use::State => {
                "Whoever writes there decides on addresses, and what is removed with which container."
            }
        };
        let others = place.mode & (GROUP | EVERYBODY);
        let by_group = others & GROUP != 0 && place.group != 0;
        if others & EVERYBODY != 0 || by_group {
            let who = if others & EVERYBODY != 0 {
                "everybody"
            } else {
                "its group"
            };
            let finding = WRITABLE
                .error(&path, format!("{who} may write to {path}"))
                .why(why);
            let repair = Repair::Mode {
                path: place.path.clone(),
                mode: place.mode & !(GROUP | EVERYBODY),
            };
            // What a link leads to may be for others as well: somebody has to look at it.
            let repair = Some(repair).filter(|_| !place.is_link);
            let command = format!("chmod go-w {}", quoted(&path));
            return Some(finding.run(command).repaired_by(repair));
        }
        let owner = place.owner.filter(|owner| *owner != 0)?;
        let what = format!("user {owner} owns {path}, and may write to it");
        Some(
            WRITABLE
                .error(&path, what)
                .why(why)
                .run(format!("chown root:root {}", quoted(&path))),
        )
    };
    system.directories.iter().filter_map(finding).collect()
}

pub(super) const READ_ONLY: Check = Check {
    id: "state-read-only",
    title: "the state can be written",
    looks_at: "the file systems of results and pools",
    find: read_only,
};

fn read_only(_: &Host, system: &System) -> Vec<Finding> {
    let places = state(system).filter(|place| place.read_only);
    let finding = |place: &Directory| {
        let path = place.path.display().to_string();
        let what = format!("{path} is on a file system that is mounted read-only");
        if place.path.starts_with("/run") {
            return READ_ONLY
                .warning(&path, what)
                .why("Records of attachments lie below /var/lib/cni instead; leases of DHCP and the calls of plugins are not kept.")
                .advise("Mount a tmpfs there, as every distribution does at boot.");
        }
        READ_ONLY
            .error(&path, what)
            .why("No container can be attached, and no address be given back.")
            .advise(
                "Mount it so that it can be written; `dmesg` tells if the kernel has switched it to read-only after an error.",
            )
    };
    places.map(finding).collect()
}

pub(super) const NO_SPACE: Check = Check {
    id: "state-no-space",
    title: "there is room for state",
    looks_at: "free bytes and files on the file systems of results and pools",
    find: no_space,
};

/// What a file system should have room for: some hundred attachments.
const FEW_BYTES: u64 = 1 << 20;
const FEW_FILES: u64 = 100;

fn no_space(_: &Host, system: &System) -> Vec<Finding> {
    let finding = |place: &Directory| {
        let path = place.path.display().to_string();
        let of_bytes = place.free_bytes.filter(|bytes| *bytes < FEW_BYTES);
        let of_files = place.free_files.filter(|files| *files < FEW_FILES);
        let what = match (of_bytes, of_files) {
            (Some(bytes), _) => format!("{path} has room for {bytes} bytes"),
            (None, Some(files)) => format!("{path} has room for {files} files"),
            (None, None) => return None,
        };
        Some(
            NO_SPACE
                .error(&path, what)
                .why("What is attached cannot be noted, and addresses cannot be reserved.")
                .advise(format!("Make room: `df -h {0}; df -i {0}`.", quoted(&path))),
        )
    };
    state(system).filter_map(finding).collect()
}

fn state(system: &System) -> impl Iterator<Item = &Directory> {
    let places = system.directories.iter();
    places.filter(|place| place.purpose == Use::State)
}
