//! Versions of the specification.

use std::fmt;
use std::str::FromStr;

use crate::shorten::shortened;

/// A version of the CNI specification that this crate reads and writes.
///
/// Versions are ordered: a later one is greater.
///
/// # Spec
/// "Released versions".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// 0.1.0, the first version; what a configuration without `cniVersion` means.
    V0_1_0,
    /// 0.2.0: the VERSION command.
    V0_2_0,
    /// 0.3.0: results with interfaces and many addresses; chains of plugins.
    V0_3_0,
    /// 0.3.1: as 0.3.0, a misprint corrected.
    V0_3_1,
    /// 0.4.0: the CHECK command; `prevResult` for DEL.
    V0_4_0,
    /// 1.0.0: lists only; no `version` in a result's addresses.
    V1_0_0,
    /// 1.1.0: the commands GC and STATUS; more about interfaces and routes.
    V1_1_0,
}

impl Version {
    /// Every version, the oldest first.
    pub const ALL: &'static [Self] = &[
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// The newest version.
    pub const LATEST: Self = Self::V1_1_0;

    /// The version as it is written in JSON, such as `1.0.0`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// Reads the `cniVersion` of a configuration or a result, which when it is missing or empty
    /// means 0.1.0.
    ///
    /// # Errors
    /// When this crate does not know the version.
    pub fn from_json_text(text: Option<&str>) -> Result<Self, UnknownVersion> {
        match text {
            None | Some("") => Ok(Self::V0_1_0),
            Some(text) => text.parse(),
        }
    }

    /// The highest version that stands in both lists.
    ///
    /// # Spec
    /// Section 1, "Version considerations".
    pub fn highest_common(ours: &[Self], theirs: &[Self]) -> Option<Self> {
        ours.iter()
            .copied()
            .filter(|version| theirs.contains(version))
            .max()
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|version| version.as_str() == text)
            .ok_or_else(|| UnknownVersion {
                found: shortened(text),
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A version of the specification that this crate does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown CNI version {found:?}; known are {}", known())]
#[non_exhaustive]
pub struct UnknownVersion {
    /// The version as it was written.
    pub found: String,
}

fn known() -> String {
    Version::ALL
        .iter()
        .map(|version| version.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_and_read_as_they_are_written() {
        assert!(Version::ALL.is_sorted());
        assert_eq!(Version::ALL.last(), Some(&Version::LATEST));
        for version in Version::ALL {
            assert_eq!(version.to_string().parse(), Ok(*version));
        }
    }

    #[test]
    fn no_version_is_the_first_one_and_an_unknown_one_is_an_error() {
        assert_eq!(Version::from_json_text(None), Ok(Version::V0_1_0));
        assert_eq!(Version::from_json_text(Some("")), Ok(Version::V0_1_0));
        for unknown in ["1.2.0", "0.3", "v1.0.0", "1.0.0 ", "1.0.0\0", "999"] {
            let error = Version::from_json_text(Some(unknown)).unwrap_err();
            assert!(
                error.to_string().contains("known are 0.1.0, 0.2.0"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_highest_common_version_is_chosen() {
        use Version::{V0_3_1, V0_4_0, V1_0_0, V1_1_0};
        let ours = [V0_4_0, V1_1_0, V1_0_0];
        assert_eq!(
            Version::highest_common(&ours, &[V1_0_0, V0_3_1, V0_4_0]),
            Some(V1_0_0)
        );
        assert_eq!(Version::highest_common(&ours, &[V0_3_1]), None);
    }
}
