//! The implementations of iptables.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A search path on which the commands of iptables are those of one implementation, `nft` or `legacy`, as
/// `update-alternatives` has it; for the variable PATH of a call.
///
/// # Panics
/// When it is not installed.
#[track_caller]
#[must_use]
pub fn iptables(variant: &str) -> String {
    let directory = format!("/opt/cni/iptables-{variant}");
    fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("{directory}: {error}"));
    for command in ["iptables", "ip6tables"] {
        for verb in ["", "-save", "-restore"] {
            let target = format!("/usr/sbin/{command}-{variant}{verb}");
            // Links to links: the program looks at the name by which it was called.
            let link = match fs::canonicalize(&target) {
                Ok(program) => symlink(
                    program,
                    Path::new(&directory).join(format!("{command}{verb}")),
                ),
                Err(error) => Err(error),
            };
            match link {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    panic!("{target}: {error}")
                }
                _ => {}
            }
        }
    }
    let path = env::var("PATH").unwrap_or_default();
    format!("{directory}:{path}:/usr/sbin:/sbin")
}
