//! Addresses from the IPAM plugin.

use linkspan_plugin::spec::{Error, ErrorCode};
use linkspan_plugin::{Call, Lease};

/// The addresses that the configuration's IPAM plugin gives, at least one; `None` without an IPAM plugin.
///
/// # Errors
/// Those of the IPAM plugin; [`ErrorCode::DECODING_FAILURE`] when it gave no address.
pub fn lease<'a, C>(call: &Call<'a, C>) -> Result<Option<Lease<'a>>, Error> {
    let lease = call.ipam()?.map(|ipam| ipam.add()).transpose()?;
    match &lease {
        Some(lease) if lease.result.ips.is_empty() => Err(Error::new(
            ErrorCode::DECODING_FAILURE,
            "IPAM plugin returned missing IP config",
        )
        .with_details("the IPAM plugin answered without an address; look at its configuration")),
        _ => Ok(lease),
    }
}
