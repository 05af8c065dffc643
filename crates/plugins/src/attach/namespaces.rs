//! The namespaces of a call.

use linkspan_kernel::netns::{Netns, OpenError};
use linkspan_plan::Namespaces;
use linkspan_plugin::Call;
use linkspan_plugin::spec::Error;

/// The host's namespace and the container's.
///
/// # Errors
/// [`INVALID_ENVIRONMENT`](linkspan_plugin::spec::ErrorCode::INVALID_ENVIRONMENT) when CNI_NETNS leads to none.
pub fn namespaces<C>(call: &Call<'_, C>) -> Result<Namespaces, Error> {
    Namespaces::open(call.netns()?, opened(call))
}

/// The same, `None` when there is nothing, or a plain file: the mount point of a namespace that is gone.
///
/// # Errors
/// As [`namespaces`].
pub fn namespaces_if_there<C>(call: &Call<'_, C>) -> Result<Option<Namespaces>, Error> {
    match call.netns.as_deref() {
        Some(path) => Namespaces::open_if_there(path, opened(call)),
        None => Ok(None),
    }
}

/// The container's namespace: what the kit has opened and looked at, whatever is at the path by now.
///
/// # Errors
/// What was there instead.
pub fn opened<C>(call: &Call<'_, C>) -> Result<Netns, OpenError> {
    Netns::from_opened(call.namespace())
}
