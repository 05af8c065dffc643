//! What there is on this host that has to do with its containers' networks, as data.
//!
//! [`Host::look`] gathers it: the networks of the configuration directories ([`network`]); what is attached, from the caches of
//! the runtimes, the pools and the kernel ([`attachment`]); the pools and who holds what ([`pool`]); network namespaces by every
//! means ([`namespace`]) and the links, addresses and routes in them ([`link`]). Each fact says where it was seen ([`Seen`]).
//! [`System`] is what else matters to containers: kernel parameters, files of plugins, modes of directories, who else manages
//! links. [`audit`] is what is wrong with the pools, [`checks`] find what is wrong with all that ([`finding`]), and [`repair`]
//! puts right what needs nobody's decision; [`removal`] is what goes with a network. [`topology`] is what is connected to what, [`traffic`] how much
//! passes.
//!
//! Nothing is changed by looking, and nobody is kept waiting: files are read without their locks, and no plugin is run. It needs
//! none of our plugins: what those of the reference have left is read in the same way. Whoever may not read something is told so
//! ([`Host::blind_spots`]), and nothing is concluded from what was not seen.
#![forbid(unsafe_code)]

pub mod attachment;
pub mod audit;
pub mod checks;
pub mod containers;
pub mod finding;
mod host;
pub mod life;
pub mod link;
pub mod namespace;
pub mod netfilter;
pub mod network;
mod places;
pub mod pool;
mod problem;
pub mod provenance;
pub mod removal;
pub mod repair;
mod seen;
pub mod system;
pub mod topology;
pub mod traffic;

pub use host::Host;
pub use places::{CACHE_DIRS, CONFIG_DIRS, Places};
pub use problem::Problem;
pub use seen::Seen;
pub use system::{System, is_linkspan, linkspan_version};
