//! `firewall` after `bridge`, judged by the traffic that passes: on hosts that forward everything and on hosts that forward
//! nothing, whichever program said so.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

/// One test for each line, all of one function that takes the sandbox and what stands in the line.
macro_rules! cases {
    ($function:ident: $($(#[$doc:meta])* $name:ident($($argument:expr),+);)+) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            linkspan_testkit::sandbox(|sandbox| $function(sandbox, $($argument),+));
        }
    )+};
}

mod firewalld;
mod former;
mod forward;
mod iptables;
mod neighbours;
mod policy;
mod published;
mod upkeep;
mod verbs;
mod world;
