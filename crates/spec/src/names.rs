//! Names with rules, each a type of its own that holds no other text.

use std::fmt;
use std::str::FromStr;

use crate::shorten::shortened;

/// The longest name that the kernel gives an interface: IFNAMSIZ less the NUL at its end.
const MAX_INTERFACE_NAME_BYTES: usize = 15;

/// The longest name of a file (NAME_MAX).
const MAX_FILE_NAME_BYTES: usize = 255;

/// Bytes of an Ethernet address.
const MAC_BYTES: usize = 6;

/// A name that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} {value:?}: {rule}")]
#[non_exhaustive]
pub struct NameError {
    /// What it was to name.
    pub kind: NameKind,
    /// The name as it was written, cut when it is long.
    pub value: String,
    /// The rule.
    pub rule: Rule,
}

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameKind {
    /// A [`ContainerId`].
    ContainerId,
    /// An [`IfName`].
    IfName,
    /// A [`NetworkName`].
    NetworkName,
    /// A [`PluginType`].
    PluginType,
    /// A [`MacAddr`].
    MacAddr,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ContainerId => "container ID",
            Self::IfName => "interface name",
            Self::NetworkName => "network name",
            Self::PluginType => "plugin type",
            Self::MacAddr => "MAC address",
        })
    }
}

