//! Linkspan's plugins and the reference's, timed beside each other: `make bench`.
//!
//! Absolute times belong to a machine and to a moment; so each run of ours is paired with one of the
//! reference in the same sandbox, in turn, and what counts is the ratio of each pair. What does not depend
//! on the machine is counted, too: the processes that one call starts, and the netlink messages that it
//! sends.
//!
//! `LINKSPAN_BIN` is the folder of the release binary, `CNI_REFERENCE` that of the reference plugins
//! (Debian's by default). Arguments choose scenarios by a part of their names.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report")]

mod call;
mod contestant;
mod floor;
mod report;
mod scenarios;
mod stats;

use std::env;
use std::time::Duration;

use linkspan_testkit::Setup;

/// For one scenario. The reference needs minutes for thousands of ports.
const DEADLINE: Duration = Duration::from_secs(600);

fn main() {
    // Cargo and the sandbox pass options of test harnesses.
    let wanted: Vec<String> = env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    if env::var_os("LINKSPAN_SANDBOX").is_none() {
        println!("{}", report::HEAD);
    }
    for (name, scenario) in scenarios::ALL {
        if is_wanted(name) {
            Setup::default()
                .named(*name)
                .deadline(DEADLINE)
                .sandbox(|host| {
                    for row in scenario(host) {
                        println!("{row}");
                    }
                });
        }
    }
}
