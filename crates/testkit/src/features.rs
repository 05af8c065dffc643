//! What a test needs of the kernel beyond what every machine has.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::command::Cmd;
use crate::sandbox::{Setup, unshared};

/// A part of the kernel that may be missing from the machine that runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Feature {
    /// Bridges that have frames pass netfilter's rules for routed packets.
    BridgeNetfilter,
    /// Bridges that filter by VLAN.
    BridgeVlanFiltering,
    /// Interfaces of kind dummy.
    Dummy,
    /// Interfaces of kind ipvlan.
    Ipvlan,
    /// Interfaces of kind macvlan.
    Macvlan,
    /// The queueing discipline that delays and drops.
    Netem,
    /// Sockets of SCTP.
    Sctp,
    /// Tap devices.
    Tap,
    /// Interfaces of kind vlan (802.1Q).
    Vlan,
    /// Interfaces of kind vrf.
    Vrf,
    /// What no test may need; the harness's own tests use it to get into the virtual machine from anywhere.
    VirtualMachine,
}

impl Feature {
    /// Lines of shell that succeed, in a network namespace of their own, where the kernel has it. `ip` takes a name of one or
    /// two letters for the beginning of a keyword, so names are longer.
    fn probe(self) -> &'static str {
        match self {
            // A module that nothing loads by itself.
            Self::BridgeNetfilter => {
                "[ -e /proc/sys/net/bridge ] || modprobe br_netfilter || /.linkspan-vm/modprobe br_netfilter"
            }
            Self::BridgeVlanFiltering => {
                "ip link add br0 type bridge vlan_filtering 1
                 ip link add port0 type veth peer name port1
                 ip link set port0 master br0
                 bridge vlan add dev port0 vid 7"
            }
            Self::Dummy => "ip link add dummy7 type dummy",
            Self::Ipvlan => {
                "ip link add parent0 type veth; ip link add ipvlan0 link parent0 type ipvlan mode l3s"
            }
            Self::Macvlan => {
                "ip link add parent0 type veth; ip link add macvlan0 link parent0 type macvlan mode bridge"
            }
            Self::Netem => "tc qdisc add dev lo root netem delay 1ms",
            Self::Sctp => {
                "perl -MSocket -e 'socket(my $socket, AF_INET, SOCK_STREAM, 132) or exit 1'"
            }
            Self::Tap => "ip tuntap add dev tap0 mode tap",
            Self::Vlan => {
                "ip link add parent0 type veth; ip link add vlan7 link parent0 type vlan id 7"
            }
            Self::Vrf => "ip link add vrf7 type vrf table 7",
            Self::VirtualMachine => "test -e /.linkspan-vm",
        }
    }

    /// Whether the kernel that runs this process has it; asked once in a process.
    pub(crate) fn is_here(self) -> bool {
        static KNOWN: Mutex<BTreeMap<Feature, bool>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        *known
            .entry(self)
            .or_insert_with(|| unshared(Cmd::shell(self.probe()), &["--net"]).output().ok())
    }
}

/// The features of the kernel that a test needs. Where this machine's kernel lacks one, the same test of the same
/// executable runs in a virtual machine that has them all:
///
/// ```no_run
/// use linkspan_testkit::{Feature, needs};
///
/// needs(&[Feature::Ipvlan]).sandbox(|host| {
///     host.run("ip link add e0 type veth peer name e1; ip link add link e0 name i0 type ipvlan mode l2");
/// });
/// ```
#[must_use]
pub fn needs(features: &[Feature]) -> Setup {
    Setup::default().needs(features)
}
