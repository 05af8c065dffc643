//! Linkspan's plugins and the reference's, timed beside each other: `make bench`.
//!
//! Absolute times belong to a machine and to a moment; so each run of ours is paired with one of the
//! reference in the same sandbox, in turn, and what counts is the ratio of each pair. What does not depend
//! on the machine is counted, too: the processes that one call starts, and the netlink messages that it
//! sends.
//!
//! # Eight netlink messages
//! An ADD of bridge + host-local with ipMasq on a host that has the bridge sends, each once:
//!
//! 1. a question for the bridge, by name;
//! 2. the pair of links, each end with its name, MTU, MAC address and bridge, where it is to be, and the
//!    alias of the host's end behind it in the same datagram; the answer tells the index of both;
//! 3. that the container's addresses are to be announced, its address, the link switched on, and the route, in one
//!    datagram;
//! 4. a question for the bridge's addresses, among which the gateway's has to be;
//! 5. questions for the constant part of the ruleset and for whoever has the elements, in one datagram;
//! 6. the elements, a transaction;
//! 7. a question whether the port forwards: it does, so nothing is waited for;
//! 8. the container's MAC address once more, which has the kernel announce its addresses.
//!
//! The first ADD on a host sends as many again for the bridge, its address and the ruleset's constant
//! part. DEL sends five: what has the elements, their removal, a question for the host's end, its
//! removal, and the removal of what may be left in the container.
//!
//! `LINKSPAN_BIN` is the folder that `linkspan install` put our plugins into, `CNI_REFERENCE` that of the reference
//! (Debian's by default). Arguments choose scenarios by a part of their names.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report")]

mod call;
mod contestant;
mod events;
mod floor;
mod leases;
mod pods;
mod ports;
mod report;
mod scenarios;
mod show;
mod spans;
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
