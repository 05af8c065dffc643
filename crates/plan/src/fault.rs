//! What an error of the kernel means to the people who run a plugin.

use linkspan_kernel::Error as KernelError;
use linkspan_spec::Error;

/// The error that a plugin prints: the kernel's words, and what to do.
pub fn explain(error: KernelError) -> Error {
    error.into()
}

/// The same, with what was attempted in the plan's words instead of the kernel crate's.
pub fn explain_step(step: &(impl std::fmt::Display + ?Sized), error: &KernelError) -> Error {
    let cause = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    let words = error
        .ext_ack()
        .map(|words| format!(" ({words})"))
        .unwrap_or_default();
    Error::from(error).with_msg(format!("cannot {step}: {cause}{words}"))
}

/// What came of undoing or removing something: what is gone already is well.
///
/// # Errors
/// What else the kernel says.
pub fn gone(outcome: Result<(), KernelError>) -> Result<(), Error> {
    match outcome {
        Err(error) if !error.is_not_found() => Err(explain(error)),
        _ => Ok(()),
    }
}

/// Does everything, then tells the errors of all that failed as one.
///
/// # Errors
/// The first, with the messages of the others.
pub fn all(outcomes: impl IntoIterator<Item = Result<(), Error>>) -> Result<(), Error> {
    let errors: Vec<Error> = outcomes.into_iter().filter_map(Result::err).collect();
    let Some(first) = errors.first() else {
        return Ok(());
    };
    let messages: Vec<&str> = errors.iter().map(|error| error.msg.as_str()).collect();
    Err(first.clone().with_msg(messages.join("; ")))
}

#[cfg(test)]
mod tests {
    use std::io;

    use linkspan_spec::ErrorCode;
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_may_go_well_later_says_so() {
        for (errno, expected) in [
            (Errno::INTR, ErrorCode::TRY_AGAIN_LATER),
            (Errno::AGAIN, ErrorCode::TRY_AGAIN_LATER),
            (Errno::NOMEM, ErrorCode::TRY_AGAIN_LATER),
            (Errno::PERM, ErrorCode::INTERNAL),
        ] {
            let failed = || {
                let source = io::Error::from_raw_os_error(errno.raw_os_error());
                KernelError::new("list", "links", source)
            };
            let told = explain(failed());
            assert_eq!(told.code, expected, "{told:?}");
            assert!(!told.details.is_empty());
            assert_eq!(explain_step(&"list links", &failed()).code, expected);
        }
    }
}
