//! Every operation fails once.
//!
//! Of each plugin and each command the system calls of a clean run are counted, and then it runs again and again, each time with another
//! of them failing as it can in life, cut short, or the end of the process. `judge.rs` says what must hold after each. Where it does not,
//! `FAULT='ADD sendto 3 ENOBUFS' FAULTS=100000` before the command has that one alone.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "so a test fails, and tells what it counted"
)]

mod faults;
mod judge;
mod netlink;
mod places;
mod scene;
mod state;
mod subjects;

use std::env;
use std::time::Duration;

use linkspan_proof::{scale, whole};
use linkspan_testkit::needs;

use judge::Judge;
use scene::Scene;
use subjects::Subject;

/// How long a subject may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(1200);

/// Who runs in bad places in a smoke test, too.
const IN_BAD_PLACES: [&str; 4] = ["bridge with ipMasq", "host-local", "portmap", "bandwidth"];

fn fails_once(subject: &Subject) {
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let scene = Scene::new(host, subject);
        let mut judge = Judge::new(scene, faults_of_a_command());
        judge.every_command();
        if whole() || IN_BAD_PLACES.contains(&subject.name) {
            judge.every_place();
        }
        judge.tell();
    });
}

/// How many faults there are of each command of a subject, at most. Whoever has the night sets `FAULTS` to more than there are: some
/// thousand of an ADD.
fn faults_of_a_command() -> usize {
    let asked_for = env::var("FAULTS").ok();
    asked_for.map_or(scale(10, 60), |number| number.parse().unwrap())
}

macro_rules! subjects {
    ($($name:ident)+) => {$(
        #[test]
        fn $name() {
            fails_once(&subjects::$name());
        }
    )+};
}

subjects! {
    bridge bridge_masquerade bridge_masquerade_iptables bridge_dual_stack ptp macvlan host_device loopback tap
    host_local_alone static_alone portmap portmap_iptables firewall firewall_iptables bandwidth tuning sbr chain
}
