//! Reading JSON with errors that name the place: the key, what was expected there and what was
//! found.
//!
//! A decoder is a function from a [`Value`]; [`optional`], [`required`] and [`list`] apply it to a
//! part of a value and put the part's key or index before the path of its error.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::shorten::shortened;
use crate::{NameError, UnknownVersion, address};

/// A JSON value.
pub type Value = serde_json::Value;

/// A JSON object. With the feature `preserve_order` it keeps the order of its keys, otherwise it sorts them.
pub type Map = serde_json::Map<String, Value>;

/// The largest configuration, result or answer that is read, in bytes: 2 MiB.
///
/// The largest that occur in practice are the lists of attachments that GC gets, with about 200 bytes
/// for each, and published ranges of ports, with 70 bytes for each port: ten thousand of the one, nearly
/// thirty thousand of the other. What is read takes up to a hundred times as much memory. The depth
/// is limited too, to 127 levels.
pub const MAX_INPUT: usize = 2 << 20;

/// Why JSON was not what the specification asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is nothing to read.
    #[error("the input is empty; expected JSON")]
    Empty,
    /// The input is larger than is read.
    #[error("the input has {size} bytes; at most {limit} are read")]
    TooLarge {
        /// Bytes of the input.
        size: usize,
        /// Bytes that are read, [`MAX_INPUT`] as a rule.
        limit: usize,
    },
    /// The input is not JSON, or is nested too deeply.
    #[error("the input is not valid JSON: {reason}")]
    Syntax {
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A value is not of the kind that its key asks for.
    #[error("{}expected {expected}, found {found}", place(.path))]
    Mismatch {
        /// Where, such as `ips[0].address`; empty for the whole input.
        path: String,
        /// What the key asks for.
        expected: Cow<'static, str>,
        /// What is there.
        found: String,
    },
    /// A key that must be there is not.
    #[error("{path:?} is missing; expected {expected}")]
    Missing {
        /// Which key.
        path: String,
        /// What the key asks for.
        expected: Cow<'static, str>,
    },
    /// A name breaks a rule.
    #[error("{}{error}", place(.path))]
    Name {
        /// Where.
        path: String,
        /// Which rule.
        error: NameError,
    },
    /// A version of the specification that is not known.
    #[error("{}{error}", place(.path))]
    Version {
        /// Where.
        path: String,
        /// Which version.
        error: UnknownVersion,
    },
}

impl DecodeError {
    /// The error for a value that is not what its key asks for.
    pub fn mismatch(expected: impl Into<Cow<'static, str>>, found: &Value) -> Self {
        Self::Mismatch {
            path: String::new(),
            expected: expected.into(),
            found: describe(found),
        }
    }

    /// The error for a key that must be there and is not.
    pub fn missing(key: &str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::Missing {
            path: key.to_owned(),
            expected: expected.into(),
        }
    }

    /// The same error, seen from the object that holds the value under `key`.
    #[must_use]
    pub fn within(self, key: &str) -> Self {
        self.map_path(|path| match path.as_bytes().first() {
            None => key.to_owned(),
            Some(b'[') => format!("{key}{path}"),
            Some(_) => format!("{key}.{path}"),
        })
    }

    /// The same error, seen from the list that holds the value at `index`.
    #[must_use]
    pub fn at(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    fn map_path(mut self, change: impl FnOnce(&str) -> String) -> Self {
        match &mut self {
            Self::Empty | Self::TooLarge { .. } | Self::Syntax { .. } => {}
            Self::Mismatch { path, .. }
            | Self::Missing { path, .. }
            | Self::Name { path, .. }
            | Self::Version { path, .. } => *path = change(path),
        }
        self
    }
}

impl From<NameError> for DecodeError {
    fn from(error: NameError) -> Self {
        Self::Name {
            path: String::new(),
            error,
        }
    }
}

impl From<UnknownVersion> for DecodeError {
    fn from(error: UnknownVersion) -> Self {
        Self::Version {
            path: String::new(),
            error,
        }
    }
}

/// Parses JSON within the limits of size and depth.
///
/// # Errors
/// When it is empty, too large, too deep, or not JSON.
pub fn value(bytes: &[u8]) -> Result<Value, DecodeError> {
    value_within(MAX_INPUT, bytes)
}

/// Parses JSON within the limits of depth and of another size than [`MAX_INPUT`].
///
/// # Errors
/// When it is empty, too large, too deep, or not JSON.
pub fn value_within(limit: usize, bytes: &[u8]) -> Result<Value, DecodeError> {
    let size = bytes.len();
    if size > limit {
        return Err(DecodeError::TooLarge { size, limit });
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(DecodeError::Empty);
    }
    serde_json::from_slice(bytes).map_err(|error| DecodeError::Syntax {
        reason: encoding(bytes).map_or_else(|| error.to_string(), str::to_owned),
    })
}

/// What is wrong with the encoding of a text that an editor has saved with a byte order mark. The
/// reference refuses it too, so that reading it here would be of no use to others who share the file.
fn encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => {
            Some("it begins with a byte order mark; save it as UTF-8 without one")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Some("it is written in UTF-16; save it as UTF-8 without a byte order mark")
        }
        _ => None,
    }
}

