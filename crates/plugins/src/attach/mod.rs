//! What the plugins that make an interface, or adjust one, share.

pub mod configure;
mod detach;
mod host_end;
mod interface;
mod lease;
pub mod mac;
mod mtu;
mod prev_result;
pub mod routes;
mod uplink;

pub use detach::{Detach, collect_links};
pub use host_end::host_end;
pub use interface::{
    attached, attached_host_end, container_interface, host_interface, own_interface, told_mac,
    veth_end,
};
pub use lease::lease;
pub use mtu::{Mtu, require_room};
pub use prev_result::require_prev_result;
pub use uplink::uplink;

/// A text that says something: an empty one is as good as none, as in the reference.
pub fn not_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
