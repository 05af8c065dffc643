//! The sandbox, namespaces and assertions of Linkspan's tests.
//!
//! A test of a network plugin needs interfaces, routes and firewall rules to spoil, and must touch none of the
//! machine's own. [`sandbox`](fn@sandbox) gives the body of a `#[test]` such a place:
//!
//! ```no_run
//! use linkspan_testkit::{Plugins, sandbox};
//! use serde_json::json;
//!
//! // #[test]
//! fn two_containers_talk() {
//!     sandbox(|host| {
//!         let (a, b) = (host.netns("a"), host.netns("b"));
//!         let plugins = Plugins::reference();
//!         let network = json!({
//!             "cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "cni0",
//!             "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" }
//!         });
//!         plugins.add(&network, "a", &a, "eth0").success();
//!         plugins.add(&network, "b", &b, "eth0").success();
//!         a.ping("10.22.0.3");
//!     });
//! }
//! ```
//!
//! Everything here is a black box around the kernel and the plugins: it looks through `ip`, `nft` and files, never through
//! Linkspan's own code, so that the code is not judged by itself. It panics where a test should fail, with what was run
//! and what came back; none of it is for anything but tests.
#![deny(unsafe_code)]

mod background;
mod command;
mod config;
mod crash;
mod dhcp;
pub mod document;
mod features;
mod iptables;
mod netns;
mod plugins;
mod runtimes;
mod sandbox;
mod snapshot;
mod tally;
mod topology;
mod tracer;
mod traffic;
mod vm;

pub use background::Background;
pub use command::{Cmd, Output};
pub use config::{Family, VERSIONS, address, in_version, with, with_prev_result};
pub use crash::{
    Kill, fail_at_syscall, kill_at_every_change, kill_at_every_syscall, kill_at_syscall,
    lose_every_answer,
};
pub use dhcp::{
    Content, DhcpDaemon, DhcpMessage, DhcpServer, Given, Packet, Pool, ScriptedServer, Software,
    Wiretap, dhcp_option,
};
pub use features::{Feature, needs};
pub use iptables::iptables;
pub use netns::Netns;
pub use plugins::{Attachment, Call, Outcome, PLUGIN_NAMES, Plugins};
pub use runtimes::{Containerd, Cri, Pod, PodConfig, Podman, Protocol};
pub use sandbox::{Sandbox, Setup, sandbox};
pub use snapshot::{Snapshot, tells_of_calls};
pub use tally::{Tally, whole};
pub use topology::Outside;
pub use tracer::{Fault, Syscall, errno, trace};
pub use traffic::{Echo, UdpClient};

/// Tests that are each made for several subjects. `works: ipvlan vlan;` makes the tests `works::ipvlan` and `works::vlan`,
/// which call the function `works` with what the functions `ipvlan` and `vlan` give.
#[macro_export]
macro_rules! tests_for {
    ($($(#[$doc:meta])* $case:ident: $($subject:ident)+;)+) => {$(
        $(#[$doc])*
        mod $case {
            $(#[test] fn $subject() { super::$case(super::$subject()); })+
        }
    )+};
}

/// An array of tuples with a line for each, however long: what stands in braces is not for rustfmt.
#[macro_export]
macro_rules! rows {
    ($($row:expr),+ $(,)?) => { [$($row),+] };
}
