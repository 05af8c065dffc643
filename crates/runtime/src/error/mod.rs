//! Why an operation failed, and what to do about it.

mod advice;
mod report;

use std::fmt;
use std::io;
use std::path::PathBuf;

use linkspan_spec::{
    Attachment, CannotExpress, DecodeError, ErrorCode, NetworkName, PluginType, Success, Version,
};

use crate::{Cause, InvalidArg, PluginError, file};

pub use self::advice::io_advice;

/// How many names of networks or plugins a piece of advice lists.
const LISTED: usize = 20;

/// Why an operation failed.
///
/// The text of an error is one clause; its [`source`](std::error::Error::source), where it has
/// one, is what lies behind it, and [`advice`](Error::advice) says what to do. For a log there is all of it in
/// [`report`](Error::report).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No file of the directory holds the network.
    #[error("no net configuration with name {name:?} in {}", directory.display())]
    NetworkNotFound {
        /// The name that was searched for.
        name: String,
        /// Where.
        directory: PathBuf,
        /// The names of the networks that are there.
        found: Vec<String>,
    },
    /// No file of the directory is a configuration.
    #[error("no network config found in {}", directory.display())]
    NoNetworks {
        /// Where.
        directory: PathBuf,
    },
    /// A directory of configurations cannot be watched.
    #[error("cannot watch {}", directory.display())]
    Watch {
        /// Which.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or a directory of configurations cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else than a configuration.
    #[error("{} is not a usable network configuration", path.display())]
    Configuration {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The name of a file says that it holds something else than it does.
    #[error("{} holds {holds}, and its name says that it does not", path.display())]
    FileName {
        /// Which file.
        path: PathBuf,
        /// What it holds: "a list of plugins" or "a single plugin".
        holds: &'static str,
        /// The extension that says so.
        extension: &'static str,
    },
    /// A list is empty.
    #[error("no plugin configs found: {} has none, nor has the folder {}", path.display(), folder.display())]
    NoPlugins {
        /// The list's file.
        path: PathBuf,
        /// The folder that could hold more of the network's plugins.
        folder: PathBuf,
    },
    /// A plugin's file is in none of the directories.
    #[error("failed to find plugin {:?} in path {directories:?}", plugin.as_str())]
    PluginNotFound {
        /// Which plugin.
        plugin: PluginType,
        /// Where it was searched, in order.
        directories: Vec<PathBuf>,
        /// The names of the files that are there.
        present: Vec<String>,
        /// What keeps a file that may be the plugin from being found.
        obstacle: Option<String>,
    },
    /// A plugin failed.
    #[error(transparent)]
    Plugin(Box<PluginError>),
    /// A plugin does not support the network's version.
    #[error("plugin {:?} does not support config version {version}", plugin.as_str())]
    PluginVersion {
        /// Which plugin.
        plugin: PluginType,
        /// The network's version.
        version: Version,
        /// What the plugin supports.
        supported: Vec<String>,
    },
    /// The configuration of a plugin within a network cannot be used.
    #[error("the configuration of network {:?} cannot be used", network.as_str())]
    Network {
        /// Which network.
        network: NetworkName,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A plugin's result cannot be handed on in the network's version.
    #[error("the result of network {:?} cannot be handed on", network.as_str())]
    Result {
        /// Which network.
        network: NetworkName,
        /// Why.
        source: CannotExpress,
    },
    /// CHECK came with version 0.4.0.
    #[error("configuration version {version} of network {:?} does not support the CHECK command", network.as_str())]
    CheckNotSupported {
        /// Which network.
        network: NetworkName,
        /// Its version.
        version: Version,
    },
    /// A cached result could not be kept, read or removed.
    #[error("cannot {operation} the cached result {}", path.display())]
    Cache {
        /// What was attempted: "keep", "read", "remove" or "list".
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A cached result is there, but not in a form that can be used.
    #[error("the cached result {} cannot be used", path.display())]
    CachedResult {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// It could not be noted that plugins are about to run for a container, so none was run.
    #[error("no plugin was run, since it cannot be noted in {} that the container is being attached", path.display())]
    NotNoted {
        /// The file of the journal.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// ADD was done, and its result could not be kept: the container is attached. The attachment is noted as one that is not complete.
    /// Whoever goes on with the container has the result here; [`Runtime::del`](crate::Runtime::del) undoes it, which
    /// [`Builder::detach_failed`](crate::Builder::detach_failed) does at once.
    #[error(
        "container {:?} is attached to network {:?} by {:?}, but the result cannot be kept",
        attachment.container_id,
        network.as_str(),
        attachment.ifname
    )]
    NotKept {
        /// The network.
        network: NetworkName,
        /// The attachment.
        attachment: Attachment,
        /// What ADD has answered.
        result: Box<Success>,
        /// Why it cannot be kept.
        source: Box<Error>,
    },
    /// Files of the cache that could be of a network cannot be read.
    #[error("not all attachments of network {:?} are known, because of {}", network.as_str(), paths(.files))]
    UnknownAttachments {
        /// Which network.
        network: NetworkName,
        /// The files.
        files: Vec<PathBuf>,
        /// What is wrong with the first of them.
        source: Box<Error>,
    },
    /// The lock that keeps operations on a network apart cannot be had.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another operation did not end before this one had to; nothing was begun.
    #[error(
        "{}: another operation has {}",
        if *.cancelled { "given up while waiting" } else { "its turn did not come in time" },
        path.display()
    )]
    Busy {
        /// The file that the other has locked.
        path: PathBuf,
        /// Whether the wait was given up, see [`Cancel`](crate::Cancel).
        cancelled: bool,
    },
    /// The operation was not begun: there is no thread for it.
    #[error("the operation was not begun")]
    NotBegun {
        /// Why.
        source: io::Error,
    },
    /// ADD failed, and what it had begun was to be detached again.
    #[error(transparent)]
    Undone(Box<Undone>),
    /// What is kept of another attachment has the file's name, since names and their parts are joined by hyphens.
    #[error(
        "the cached result {} is that of network {:?}, container {:?}, interface {:?}",
        path.display(),
        network.as_str(),
        attachment.container_id,
        attachment.ifname
    )]
    CacheTaken {
        /// The file.
        path: PathBuf,
        /// The network of the other.
        network: NetworkName,
        /// The other.
        attachment: Attachment,
    },
    /// The attachment that was to be detached was only begun when it was looked at, and an ADD has ended since: nothing was done,
    /// since somebody uses it.
    #[error(
        "container {:?} has been attached to network {:?} by {:?} in the meantime, and is not detached",
        attachment.container_id,
        network.as_str(),
        attachment.ifname
    )]
    AttachedSince {
        /// The network.
        network: NetworkName,
        /// The attachment.
        attachment: Attachment,
    },
    /// An argument cannot be handed to plugins.
    #[error(transparent)]
    Argument(#[from] InvalidArg),
    /// Arguments are for capabilities that no plugin of the network declares; nothing was begun.
    #[error(
        "no plugin of network {:?} declares the capabilities {}",
        network.as_str(),
        capabilities.join(", ")
    )]
    UnusedCapabilities {
        /// Which network.
        network: NetworkName,
        /// The capabilities, by name.
        capabilities: Vec<String>,
    },
    /// Several steps failed; the others were carried out.
    #[error("{} steps failed: {first}{}", others.len() + 1, behind(others))]
    Several {
        /// The first failure.
        #[source]
        first: Box<Error>,
        /// Those after it, at least one.
        others: Vec<Error>,
    },
}