/// The rule that a name broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// It is empty.
    #[error("it must not be empty")]
    NotEmpty,
    /// It begins with something else than a letter or a digit.
    #[error("it must begin with a letter or a digit of ASCII, not with {0:?}")]
    FirstCharacter(char),
    /// It holds a character that it must not hold.
    #[error("it must consist of letters and digits of ASCII, '_', '.' and '-'; it holds {0:?}")]
    WordCharacters(char),
    /// It holds a slash, a colon, white space or a NUL.
    #[error("it must not hold '/', ':', white space or NUL; it holds {0:?}")]
    InterfaceCharacters(char),
    /// It holds a separator of paths or a control character.
    #[error("it is the name of a file, never a path; it holds {0:?}")]
    FileNameCharacters(char),
    /// It is `.` or `..`.
    #[error("it must not be \".\" or \"..\"")]
    NotDots,
    /// It is `all` or `default`.
    #[error("the kernel keeps {0:?} for parameters of all interfaces and gives it to none")]
    Reserved(&'static str),
    /// It is too long.
    #[error("it must have at most {limit} bytes; it has {size}")]
    Length {
        /// The most bytes that it may have.
        limit: usize,
        /// The bytes that it has.
        size: usize,
    },
    /// It is not written as a MAC address.
    #[error("it must be written as 02:00:5e:10:00:01, 02-00-5e-10-00-01 or 0200.5e10.0001")]
    MacForm,
    /// It is a MAC address, but not one of six bytes.
    #[error("an Ethernet address has 6 bytes, this one has {0}")]
    MacLength(usize),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(rule) => Err(NameError {
                        kind: NameKind::$name,
                        value: shortened(text),
                        rule,
                    }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The runtime's name for a container: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
    ///
    /// # Spec
    /// Section 2, "Parameters", `CNI_CONTAINERID`.
    ContainerId, word
}

name! {
    /// The name of a network: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
    ///
    /// # Spec
    /// Section 1, "Configuration format", `name`.
    NetworkName, word
}

impl NetworkName {
    /// The name of a network whose configuration does not tell it: one that no configuration can have.
    pub fn unknown() -> Self {
        Self("?".to_owned())
    }

    /// Whether it is [`unknown`](Self::unknown).
    pub fn is_unknown(&self) -> bool {
        self.0 == "?"
    }
}

name! {
    /// The name of a network interface, by the kernel's rules: 1 to 15 bytes without `/`, `:`,
    /// white space or NUL, and none of `.`, `..`, `all` and `default`.
    ///
    /// # Spec
    /// Section 2, "Parameters", `CNI_IFNAME`.
    IfName, interface
}

name! {
    /// The name of a plugin: that of a file in one of the directories of `CNI_PATH`, never a path
    /// (CVE-2021-20206).
    ///
    /// # Spec
    /// Section 1, "Plugin configuration objects", `type`.
    PluginType, file_name
}

fn word(text: &str) -> Result<(), Rule> {
    let first = text.chars().next().ok_or(Rule::NotEmpty)?;
    if !first.is_ascii_alphanumeric() {
        return Err(Rule::FirstCharacter(first));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    none_of(text, |c| !allowed(c), Rule::WordCharacters)
}

fn interface(text: &str) -> Result<(), Rule> {
    plain(text, MAX_INTERFACE_NAME_BYTES)?;
    if let Some(reserved) = ["all", "default"].into_iter().find(|name| *name == text) {
        return Err(Rule::Reserved(reserved));
    }
    let refused = |c: char| matches!(c, '/' | ':' | '\0') || c.is_whitespace();
    none_of(text, refused, Rule::InterfaceCharacters)
}

fn file_name(text: &str) -> Result<(), Rule> {
    plain(text, MAX_FILE_NAME_BYTES)?;
    let refused = |c: char| matches!(c, '/' | '\\') || c.is_control();
    none_of(text, refused, Rule::FileNameCharacters)
}

fn plain(text: &str, limit: usize) -> Result<(), Rule> {
    match text {
        "" => Err(Rule::NotEmpty),
        "." | ".." => Err(Rule::NotDots),
        _ if text.len() > limit => Err(Rule::Length {
            limit,
            size: text.len(),
        }),
        _ => Ok(()),
    }
}

fn none_of(
    text: &str,
    refused: impl Fn(char) -> bool,
    rule: impl FnOnce(char) -> Rule,
) -> Result<(), Rule> {
    text.chars()
        .find(|c| refused(*c))
        .map_or(Ok(()), |c| Err(rule(c)))
}

/// An Ethernet address.
///
/// Read in the three ways that the reference reads it, written in the first:
/// `02:00:5e:10:00:01`, `02-00-5e-10-00-01`, `0200.5e10.0001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr([u8; MAC_BYTES]);

impl MacAddr {
    /// The address of the given bytes.
    pub const fn new(octets: [u8; MAC_BYTES]) -> Self {
        Self(octets)
    }

    /// The bytes of the address.
    pub const fn octets(self) -> [u8; MAC_BYTES] {
        self.0
    }
}

impl FromStr for MacAddr {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        mac(text).map(Self).map_err(|rule| NameError {
            kind: NameKind::MacAddr,
            value: shortened(text),
            rule,
        })
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

fn mac(text: &str) -> Result<[u8; MAC_BYTES], Rule> {
    let separator = text
        .chars()
        .find(|c| !c.is_ascii_hexdigit())
        .ok_or(match text {
            "" => Rule::NotEmpty,
            _ => Rule::MacForm,
        })?;
    let digits = match separator {
        ':' | '-' => 2,
        '.' => 4,
        _ => return Err(Rule::MacForm),
    };
    let mut bytes = Vec::with_capacity(MAC_BYTES);
    for group in text.split(separator) {
        if group.len() != digits || !group.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Rule::MacForm);
        }
        let number = u16::from_str_radix(group, 16).or(Err(Rule::MacForm))?;
        bytes.extend_from_slice(&number.to_be_bytes()[2 - digits / 2..]);
    }
    bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| Rule::MacLength(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr<Err = NameError>>(table: &[(&str, Option<Rule>)]) {
        for (text, rule) in table {
            let broken = text.parse::<T>().err().map(|error| error.rule);
            assert_eq!(broken, *rule, "{text:?}");
        }
    }

    #[test]
    fn container_ids_and_network_names_are_words() {
        let table = [
            ("c1", None),
            ("0", None),
            ("a_b.c-d", None),
            ("a..", None),
            ("", Some(Rule::NotEmpty)),
            ("_a", Some(Rule::FirstCharacter('_'))),
            (".", Some(Rule::FirstCharacter('.'))),
            ("-a", Some(Rule::FirstCharacter('-'))),
            ("../a", Some(Rule::FirstCharacter('.'))),
            ("é", Some(Rule::FirstCharacter('é'))),
            ("a/b", Some(Rule::WordCharacters('/'))),
            ("a b", Some(Rule::WordCharacters(' '))),
            ("a\n", Some(Rule::WordCharacters('\n'))),
            ("a\0", Some(Rule::WordCharacters('\0'))),
            ("aé", Some(Rule::WordCharacters('é'))),
            ("a:b", Some(Rule::WordCharacters(':'))),
        ];
        check::<ContainerId>(&table);
        check::<NetworkName>(&table);
    }

    #[test]
    fn interface_names_follow_the_kernels_rules() {
        check::<IfName>(&[
            ("eth0", None),
            ("123456789012345", None),
            ("eth0.100", None),
            ("é", None),
            ("...", None),
            ("all0", None),
            ("all", Some(Rule::Reserved("all"))),
            ("default", Some(Rule::Reserved("default"))),
            ("", Some(Rule::NotEmpty)),
            (".", Some(Rule::NotDots)),
            ("..", Some(Rule::NotDots)),
            (
                "1234567890123456",
                Some(Rule::Length {
                    limit: 15,
                    size: 16,
                }),
            ),
            (
                "ééééé-ééé",
                Some(Rule::Length {
                    limit: 15,
                    size: 17,
                }),
            ),
            ("a/b", Some(Rule::InterfaceCharacters('/'))),
            ("eth0:1", Some(Rule::InterfaceCharacters(':'))),
            ("a b", Some(Rule::InterfaceCharacters(' '))),
            ("a\u{b}", Some(Rule::InterfaceCharacters('\u{b}'))),
            ("a\u{2003}", Some(Rule::InterfaceCharacters('\u{2003}'))),
            ("a\0b", Some(Rule::InterfaceCharacters('\0'))),
        ]);
    }

    /// CVE-2021-20206: a type must not lead out of the directories of CNI_PATH.
    #[test]
    fn plugin_types_are_names_never_paths() {
        let long = "x".repeat(256);
        check::<PluginType>(&[
            ("bridge", None),
            ("host-local", None),
            ("my plugin", None),
            ("...", None),
            ("", Some(Rule::NotEmpty)),
            (".", Some(Rule::NotDots)),
            ("..", Some(Rule::NotDots)),
            ("../../bin/sh", Some(Rule::FileNameCharacters('/'))),
            ("/bin/sh", Some(Rule::FileNameCharacters('/'))),
            ("a\\b", Some(Rule::FileNameCharacters('\\'))),
            ("bridge\0", Some(Rule::FileNameCharacters('\0'))),
            ("bridge\n", Some(Rule::FileNameCharacters('\n'))),
            (
                &long,
                Some(Rule::Length {
                    limit: 255,
                    size: 256,
                }),
            ),
        ]);
    }

    #[test]
    fn mac_addresses_are_read_in_three_ways() {
        for text in ["02:00:5E:10:00:0a", "02-00-5e-10-00-0A", "0200.5e10.000a"] {
            let mac: MacAddr = text.parse().unwrap();
            assert_eq!(mac.octets(), [2, 0, 0x5e, 0x10, 0, 10], "{text:?}");
            assert_eq!(mac.to_string(), "02:00:5e:10:00:0a");
        }
        check::<MacAddr>(&[
            ("", Some(Rule::NotEmpty)),
            ("02005e10000a", Some(Rule::MacForm)),
            ("02:00:5e:10:00", Some(Rule::MacLength(5))),
            ("02:00:5e:10:00:01:02:03", Some(Rule::MacLength(8))),
            ("02:00:5e:10:00:0", Some(Rule::MacForm)),
            ("02:00:5e:10:00:+1", Some(Rule::MacForm)),
            ("02:00:5e:10:00:0g", Some(Rule::MacForm)),
            ("02:00:5e:10:00-01", Some(Rule::MacForm)),
            ("02:00:5e:10:00:01:", Some(Rule::MacForm)),
            (":02:00:5e:10:00:01", Some(Rule::MacForm)),
            ("02 00 5e 10 00 01", Some(Rule::MacForm)),
            ("ß2:00:5e:10:00:01", Some(Rule::MacForm)),
        ]);
    }

    #[test]
    fn the_error_names_the_rule_and_cuts_a_long_value() {
        let error = "eth0:1".parse::<IfName>().unwrap_err().to_string();
        assert_eq!(
            error,
            r#"invalid interface name "eth0:1": it must not hold '/', ':', white space or NUL; it holds ':'"#
        );
        let error = "é"
            .repeat(5_000_000)
            .parse::<ContainerId>()
            .unwrap_err()
            .to_string();
        assert!(error.len() < 300, "{} bytes", error.len());
    }
}
