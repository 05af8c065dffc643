//! The plugins that come after one that made an interface, as a runtime calls them: `bandwidth`, `sbr`, `tuning` and `vrf`.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod bandwidth;
mod cases;
mod sbr;
mod tuning;
mod vrf;
mod world;
