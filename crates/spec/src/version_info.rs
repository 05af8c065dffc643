//! The answer to the VERSION command.

use serde::Serialize;

use crate::Version;
use crate::decode::{self, DecodeError, Value};
use crate::result::written;

/// The answer to the VERSION command.
///
/// The versions are kept as text: another plugin may know versions that this crate does not.
///
/// # Spec
/// Section 5, "VERSION Success".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VersionInfo {
    /// `cniVersion`: the version of the answer itself.
    pub cni_version: String,
    /// `supportedVersions`, in the plugin's order.
    pub supported_versions: Vec<String>,
}

impl VersionInfo {
    /// The answer of a plugin that supports the given versions, in the given version.
    pub fn new(cni_version: Version, supported: &[Version]) -> Self {
        Self {
            cni_version: cni_version.to_string(),
            supported_versions: supported.iter().map(Version::to_string).collect(),
        }
    }

    /// The answer of a plugin that supports every version that this crate knows.
    pub fn all() -> Self {
        Self::new(Version::LATEST, Version::ALL)
    }

    /// Whether the plugin supports the version.
    pub fn supports(&self, version: Version) -> bool {
        self.supported_versions
            .iter()
            .any(|supported| supported == version.as_str())
    }

    /// The highest of the wanted versions that the plugin supports.
    pub fn highest_common(&self, wanted: &[Version]) -> Option<Version> {
        wanted
            .iter()
            .copied()
            .filter(|version| self.supports(*version))
            .max()
    }

    /// Reads an answer from what a plugin printed.
    ///
    /// # Errors
    /// When it is not JSON within the limits, and those of [`from_json`](Self::from_json).
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_json(&decode::value(bytes)?)
    }

    /// Reads an answer. A plugin that says 0.2.0 and nothing more supports 0.1.0 and 0.2.0.
    ///
    /// # Errors
    /// When the JSON has another shape, or names no versions.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        let map = decode::object(value)?;
        let cni_version = decode::required(map, "cniVersion", "a version", decode::string)?;
        let supported = decode::optional(map, "supportedVersions", |list| {
            decode::list(list, decode::owned)
        })?;
        match supported.unwrap_or_default() {
            list if !list.is_empty() => Ok(Self {
                cni_version: cni_version.to_owned(),
                supported_versions: list,
            }),
            _ if cni_version == Version::V0_2_0.as_str() => Ok(Self::new(
                Version::V0_2_0,
                &[Version::V0_1_0, Version::V0_2_0],
            )),
            _ => Err(DecodeError::missing(
                "supportedVersions",
                "a list of versions",
            )),
        }
    }

    /// Writes the answer.
    pub fn to_json(&self) -> Value {
        written(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_version_that_both_know_is_chosen() {
        use Version::{V0_3_1, V0_4_0, V1_0_0, V1_1_0};
        let info = VersionInfo::new(V1_0_0, &[V0_4_0, V0_3_1]);
        let wanted = [V0_4_0, V1_1_0, V1_0_0];
        assert_eq!(info.highest_common(&wanted), Some(V0_4_0));
    }

    #[test]
    fn version_answers_are_read_as_the_reference_reads_them() {
        let read = |value| VersionInfo::from_json(&value).map(|info| info.supported_versions);
        let versions = |list: &[&str]| Ok(list.iter().map(ToString::to_string).collect());
        let newer = json!({"cniVersion": "1.9.0", "supportedVersions": ["1.0.0", "1.9.0"]});
        assert_eq!(read(newer), versions(&["1.0.0", "1.9.0"]));
        assert_eq!(
            read(json!({"cniVersion": "0.2.0"})),
            versions(&["0.1.0", "0.2.0"])
        );
        for (answer, message) in [
            (
                json!({"supportedVersions": ["1.0.0"]}),
                r#""cniVersion" is missing"#,
            ),
            (
                json!({"cniVersion": "1.0.0"}),
                r#""supportedVersions" is missing"#,
            ),
            (
                json!({"cniVersion": "1.0.0", "supportedVersions": []}),
                "is missing",
            ),
            (
                json!({"cniVersion": 1, "supportedVersions": []}),
                "expected a string, found 1",
            ),
            (
                json!({"cniVersion": "1.0.0", "supportedVersions": [1]}),
                r#""supportedVersions[0]""#,
            ),
            (json!([]), "expected an object, found a list of 0"),
        ] {
            let error = read(answer.clone()).unwrap_err().to_string();
            assert!(error.contains(message), "{answer}: {error}");
        }
    }

    #[test]
    fn the_version_answer_is_the_references_to_the_letter() {
        let info = VersionInfo::new(Version::V1_0_0, &Version::ALL[..6]);
        let printed = r#"{"cniVersion":"1.0.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0"]}"#;
        assert_eq!(serde_json::to_string(&info).unwrap(), printed);
        assert_eq!(VersionInfo::parse(printed.as_bytes()), Ok(info));
        assert!(
            Version::ALL
                .iter()
                .all(|version| VersionInfo::all().supports(*version))
        );
    }
}
