//! What is written in a version of the specification.

use crate::Version;

/// Something that each version of the specification writes in its own way, to be written in one of them.
///
/// It is what `serde` writes; its keys are in the order of the reference, whichever features `serde_json` has.
///
/// # Examples
///
/// ```
/// use linkspan_spec::{Error, ErrorCode, Version, pretty};
///
/// let error = Error::new(ErrorCode::TRY_AGAIN_LATER, "the link is not up yet");
/// let text = pretty(&error.in_version(Version::V1_0_0));
/// assert!(text.starts_with("{\n    \"cniVersion\": \"1.0.0\",\n    \"code\": 11,"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct InVersion<'a, T> {
    pub(crate) of: &'a T,
    pub(crate) version: Version,
}

impl<'a, T> InVersion<'a, T> {
    pub(crate) fn new(of: &'a T, version: Version) -> Self {
        Self { of, version }
    }
}
