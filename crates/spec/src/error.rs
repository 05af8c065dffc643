//! The error that a plugin prints and a runtime reads.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::decode::{self, DecodeError, Value};
use crate::result::written;
use crate::{
    CannotExpress, InVersion, NameError, NameKind, Rule, UnknownCommand, UnknownVersion, Version,
};

/// The code of an [`Error`]: below 100 the specification's, from 100 on the plugin's own.
///
/// # Spec
/// Section 5, "Error".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// The plugin does not support the configuration's version.
    pub const INCOMPATIBLE_VERSION: Self = Self(1);
    /// A key or a value of the configuration is not supported; the message names both.
    pub const UNSUPPORTED_FIELD: Self = Self(2);
    /// The container does not exist; the runtime need not clean up.
    pub const UNKNOWN_CONTAINER: Self = Self(3);
    /// A variable of the protocol is missing or malformed; the message names it.
    pub const INVALID_ENVIRONMENT: Self = Self(4);
    /// Reading or writing failed, such as reading the configuration from standard input.
    pub const IO_FAILURE: Self = Self(5);
    /// The configuration, or something else that was read, could not be decoded.
    pub const DECODING_FAILURE: Self = Self(6);
    /// The configuration breaks a rule.
    pub const INVALID_NETWORK_CONFIG: Self = Self(7);
    /// `CNI_NETNS` is not a usable namespace. Not in the specification's table; the reference's
    /// library has it.
    pub const INVALID_NETNS: Self = Self(8);
    /// A condition that should pass; the runtime should try again later.
    pub const TRY_AGAIN_LATER: Self = Self(11);
    /// STATUS: the plugin cannot serve ADD.
    pub const PLUGIN_NOT_AVAILABLE: Self = Self(50);
    /// STATUS: the plugin cannot serve ADD, and existing containers may have limited connectivity.
    pub const LIMITED_CONNECTIVITY: Self = Self(51);
    /// Anything else. Not in the specification's table; the reference's library has it.
    pub const INTERNAL: Self = Self(999);

    /// The first of the codes that a plugin may use as it likes.
    pub const FIRST_OF_PLUGINS: Self = Self(100);

    /// Whether the code is the plugin's own.
    pub fn is_plugin_specific(self) -> bool {
        self >= Self::FIRST_OF_PLUGINS && self != Self::INTERNAL
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An error, as a plugin prints it on standard output.
///
/// # Spec
/// Section 5, "Error".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// What kind of error.
    pub code: ErrorCode,
    /// What failed, on what and why, in one clause.
    pub msg: String,
    /// The likely cause and what to do; may be empty.
    pub details: String,
}

impl Error {
    /// An error without details.
    pub fn new(code: ErrorCode, msg: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
            details: String::new(),
        }
    }

    /// That of a plugin which is given a configuration in a version that it does not speak.
    pub fn incompatible(version: Version, spoken: &[Version]) -> Self {
        let spoken: Vec<_> = spoken.iter().map(|version| version.as_str()).collect();
        let details = format!(
            "the configuration's cniVersion is {version}; this plugin speaks {}",
            spoken.join(", ")
        );
        Self::new(ErrorCode::INCOMPATIBLE_VERSION, OTHER_VERSION).with_details(details)
    }

    /// The same error with another code.
    #[must_use]
    pub fn with_code(mut self, code: ErrorCode) -> Self {
        self.code = code;
        self
    }

    /// The same error with another message.
    #[must_use]
    pub fn with_msg(mut self, msg: impl Into<String>) -> Self {
        self.msg = msg.into();
        self
    }

    /// The same error with details in place of those that it has.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The same error with details, unless it has some.
    #[must_use]
    pub fn or_details(self, details: impl Into<String>) -> Self {
        if self.details.is_empty() {
            self.with_details(details)
        } else {
            self
        }
    }

    /// The error as a version writes it; empty details are left out.
    pub fn in_version(&self, version: Version) -> InVersion<'_, Self> {
        InVersion::new(self, version)
    }

    /// Writes the error as [`in_version`](Self::in_version) does, into a JSON value.
    pub fn to_json(&self, version: Version) -> Value {
        written(self.in_version(version))
    }

    /// Reads an error from what a plugin printed.
    ///
    /// # Errors
    /// When it is not JSON within the limits, and those of [`from_json`](Self::from_json).
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_json(&decode::value(bytes)?)
    }

    /// Reads an error. One without a code is [`ErrorCode::INTERNAL`].
    ///
    /// # Errors
    /// When it has no message, or the JSON has another shape.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        let map = decode::object(value)?;
        let code = decode::optional(map, "code", decode::unsigned)?;
        Ok(Self {
            code: code.map_or(ErrorCode::INTERNAL, ErrorCode),
            msg: decode::required(map, "msg", "a message", decode::owned)?,
            details: decode::optional(map, "details", decode::owned)?.unwrap_or_default(),
        })
    }
}