/// The value of a key: of the very key, otherwise of one that differs only in the case of its
/// letters (the last of them in the order of the [`Map`]), because the reference matches keys so and configurations in the
/// field rely on it. A `null` is as good as no value.
pub fn key<'a>(map: &'a Map, name: &str) -> Option<&'a Value> {
    // In one pass: an object has few keys, and most of those that are asked for are none of them.
    let mut similar = None;
    for (key, value) in map {
        if key == name {
            similar = Some(value);
            break;
        }
        if same_key(key, name) {
            similar = Some(value);
        }
    }
    similar.filter(|value| !value.is_null())
}

/// Whether a key of a configuration means `name`, but for the case of its letters.
pub(crate) fn same_key(key: &str, name: &str) -> bool {
    key.eq_ignore_ascii_case(name)
}

/// Decodes the value of a key, when there is one.
///
/// # Errors
/// Those of `decode`, with the key before their path.
pub fn optional<'a, T>(
    map: &'a Map,
    name: &str,
    decode: impl FnOnce(&'a Value) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    key(map, name)
        .map(decode)
        .transpose()
        .map_err(|error| error.within(name))
}

/// Decodes the value of a key that must be there.
///
/// # Errors
/// When there is none, and those of `decode`, with the key before their path.
pub fn required<'a, T>(
    map: &'a Map,
    name: &str,
    expected: &'static str,
    decode: impl FnOnce(&'a Value) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    optional(map, name, decode)?.ok_or_else(|| DecodeError::missing(name, expected))
}

/// Decodes every item of a list.
///
/// # Errors
/// When the value is not a list, and those of `decode`, with the index before their path.
pub fn list<'a, T>(
    value: &'a Value,
    mut decode: impl FnMut(&'a Value) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let items = value
        .as_array()
        .ok_or_else(|| DecodeError::mismatch("a list", value))?;
    items
        .iter()
        .enumerate()
        .map(|(index, item)| decode(item).map_err(|error| error.at(index)))
        .collect()
}

/// Decodes an object.
///
/// # Errors
/// When the value is something else.
pub fn object(value: &Value) -> Result<&Map, DecodeError> {
    value
        .as_object()
        .ok_or_else(|| DecodeError::mismatch("an object", value))
}

/// Decodes a string.
///
/// # Errors
/// When the value is something else.
pub fn string(value: &Value) -> Result<&str, DecodeError> {
    value
        .as_str()
        .ok_or_else(|| DecodeError::mismatch("a string", value))
}

/// Decodes a string into one of its own.
///
/// # Errors
/// When the value is something else.
pub fn owned(value: &Value) -> Result<String, DecodeError> {
    string(value).map(str::to_owned)
}

/// Decodes `true` or `false`.
///
/// # Errors
/// When the value is something else.
pub fn boolean(value: &Value) -> Result<bool, DecodeError> {
    value
        .as_bool()
        .ok_or_else(|| DecodeError::mismatch("true or false", value))
}

/// Decodes a whole number from 0 to the largest of its type.
///
/// # Errors
/// When the value is something else.
pub fn unsigned<T: TryFrom<u64> + Bounded>(value: &Value) -> Result<T, DecodeError> {
    value
        .as_u64()
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| {
            DecodeError::mismatch(format!("a whole number from 0 to {}", T::LARGEST), value)
        })
}

/// The types that [`unsigned`] decodes.
pub trait Bounded {
    /// The largest number of the type.
    const LARGEST: u64;
}

impl Bounded for u8 {
    const LARGEST: u64 = u8::MAX as u64;
}

impl Bounded for u16 {
    const LARGEST: u64 = u16::MAX as u64;
}

impl Bounded for u32 {
    const LARGEST: u64 = u32::MAX as u64;
}

impl Bounded for u64 {
    const LARGEST: u64 = u64::MAX;
}

/// Decodes an IP address; an empty string is no address.
///
/// # Errors
/// When the value is something else.
pub fn ip(value: &Value) -> Result<Option<IpAddr>, DecodeError> {
    match string(value)? {
        "" => Ok(None),
        text => address::parse_ip(text).map(Some).ok_or_else(|| {
            DecodeError::mismatch("an IP address such as \"10.22.0.1\" or \"fd00::1\"", value)
        }),
    }
}

