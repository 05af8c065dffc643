//! What the plugins that make an interface, or adjust one, share.

pub mod configure;
mod detach;
mod host_end;
pub mod mac;
mod mtu;
mod prev_result;
mod uplink;

pub use detach::{Detach, collect_links};
pub use host_end::host_end;
pub use mtu::{Mtu, require_room};
pub use prev_result::require_prev_result;
pub use uplink::uplink;

/// A text that says something: an empty one is as good as none, as in the reference.
pub fn not_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