impl Serialize for InVersion<'_, Error> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written<'e> {
            cni_version: Version,
            code: ErrorCode,
            msg: &'e str,
            #[serde(skip_serializing_if = "str::is_empty")]
            details: &'e str,
        }

        Written {
            cni_version: self.version,
            code: self.of.code,
            msg: &self.of.msg,
            details: &self.of.details,
        }
        .serialize(serializer)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        if !self.details.is_empty() {
            write!(f, "; {}", self.details)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        let code = match &error {
            DecodeError::Name { .. } | DecodeError::Missing { .. } => {
                ErrorCode::INVALID_NETWORK_CONFIG
            }
            DecodeError::Version { .. } => ErrorCode::INCOMPATIBLE_VERSION,
            _ => ErrorCode::DECODING_FAILURE,
        };
        let words = match &error {
            DecodeError::Name { error, .. } => words(error),
            DecodeError::Missing { path, .. } if path == "name" => Some("missing network name"),
            DecodeError::Version { .. } => Some(OTHER_VERSION),
            _ => None,
        };
        in_words(code, words, &error)
    }
}

/// Container IDs and interface names come from the environment, the others from configurations. A
/// name that was decoded from JSON is a [`DecodeError::Name`] and has that one's code.
impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        let code = match error.kind {
            NameKind::ContainerId | NameKind::IfName => ErrorCode::INVALID_ENVIRONMENT,
            NameKind::NetworkName | NameKind::PluginType | NameKind::MacAddr => {
                ErrorCode::INVALID_NETWORK_CONFIG
            }
        };
        in_words(code, words(&error), &error)
    }
}

impl From<UnknownVersion> for Error {
    fn from(error: UnknownVersion) -> Self {
        in_words(ErrorCode::INCOMPATIBLE_VERSION, Some(OTHER_VERSION), &error)
    }
}

/// What libcni's plugins say of a version that they do not know.
const OTHER_VERSION: &str = "incompatible CNI versions";

/// What libcni's plugins say of a name that breaks this rule; scripts know these words.
fn words(error: &NameError) -> Option<&'static str> {
    Some(match (error.kind, error.rule) {
        (NameKind::NetworkName, Rule::NotEmpty) => "missing network name",
        (NameKind::NetworkName, Rule::FirstCharacter(_) | Rule::WordCharacters(_)) => {
            "invalid characters found in network name"
        }
        (NameKind::ContainerId, Rule::FirstCharacter(_) | Rule::WordCharacters(_)) => {
            "invalid characters in containerID"
        }
        (NameKind::IfName, Rule::Length { .. }) => "interface name is too long",
        (NameKind::IfName, Rule::NotDots) => "interface name is . or ..",
        (NameKind::IfName, Rule::InterfaceCharacters(_)) => {
            "interface name contains / or : or whitespace characters"
        }
        _ => return None,
    })
}

/// An error in the words that others have for it, and then in our own.
fn in_words(code: ErrorCode, words: Option<&str>, error: &dyn fmt::Display) -> Error {
    match words {
        Some(words) => Error::new(code, words).with_details(error.to_string()),
        None => Error::new(code, error.to_string()),
    }
}

