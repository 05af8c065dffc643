//! Addresses from the IPAM plugin, and the container's link: which comes first, and which goes first.
//!
//! An IPAM plugin that speaks through the link, as dhcp does, finds it there on ADD and on DEL. Ours that need no link are
//! asked before it is made: everything can then be made at once.

use linkspan_plan::fault::all;
use linkspan_plugin::spec::{Error, ErrorCode, Success};
use linkspan_plugin::{Ipam, Undo};

/// The addresses that the IPAM plugin gives, at least one; `undo` gives them back.
///
/// # Errors
/// Those of the IPAM plugin; [`ErrorCode::DECODING_FAILURE`] when it gave no address.
pub fn lease<'i: 'u, 'u>(ipam: &Ipam<'i>, undo: &mut Undo<'u>) -> Result<Success, Error> {
    has_address(ipam.add(undo)?)
}

/// An error of the IPAM plugin's when its result has no address.
///
/// # Errors
/// [`ErrorCode::DECODING_FAILURE`]
pub(super) fn has_address(result: Success) -> Result<Success, Error> {
    if result.ips.is_empty() {
        return Err(Error::new(
            ErrorCode::DECODING_FAILURE,
            "IPAM plugin returned missing IP config",
        )
        .with_details("the IPAM plugin answered without an address; look at its configuration"));
    }
    Ok(result)
}

/// Has the IPAM plugin free addresses by `ask`, and frees the rest of an attachment: the addresses first where the IPAM
/// plugin needs the link, else last, when nobody has them any more.
///
/// # Errors
/// All that could not be freed, after everything else was.
pub fn free<'i>(
    ipam: Result<Option<Ipam<'i>>, Error>,
    ask: fn(&Ipam<'i>) -> Result<(), Error>,
    rest: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    match ipam {
        Ok(None) => rest(),
        Ok(Some(ipam)) if ipam.needs_link() => all([ask(&ipam), rest()]),
        Ok(Some(ipam)) => all([rest(), ask(&ipam)]),
        Err(error) => all([rest(), Err(error)]),
    }
}