/// The failure of an ADD, and what came of the DEL that followed it; its words are those of the failure, and those of the DEL's
/// when it failed too. What lies behind it is what lies behind the failure of the ADD.
#[derive(Debug)]
#[non_exhaustive]
pub struct Undone {
    /// Why ADD failed.
    pub add: Error,
    /// Whether it was detached again, and why not.
    pub del: Result<(), Error>,
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.add.fmt(f)?;
        match &self.del {
            Ok(()) => Ok(()),
            Err(error) => write!(f, "; it could not be detached again: {error}"),
        }
    }
}

impl std::error::Error for Undone {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.add.source()
    }
}

impl From<PluginError> for Error {
    fn from(error: PluginError) -> Self {
        Self::Plugin(Box::new(error))
    }
}

impl Error {
    /// One error of many: none of none, the error itself of one.
    pub(crate) fn collect(errors: Vec<Self>) -> Result<(), Self> {
        let mut errors = errors.into_iter();
        let Some(first) = errors.next() else {
            return Ok(());
        };
        let others: Vec<_> = errors.collect();
        match others.is_empty() {
            true => Err(first),
            false => Err(Self::Several {
                first: Box::new(first),
                others,
            }),
        }
    }

    /// Every failure of which this one is made: more than itself where several steps failed, or an ADD and the DEL after it.
    pub fn errors(&self) -> Vec<&Self> {
        match self {
            Self::Several { first, others } => {
                let all = std::iter::once(&**first).chain(others);
                all.flat_map(Self::errors).collect()
            }
            Self::Undone(undone) => {
                let mut all = undone.add.errors();
                all.extend(
                    undone
                        .del
                        .as_ref()
                        .err()
                        .map(Self::errors)
                        .unwrap_or_default(),
                );
                all
            }
            error => vec![error],
        }
    }

