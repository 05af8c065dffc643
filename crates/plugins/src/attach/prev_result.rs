//! The result that CHECK compares with.

use linkspan_plugin::Call;
use linkspan_plugin::spec::{Error, ErrorCode, Success};

/// The result of ADD that the runtime sends with CHECK.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when there is none, and when it cannot be read.
pub fn require_prev_result<C>(call: &Call<'_, C>) -> Result<Success, Error> {
    call.prev_result()?.ok_or_else(|| {
        Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            "Required prevResult missing",
        )
        .with_details(
            "CHECK compares with the result of ADD, which the runtime sends as prevResult",
        )
    })
}
