//! The result of the plugins before.

use linkspan_plugin::Call;
use linkspan_plugin::spec::{Command, Error, ErrorCode, Success};

/// What most say on CHECK.
pub const PREV_RESULT_MISSING: &str = "Required prevResult missing";

/// The result that the runtime sends along: on ADD that of the plugin before this one, on CHECK and DEL
/// that of the whole ADD.
///
/// `missing` are the words when there is none: each of the reference plugins has its own.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when there is none, and when it cannot be read.
pub fn require_prev_result<C>(call: &Call<'_, C>, missing: &str) -> Result<Success, Error> {
    call.prev_result()?.ok_or_else(|| {
        let error = Error::new(ErrorCode::INVALID_NETWORK_CONFIG, missing);
        error.with_details(match call.invocation().command {
            Command::Add => {
                "this plugin adjusts what another has attached: it must be called as a chained plugin, in \
                 \"plugins\" after the one that makes the interface"
            }
            _ => "CHECK compares with the result of ADD, which the runtime sends as prevResult",
        })
    })
}
