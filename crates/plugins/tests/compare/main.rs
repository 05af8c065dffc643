//! Linkspan's plugins and the reference plugins, side by side.
//!
//! Each line of a table (a file for each plugin) is a test: the same calls are made to both in sandboxes that are equal, and
//! after each call the exit status, the answer, the state of the kernel on both sides of the attachment, and the files
//! below `/var/lib/cni` must be the same. What chance has named (MAC addresses, the host's end of a link) is called by its
//! role before. Firewall rules are compared by what they do to traffic, not as they stand. What differs on purpose stands,
//! with its reason, in [`expected`] or beside the case.
//!
//! `CNI_REFERENCE` names the folder of the reference plugins, in place of Debian's. `LINKSPAN_PLUGINS` names the folder of
//! ours: with both the same, the comparison must find nothing, which is how it is tested itself.
#![forbid(unsafe_code)]

/// A table of cases, each a test of its own.
macro_rules! cases {
    ($($(#[$attribute:meta])* $name:ident: $case:expr;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            $case.compare();
        }
    )*};
}

mod case;
mod expected;
mod record;
mod report;
mod run;

mod bandwidth;
mod bridge;
mod chain;
mod container_link;
mod firewall;
mod handover;
mod host_device;
mod host_local;
mod identity;
mod loopback;
mod macvlan;
mod portmap;
mod protocol;
mod ptp;
mod sbr;
mod static_ipam;
mod tuning;
mod vlan;
mod vrf;
mod words;
