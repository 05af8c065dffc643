//! Places that a command finds in a bad state: a full disk, directories that are read-only, a host without `/proc` or `/sys`.
//!
//! What is told there is an error that names what is wrong and says what to do, or a success that is one. When the place is mended, all
//! holds that holds behind a fault.

use linkspan_testkit::{Cmd, Outcome, Sandbox};

/// A place, for as long as one command runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) name: &'static str,
    /// What makes it so.
    state: Bad,
    /// One of these words is in an error: what is wrong.
    named: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
enum Bad {
    /// No block of this file system is free.
    Full(&'static str),
    /// A line of shell, for the command's own view of the mounts.
    Mounted(&'static str),
}

const FULL: &[&str] = &["No space left on device"];
const READ_ONLY: &[&str] = &["Read-only file system"];

/// All of them.
pub(crate) const PLACES: [Place; 6] = [
    place("/var/lib/cni is full", Bad::Full("/var/lib/cni"), FULL),
    place("/run is full", Bad::Full("/run"), FULL),
    place(
        "/run is read-only",
        Bad::Mounted("mount -o remount,bind,ro /run"),
        READ_ONLY,
    ),
    place(
        "/var/lib/cni is read-only",
        Bad::Mounted("mount -o remount,bind,ro /var/lib/cni"),
        READ_ONLY,
    ),
    place(
        "no /proc",
        Bad::Mounted("mount -t tmpfs -o ro none /proc"),
        &["/proc"],
    ),
    place(
        "no /sys",
        Bad::Mounted("mount -t tmpfs -o ro none /sys"),
        &["/sys"],
    ),
];

const fn place(name: &'static str, state: Bad, named: &'static [&'static str]) -> Place {
    Place { name, state, named }
}

impl Place {
    /// Runs a command there; the place is mended when this returns.
    pub(crate) fn run(&self, host: &Sandbox, command: Cmd) -> Outcome {
        match self.state {
            Bad::Full(dir) => {
                // The filler is where nobody looks for what a plugin has left.
                host.run(&format!(
                    "mount -o remount,size=4m {dir}; head -c 5M /dev/zero >{dir}/.filler 2>/dev/null || true"
                ));
                let outcome = command.run_as_plugin();
                host.run(&format!("rm {dir}/.filler"));
                outcome
            }
            Bad::Mounted(line) => {
                let script = format!("{line} && exec \"$@\"");
                let namespace = ["unshare", "--mount", "--", "sh", "-c", &script, "sh"];
                command.under(&namespace).run_as_plugin()
            }
        }
    }

    /// How lines about what stays behind a DEL or a GC begin: where nothing can be removed no runtime waits for it, and GC removes it
    /// when it can be.
    pub(crate) fn stays(&self) -> Option<&'static str> {
        (self.named == READ_ONLY).then_some("+ file /run/cni/")
    }

    /// Whether an error says what is wrong, and what to do.
    pub(crate) fn is_named(&self, outcome: &Outcome) -> Result<(), String> {
        let told = &outcome.output;
        let text = format!("{}{}", told.stdout, told.stderr);
        if !self.named.iter().any(|word| text.contains(word)) {
            return Err(format!("it does not say what is wrong: {told}"));
        }
        let advice = outcome.json.as_ref().map(|json| &json["details"]);
        match advice.map(|advice| advice.as_str().unwrap_or_default()) {
            Some("") => Err(format!("it does not say what to do: {told}")),
            _ => Ok(()),
        }
    }
}
