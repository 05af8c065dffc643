//! Names with rules, each a type of its own that holds no other text.

use std::fmt;
use std::str::FromStr;

use crate::decode;

/// The longest name that the kernel gives an interface: IFNAMSIZ less the NUL at its end.
const MAX_INTERFACE_NAME_BYTES: usize = 15;

/// The longest name of a file (NAME_MAX).
const MAX_FILE_NAME_BYTES: usize = 255;

/// Bytes of an Ethernet address.
const MAC_BYTES: usize = 6;

/// A name that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} {value:?}: {rule}")]
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
                        value: decode::shortened(text),
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

name! {
    /// The name of a network interface, by the kernel's rules: 1 to 15 bytes without `/`, `:`,
    /// white space or NUL, and neither `.` nor `..`.
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
            value: decode::shortened(text),
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
        let number = u16::from_str_radix(group, 16)
            .unwrap_or_default()
            .to_be_bytes();
        bytes.extend_from_slice(&number[2 - digits / 2..]);
    }
    bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| Rule::MacLength(bytes.len()))
}