/// Decodes an IP address with the length of its prefix; the bits of the host are kept.
///
/// # Errors
/// When the value is something else.
pub fn cidr(value: &Value) -> Result<IpNet, DecodeError> {
    address::parse_cidr(string(value)?).ok_or_else(|| {
        DecodeError::mismatch(
            "an IP address with a prefix length such as \"10.22.0.2/16\" or \"fd00::2/64\"",
            value,
        )
    })
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("{:?}", shortened(text)),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(map) => format!("an object with {} keys", map.len()),
    }
}

fn place(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path:?}: ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn size_and_depth_are_limited() {
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(value(text(MAX_INPUT).as_bytes()).is_ok());
        let error = value(text(MAX_INPUT + 1).as_bytes());
        assert_eq!(
            error,
            Err(DecodeError::TooLarge {
                size: MAX_INPUT + 1,
                limit: MAX_INPUT
            })
        );
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(value(&nested(127)).is_ok());
        for depth in [128, 1_000_000] {
            let error = value(&nested(depth)).unwrap_err().to_string();
            assert!(error.contains("recursion limit exceeded"), "{error}");
        }
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        for (text, message) in [
            ("", "the input is empty"),
            (" \n\t", "the input is empty"),
            ("{\"a\": 1,}", "line 1 column 9"),
            ("{\n\"a\": 1\n\"b\"}", "line 3 column 1"),
            ("{} {}", "trailing characters"),
            (
                "\u{feff}{}",
                "byte order mark; save it as UTF-8 without one",
            ),
            ("{'a': 1}", "line 1 column 2"),
            ("{\"a\": 01}", "invalid number"),
        ] {
            let error = value(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{text:?}: {error}");
        }
        let utf16 = value(b"\xff\xfe{\0}\0").unwrap_err().to_string();
        assert!(utf16.contains("written in UTF-16"), "{utf16}");
        assert!(matches!(
            value(b"\"\xff\""),
            Err(DecodeError::Syntax { .. })
        ));
    }

    #[test]
    fn keys_match_exactly_first_then_without_regard_to_case() {
        let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let exact = map(&json!({"HostPort": 1, "hostPort": 2, "HOSTPORT": 3}));
        assert_eq!(key(&exact, "hostPort"), Some(&json!(2)));
        let other = map(&json!({"HostPort": 1, "HOSTPORT": 3}));
        // The order of the text, where it is kept; a plugin that libcni calls gets its keys sorted.
        let last = if cfg!(feature = "preserve_order") {
            3
        } else {
            1
        };
        assert_eq!(key(&other, "hostPort"), Some(&json!(last)));
        let null = map(&json!({"hostPort": null}));
        assert_eq!(key(&null, "hostPort"), None);
        assert_eq!(key(&null, "hostIP"), None);
    }

    #[test]
    fn an_error_names_its_place_what_was_expected_and_what_was_found() {
        let input = json!({"routes": [{"dst": "10.0.0.0/8"}, {"dst": ["a", "b"]}]});
        let decode = |input: &Value| {
            optional(object(input)?, "routes", |routes| {
                list(routes, |route| {
                    required(object(route)?, "dst", "a network", cidr)
                })
            })
        };
        let error = decode(&input).unwrap_err().to_string();
        assert_eq!(
            error,
            r#""routes[1].dst": expected a string, found a list of 2"#
        );
        let error = decode(&json!({"Routes": [{}]})).unwrap_err().to_string();
        assert_eq!(error, r#""routes[0].dst" is missing; expected a network"#);
        let error = decode(&json!(true)).unwrap_err().to_string();
        assert_eq!(error, "expected an object, found true");
    }

    #[test]
    fn numbers_are_whole_and_within_their_type() {
        assert_eq!(unsigned::<u8>(&json!(255)), Ok(255));
        assert_eq!(unsigned::<u64>(&json!(u64::MAX)), Ok(u64::MAX));
        for value in [
            json!(65536),
            json!(-1),
            json!(1.0),
            json!("1"),
            json!(1e3),
            json!(true),
        ] {
            let error = unsigned::<u16>(&value).unwrap_err().to_string();
            assert!(
                error.contains("expected a whole number from 0 to 65535"),
                "{error}"
            );
        }
    }

    #[test]
    fn found_texts_are_cut() {
        let long = json!("é".repeat(1000));
        let error = boolean(&long).unwrap_err().to_string();
        assert!(error.ends_with("é…\"") && error.len() < 250, "{error}");
    }
}