impl From<UnknownCommand> for Error {
    fn from(error: UnknownCommand) -> Self {
        Self::new(
            ErrorCode::INVALID_ENVIRONMENT,
            format!("CNI_COMMAND: {error}"),
        )
    }
}

impl From<CannotExpress> for Error {
    fn from(error: CannotExpress) -> Self {
        Self::new(ErrorCode::INCOMPATIBLE_VERSION, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ContainerId, MacAddr};

    #[test]
    fn errors_are_written_as_the_specification_shows() {
        let error = Error::new(ErrorCode::INVALID_NETWORK_CONFIG, "Invalid Configuration");
        assert_eq!(
            serde_json::to_string(&error.in_version(Version::V1_1_0)).unwrap(),
            r#"{"cniVersion":"1.1.0","code":7,"msg":"Invalid Configuration"}"#
        );
        let error = error.with_details("Network 192.168.0.0/31 too small to allocate from.");
        assert_eq!(
            serde_json::to_string(&error.in_version(Version::V0_4_0)).unwrap(),
            r#"{"cniVersion":"0.4.0","code":7,"msg":"Invalid Configuration","details":"Network 192.168.0.0/31 too small to allocate from."}"#
        );
    }

    #[test]
    fn errors_are_read_as_plugins_print_them() {
        let read = |text: &str| Error::parse(text.as_bytes());
        let plain = Error::new(ErrorCode(100), "no");
        assert_eq!(read(r#"{"code": 100, "msg": "no"}"#), Ok(plain.clone()));
        assert_eq!(
            read(r#"{"Code": 100, "MSG": "no", "details": ""}"#),
            Ok(plain)
        );
        assert_eq!(
            read(r#"{"msg": "no"}"#),
            Ok(Error::new(ErrorCode::INTERNAL, "no"))
        );
        for malformed in [
            "",
            "no",
            "[]",
            "{}",
            r#"{"code": 1}"#,
            r#"{"code": -1, "msg": "no"}"#,
        ] {
            assert!(read(malformed).is_err(), "{malformed:?}");
        }
    }

    #[test]
    fn every_error_has_the_specifications_code() {
        let version = "9.9.9".parse::<Version>().unwrap_err();
        let command = "JUMP".parse::<crate::Command>().unwrap_err();
        let container = "/".parse::<ContainerId>().unwrap_err();
        let mac = "/".parse::<MacAddr>().unwrap_err();
        let code = |error: Error| error.code;
        assert_eq!(
            code(version.clone().into()),
            ErrorCode::INCOMPATIBLE_VERSION
        );
        assert_eq!(code(command.into()), ErrorCode::INVALID_ENVIRONMENT);
        assert_eq!(
            code(container.clone().into()),
            ErrorCode::INVALID_ENVIRONMENT
        );
        assert_eq!(code(mac.into()), ErrorCode::INVALID_NETWORK_CONFIG);
        let decoding = |error: DecodeError| code(error.into());
        assert_eq!(
            decoding(container.into()),
            ErrorCode::INVALID_NETWORK_CONFIG
        );
        assert_eq!(decoding(version.into()), ErrorCode::INCOMPATIBLE_VERSION);
        assert_eq!(decoding(DecodeError::Empty), ErrorCode::DECODING_FAILURE);
        let missing = DecodeError::missing("name", "a name");
        assert_eq!(decoding(missing), ErrorCode::INVALID_NETWORK_CONFIG);
        let mismatch = DecodeError::mismatch("a string", &json!(1));
        assert_eq!(decoding(mismatch), ErrorCode::DECODING_FAILURE);
    }

    #[test]
    fn codes_from_100_on_belong_to_plugins() {
        assert!(!ErrorCode::LIMITED_CONNECTIVITY.is_plugin_specific());
        assert!(ErrorCode(100).is_plugin_specific());
        assert!(!ErrorCode::INTERNAL.is_plugin_specific());
    }
}
