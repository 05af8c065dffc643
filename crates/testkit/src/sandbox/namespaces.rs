//! Programs in namespaces of their own.

use std::fs;

use crate::command::Cmd;

/// Namespaces of their own for all that a test may change.
pub(super) const ALL: [&str; 8] = [
    "--net",
    "--mount",
    "--pid",
    "--ipc",
    "--uts",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// The program in new namespaces, and in a user namespace around them when this process may make none by itself.
///
/// That one comes first and has its root before the others are made: what the kernel's legacy iptables shows in /proc
/// belongs to whoever is root when the network is made.
pub(crate) fn unshared(program: Cmd, namespaces: &[&str]) -> Cmd {
    let program = program.under(&[&["unshare"], namespaces, &["--"]].concat());
    if may_make_namespaces() {
        program
    } else {
        program.under(&["unshare", "--user", "--map-root-user", "--"])
    }
}

/// Whether namespaces need no user namespace around them: `CAP_NET_ADMIN` (12) and `CAP_SYS_ADMIN` (21) are at hand.
fn may_make_namespaces() -> bool {
    const NEEDED: u64 = 1 << 12 | 1 << 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|capabilities| u64::from_str_radix(capabilities.trim(), 16).ok())
        .is_some_and(|capabilities| capabilities & NEEDED == NEEDED)
}
