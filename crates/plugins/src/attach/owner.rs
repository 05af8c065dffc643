//! The attachment that a call is about.

use linkspan_netfilter::Owner;
use linkspan_plugin::Call;
use linkspan_plugin::spec::Error;

/// The attachment that a call is about.
///
/// # Errors
/// On STATUS, which is about none.
pub fn owner_of<C>(call: &Call<'_, C>) -> Result<Owner, Error> {
    Ok(Owner::new(
        call.network(),
        call.container_id()?,
        call.ifname()?,
    ))
}
