//! The operations of the protocol.

use std::fmt;
use std::str::FromStr;

use crate::shorten::shortened;

/// An operation, as `CNI_COMMAND` names it.
///
/// Not `non_exhaustive`: a runtime and a plugin have something else to do for each of them, and should be told by the compiler
/// when there is another.
///
/// # Spec
/// Section 2, "CNI operations".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// `ADD`: attach the container, or change an attachment.
    Add,
    /// `CHECK` (since 0.4.0): is the attachment as ADD left it?
    Check,
    /// `DEL`: detach the container.
    Del,
    /// `GC` (since 1.1.0): remove what belongs to no valid attachment.
    Gc,
    /// `STATUS` (since 1.1.0): is the plugin ready for ADD?
    Status,
    /// `VERSION` (since 0.2.0): which versions does the plugin support?
    Version,
}

impl Command {
    /// Every operation.
    pub const ALL: &'static [Self] = &[
        Self::Add,
        Self::Check,
        Self::Del,
        Self::Gc,
        Self::Status,
        Self::Version,
    ];

    /// The operation as `CNI_COMMAND` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// The first version of the specification that has the operation.
    pub fn since(self) -> crate::Version {
        match self {
            Self::Add | Self::Del => crate::Version::V0_1_0,
            Self::Version => crate::Version::V0_2_0,
            Self::Check => crate::Version::V0_4_0,
            Self::Gc | Self::Status => crate::Version::V1_1_0,
        }
    }
}

impl FromStr for Command {
    type Err = UnknownCommand;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|command| command.as_str() == text)
            .ok_or_else(|| UnknownCommand {
                found: shortened(text),
            })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A `CNI_COMMAND` that is none of the protocol's operations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown command {found:?}; the commands are ADD, CHECK, DEL, GC, STATUS and VERSION")]
#[non_exhaustive]
pub struct UnknownCommand {
    /// The command as it was written.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_they_are_written() {
        for command in Command::ALL {
            assert_eq!(command.to_string().parse(), Ok(*command));
        }
        for unknown in ["add", "ADD ", "", "UPDATE"] {
            assert!(unknown.parse::<Command>().is_err(), "{unknown:?}");
        }
    }
}
