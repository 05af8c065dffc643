//! What the plugins that make an interface, or adjust one, share.

mod another;
mod backend;
pub mod configure;
mod container_interface;
mod detach;
mod dns;
mod host_end;
mod interface;
mod lease;
pub mod mac;
mod master;
mod mtu;
mod namespaces;
mod owner;
mod prev_result;
pub mod routes;
mod uplink;
mod work;

pub use another::{is_of_another, mac_tells, namespaces_if_own};
pub use backend::{BACKENDS, MasqueradeBackend, backend};
pub use configure::Manner;
pub use container_interface::{ContainerInterface, container_link};
pub use detach::{Detach, collect_links};
pub use dns::OwnDns;
pub use host_end::host_end;
pub use interface::{
    attached, attached_host_end, attached_on_host, container_interface, host_interface,
    own_interface, told_mac, veth_end,
};
pub use lease::{free, lease};
pub use master::{Master, require_up};
pub use mtu::{Mtu, require_room};
pub use namespaces::{namespaces, namespaces_if_there, opened};
pub use owner::owner_of;
pub use prev_result::{PREV_RESULT_MISSING, require_prev_result};
pub use uplink::uplink;
pub use work::{Work, told};

use linkspan_plugin::spec::{Error, ErrorCode};

/// A text that says something: an empty one is as good as none, as in the reference.
pub fn not_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// An error when there is no IPAM plugin, for plugins whose interfaces must have an address.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`]
pub fn require_ipam(ipam_type: Option<String>, plugin: &str) -> Result<(), Error> {
    match not_empty(ipam_type) {
        Some(_) => Ok(()),
        None => Err(Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!("{plugin} interface requires an IPAM configuration"),
        )
        .with_details(
            "set \"ipam\", such as { \"type\": \"host-local\", \"subnet\": \"10.22.0.0/16\" }",
        )),
    }
}
