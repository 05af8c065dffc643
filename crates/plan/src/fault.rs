//! What an error of the kernel means to the people who run a plugin.

use linkspan_kernel::Error as KernelError;
use linkspan_spec::Error;
use rustix::io::Errno;

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

/// The same of an address, a route or a rule, which the kernel refuses for reasons of their own.
pub(crate) fn explain_addressing(
    step: &(impl std::fmt::Display + ?Sized),
    error: &KernelError,
) -> Error {
    let explained = explain_step(step, error);
    let details = match error.errno().map(Errno::from_raw_os_error) {
        // Who may not change a network is told EPERM.
        Some(Errno::ACCESS) => {
            "IPv6 is switched off in this namespace (net.ipv6.conf.all.disable_ipv6, or ipv6.disable=1 \
             on the kernel's command line); remove what is of IPv6, or switch it on"
        }
        Some(Errno::EXIST) => {
            "it is there already; `ip address`, `ip rule` and `ip route show table all` show it"
        }
        _ => return explained,
    };
    explained.with_details(details)
}

/// The same of a queue or a filter. What the kernel does not find is then a kind that it does not know.
pub(crate) fn explain_traffic(
    step: &(impl std::fmt::Display + ?Sized),
    error: &KernelError,
) -> Error {
    let explained = explain_step(step, error);
    let details = match error.errno().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => {
            "this kernel lacks a kind of queue or filter (modules sch_tbf, sch_htb, sch_ingress, cls_u32, \
             act_mirred), or the queue went just now; `tc qdisc` shows what is there"
        }
        Some(Errno::EXIST) => "somebody else limits this link already; `tc qdisc` shows how",
        _ => return explained,
    };
    explained.with_details(details)
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

    use super::*;

    #[test]
    fn advice_is_about_what_was_attempted() {
        type Explain = fn(&str, &KernelError) -> Error;
        let cases: [(Explain, Errno, &str); 7] = [
            (
                |step, error| explain_step(step, error),
                Errno::PERM,
                "as root",
            ),
            (
                |step, error| explain_step(step, error),
                Errno::NODEV,
                "ip link",
            ),
            (
                |step, error| explain_addressing(step, error),
                Errno::ACCESS,
                "disable_ipv6",
            ),
            (
                |step, error| explain_addressing(step, error),
                Errno::EXIST,
                "ip address",
            ),
            (
                |step, error| explain_addressing(step, error),
                Errno::NETUNREACH,
                "gateway",
            ),
            (
                |step, error| explain_traffic(step, error),
                Errno::NOENT,
                "sch_tbf",
            ),
            (
                |step, error| explain_traffic(step, error),
                Errno::EXIST,
                "tc qdisc",
            ),
        ];
        for (explain, errno, words) in cases {
            let source = io::Error::from_raw_os_error(errno.raw_os_error());
            let told = explain("do it", &KernelError::new("do", "it", source));
            assert!(told.details.contains(words), "{told:?}");
        }
    }

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
