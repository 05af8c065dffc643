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
        }
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
        matches!(
            self.errno(),
            Some(libc::ENOBUFS | libc::ETIMEDOUT | libc::EINTR | libc::EMSGSIZE)
        )
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