    /// Files of the cache, if any, that cannot be read and could be of a network.
    pub(crate) fn unknown_attachments(
        network: &NetworkName,
        unread: Vec<(PathBuf, Self)>,
    ) -> Result<(), Self> {
        let (files, errors): (Vec<_>, Vec<_>) = unread.into_iter().unzip();
        let Some(first) = errors.into_iter().next() else {
            return Ok(());
        };
        Err(Self::UnknownAttachments {
            network: network.clone(),
            files,
            source: Box::new(first),
        })
    }

    /// Whether a plugin that was the first of its chain may have begun something: not when it was not run, and not when it
    /// says itself why it failed. Such a one has undone what it did, or refused because the interface is another's.
    pub(crate) fn may_leave_something(&self) -> bool {
        match self {
            Self::Plugin(error) => error.was_run && !matches!(error.cause, Cause::Reported(_)),
            _ => false,
        }
    }

    /// Whether a file of the cache could not be read as the machine is just now.
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self, Self::Cache { source, .. } if file::is_for_now(source))
    }

    /// Whether the operation was given up; see [`Cancel`](crate::Cancel).
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Plugin(error) => matches!(error.cause, Cause::Cancelled),
            Self::Several { .. } => self.errors().into_iter().any(Self::is_cancelled),
            Self::Busy { cancelled, .. } => *cancelled,
            Self::Undone(undone) => undone.add.is_cancelled(),
            _ => false,
        }
    }

    /// The code of the specification. A plugin's own error has the plugin's.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Plugin(error) => error.code(),
            Self::Configuration { source, .. }
            | Self::Network { source, .. }
            | Self::CachedResult { source, .. } => linkspan_spec::Error::from(source.clone()).code,
            Self::NetworkNotFound { .. }
            | Self::NoNetworks { .. }
            | Self::NoPlugins { .. }
            | Self::FileName { .. }
            | Self::Argument(_)
            | Self::UnusedCapabilities { .. } => ErrorCode::INVALID_NETWORK_CONFIG,
            Self::PluginVersion { .. } | Self::CheckNotSupported { .. } | Self::Result { .. } => {
                ErrorCode::INCOMPATIBLE_VERSION
            }
            Self::Unreadable { .. }
            | Self::Watch { .. }
            | Self::PluginNotFound { .. }
            | Self::Cache { .. }
            | Self::CacheTaken { .. }
            | Self::NotNoted { .. }
            | Self::Lock { .. } => ErrorCode::IO_FAILURE,
            Self::Undone(undone) => undone.add.code(),
            Self::Busy { .. } | Self::NotBegun { .. } | Self::AttachedSince { .. } => {
                ErrorCode::TRY_AGAIN_LATER
            }
            Self::UnknownAttachments { source, .. } | Self::NotKept { source, .. } => source.code(),
            Self::Several { first, .. } => first.code(),
        }
    }
}

/// The words of all but the first of several.
fn behind(others: &[Error]) -> String {
    others.iter().map(|error| format!("; {error}")).collect()
}

fn paths(files: &[PathBuf]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    listed(&names)
}

pub(super) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
