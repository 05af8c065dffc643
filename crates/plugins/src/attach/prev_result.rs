//! The result of the plugins before.

use linkspan_plugin::Call;
use linkspan_plugin::spec::{Command, Error, ErrorCode, Success};

/// The result that the runtime sends along: on ADD that of the plugin before this one, on CHECK and DEL
/// that of the whole ADD.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when there is none, and when it cannot be read.
pub fn require_prev_result<C>(call: &Call<'_, C>) -> Result<Success, Error> {
    call.prev_result()?.ok_or_else(|| {
        let error = Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            "Required prevResult missing",
        );
        error.with_details(match call.invocation().command {
            Command::Add => {
                "this plugin adjusts what another has attached: it must be called as a chained plugin, in \
                 \"plugins\" after the one that makes the interface"
            }
            _ => "CHECK compares with the result of ADD, which the runtime sends as prevResult",
        })
    })
}
