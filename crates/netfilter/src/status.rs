//! Whether netfilter can be used.

use linkspan_spec::{Error, ErrorCode};

use super::backend::Backend;
use super::fault::explain;
use super::firewalld;
use super::iptables;
use super::ruleset::Ruleset;

/// Whether attachments can be set up with this backend.
///
/// # Errors
/// [`ErrorCode::PLUGIN_NOT_AVAILABLE`] with what is missing.
pub fn status(backend: Option<Backend>) -> Result<(), Error> {
    let unavailable = |error: Error| {
        let text = format!("netfilter cannot be used: {}", error.msg);
        Error::new(ErrorCode::PLUGIN_NOT_AVAILABLE, text).with_details(error.details)
    };
    match backend {
        Some(Backend::Iptables) => iptables::probe().map_err(unavailable),
        Some(Backend::Firewalld) => firewalld::probe()
            .and_then(|()| probe_nftables())
            .map_err(unavailable),
        Some(Backend::Nftables) => probe_nftables().map_err(unavailable),
        None => probe_nftables()
            .or_else(|error| iptables::probe().map_err(|_other| error))
            .map_err(unavailable),
    }
}

pub(super) fn probe_nftables() -> Result<(), Error> {
    Ruleset::open()
        .and_then(|ruleset| ruleset.probe())
        .map_err(explain)
}
