//! What went wrong, on what.

use std::fmt;
use std::io;

/// A failed operation on the kernel.
#[derive(Debug)]
pub struct Error {
    operation: String,
    object: String,
    source: io::Error,
    ext_ack: Option<String>,
    is_unanswered: bool,
    advice: Option<&'static str>,
}

impl Error {
    /// `operation` is a verb with what it needs (`create`, `add address 10.1.0.2/24 to`), `object` what
    /// it was done to (`link "eth0"`).
    pub fn new(operation: impl Into<String>, object: impl Into<String>, source: io::Error) -> Self {
        Self {
            operation: operation.into(),
            object: object.into(),
            source,
            ext_ack: None,
            is_unanswered: false,
            advice: None,
        }
    }

    /// The same of a request to the kernel that came to nothing on its way there or back: `source` is no answer of the kernel
    /// to it.
    pub(crate) fn unanswered(
        operation: impl Into<String>,
        object: impl Into<String>,
        source: io::Error,
    ) -> Self {
        Self {
            is_unanswered: true,
            ..Self::new(operation, object, source)
        }
    }

    /// The same with another advice than that of its number.
    pub(crate) fn with_advice(mut self, advice: Option<&'static str>) -> Self {
        self.advice = advice;
        self
    }

    /// Adds the kernel's own words.
    #[must_use]
    pub fn with_ext_ack(mut self, words: Option<String>) -> Self {
        self.ext_ack = words.filter(|words| !words.is_empty());
        self
    }

    /// What was attempted.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// On what.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The kernel's own words, when it had any.
    pub fn ext_ack(&self) -> Option<&str> {
        self.ext_ack.as_deref()
    }

    /// The error number, when the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// What was named is not there, or no longer.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.errno(),
            Some(libc::ENODEV | libc::ENOENT | libc::ESRCH | libc::EADDRNOTAVAIL | libc::ENXIO)
        )
    }

    /// What was to be created is there already.
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }

    /// Nothing is known of what was asked for: the kernel may have done it, and its answer was lost.
    pub fn is_answer_lost(&self) -> bool {
        self.is_unanswered || matches!(self.errno(), Some(libc::EINTR | libc::EMSGSIZE))
    }

    /// It may go well later: nothing is wrong with what was asked for.
    pub fn is_for_now(&self) -> bool {
        const SHORT_OF: [i32; 4] = [libc::ENOMEM, libc::ENOBUFS, libc::EMFILE, libc::ENFILE];
        let errno = self.errno().unwrap_or_default();
        self.is_answer_lost() || errno == libc::EAGAIN || SHORT_OF.contains(&errno)
    }

    /// What whoever runs the program can do about it; empty where that is not known.
    pub fn advice(&self) -> &'static str {
        self.advice.unwrap_or_else(|| self.advice_of_number())
    }

    /// Of links, as most of what is asked for is about them, and of what is so whatever was asked for.
    fn advice_of_number(&self) -> &'static str {
        match self.errno().unwrap_or_default() {
            libc::EPERM => {
                "changing a network needs CAP_NET_ADMIN in its namespace, and CAP_SYS_ADMIN to enter it: \
                 run the plugin as root"
            }
            libc::EACCES => "whoever runs the plugin may not read or write that: run it as root",
            libc::EOPNOTSUPP => {
                "this kind of link cannot do what is asked for, or this kernel lacks it: a module may have to \
                 be loaded, or the kernel's configuration does not have it"
            }
            libc::ENODEV | libc::ENOENT => {
                "it is gone, or never was there; `ip link` shows what is there"
            }
            libc::EEXIST => "it is there already; `ip -d link` shows it",
            libc::EBUSY => "something else uses it; `ip -d link` shows what",
            libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => {
                "the host is short of memory or descriptors; try again when it is not"
            }
            libc::EINTR | libc::EAGAIN => {
                "what was listed changed all the while, so that it is not certain what is missing; try again when \
                 less comes and goes"
            }
            _ => "",
        }
    }

    /// The kernel lacks what was asked for.
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self.errno(),
            Some(libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.operation, self.object, self.source
        )?;
        match &self.ext_ack {
            Some(words) => write!(f, " ({words})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The error that a CNI plugin answers with: the kernel's words and the [advice](Error::advice). What may go well later is
/// [`TRY_AGAIN_LATER`](linkspan_spec::ErrorCode::TRY_AGAIN_LATER), since a runtime then tries again.
///
/// ```
/// use linkspan_kernel::rtnl::Rtnl;
///
/// /// Whether there is such a link; `?` makes of a failure what the plugin answers.
/// fn require(name: &str) -> Result<(), linkspan_spec::Error> {
///     Rtnl::open()?.link(name)?;
///     Ok(())
/// }
///
/// let error = require("no-such-link").expect_err("there is none");
/// assert!(error.msg.contains("No such device"), "{error}");
/// assert!(error.details.contains("ip link"), "{error}");
/// ```
#[cfg(feature = "cni")]
impl From<Error> for linkspan_spec::Error {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

#[cfg(feature = "cni")]
impl From<&Error> for linkspan_spec::Error {
    fn from(error: &Error) -> Self {
        use linkspan_spec::ErrorCode;
        let code = match error.is_for_now() {
            true => ErrorCode::TRY_AGAIN_LATER,
            false => ErrorCode::INTERNAL,
        };
        Self::new(code, error.to_string()).with_details(error.advice())
    }
}
