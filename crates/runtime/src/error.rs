//! Why an operation failed, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use linkspan_spec::{
    Attachment, CannotExpress, DecodeError, ErrorCode, NetworkName, PluginType, Version,
};

use crate::{Cause, InvalidArg, PluginError};

/// How many names of networks or plugins a piece of advice lists.
const LISTED: usize = 20;

/// Why an operation failed.
///
/// The text of an error is one clause; its [`source`](std::error::Error::source), where it has
/// one, is what lies behind it, and [`advice`](Error::advice) says what to do.
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
    #[error("{} steps failed", .0.len())]
    Several(Vec<Error>),
}

/// The failure of an ADD, and what came of the DEL that followed it; its words are those of the failure.
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
        self.add.fmt(f)
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
    pub(crate) fn collect(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
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
            Self::Plugin(error) => {
                !matches!(error.cause, Cause::Reported(_) | Cause::NotRun { .. })
            }
            _ => false,
        }
    }

    /// Whether the operation was given up; see [`Cancel`](crate::Cancel).
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Plugin(error) => matches!(error.cause, Cause::Cancelled),
            Self::Several(errors) => errors.iter().any(Self::is_cancelled),
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
            | Self::Lock { .. } => ErrorCode::IO_FAILURE,
            Self::Undone(undone) => undone.add.code(),
            Self::Busy { .. } => ErrorCode::TRY_AGAIN_LATER,
            Self::UnknownAttachments { source, .. } => source.code(),
            Self::Several(errors) => errors.first().map_or(ErrorCode::INTERNAL, Self::code),
        }
    }

    /// What to do, in one or two sentences, where there is something to say.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::NetworkNotFound {
                directory, found, ..
            } if found.is_empty() => Some(format!(
                "There is no network at all in {}. Write a configuration there, or name another \
                 directory.",
                directory.display()
            )),
            Self::NetworkNotFound { found, .. } => {
                Some(format!("The networks there are: {}.", listed(found)))
            }
            Self::PluginNotFound {
                obstacle: Some(obstacle),
                ..
            } => Some(format!("{obstacle}.")),
            Self::PluginNotFound {
                plugin, present, ..
            } => Some(plugin_not_found(plugin, present)),
            Self::FileName {
                path, extension, ..
            } => Some(format!(
                "Rename it to {}.",
                path.with_extension(extension).display()
            )),
            Self::NoPlugins { .. } => Some(
                "Give the list a key \"plugins\", or put the plugins' configurations as *.conf \
                 into the folder."
                    .to_owned(),
            ),
            Self::PluginVersion { supported, .. } => Some(format!(
                "It supports {}. Give the network a \"cniVersion\" of these, or install a newer \
                 plugin.",
                listed(supported)
            )),
            Self::CheckNotSupported { .. } => Some(
                "CHECK came with version 0.4.0. Give the network a later \"cniVersion\", if its \
                 plugins support it."
                    .to_owned(),
            ),
            Self::Result { .. } => Some("Give the network a later \"cniVersion\".".to_owned()),
            Self::CachedResult { path, .. } => Some(format!(
                "Detach the container and attach it again: that needs no cached result and \
                 replaces {}.",
                path.display()
            )),
            Self::UnknownAttachments { .. } => Some(
                "Nothing was removed. Whose a file is stands in its name: network, container, \
                 interface. Detach that container and attach it again; remove the file when there is no \
                 such container."
                    .to_owned(),
            ),
            Self::Watch { source, .. } => watch_advice(source),
            Self::Cache { source, .. } => io_advice(source),
            Self::Unreadable { source, .. } | Self::Lock { source, .. } => io_advice(source),
            Self::Busy { .. } => Some(
                "Nothing was begun. GC waits for each ADD, CHECK and DEL of its network, and they for GC; those of one \
                 attachment wait for each other. See who it is with `lslocks`, and try again later."
                    .to_owned(),
            ),
            Self::Plugin(error) => error.advice(),
            Self::Several(errors) => errors.iter().find_map(Self::advice),
            Self::Undone(undone) => undone.add.advice(),
            Self::CacheTaken { .. } => Some(
                "Nothing was begun. Detach the other first, or name network or container without the hyphen."
                    .to_owned(),
            ),
            Self::Configuration { .. } => Some(
                "Mend the file, or move it out of its directory: those behind it in the alphabet may not be looked at while it \
                 is so."
                    .to_owned(),
            ),
            Self::NoNetworks { .. } | Self::Argument(_) | Self::UnusedCapabilities { .. } => {
                self.asked_advice()
            }
            Self::Network { .. } => None,
        }
    }

    /// What to do where it is what was asked for that cannot be.
    fn asked_advice(&self) -> Option<String> {
        match self {
            Self::NoNetworks { directory } => Some(format!(
                "Has the network provider of this node started? It writes a *.conflist into {}.",
                directory.display()
            )),
            Self::Argument(_) => Some(
                "CNI_ARGS are for short names and numbers. Hand anything else to the plugins that declare a capability for it."
                    .to_owned(),
            ),
            Self::UnusedCapabilities { capabilities, .. } => Some(format!(
                "Add \"capabilities\": {{ {:?}: true }} to the entry of the plugin that is to have it.",
                capabilities.first().map_or("", String::as_str)
            )),
            _ => None,
        }
    }
}

fn plugin_not_found(plugin: &PluginType, present: &[String]) -> String {
    let there = if present.is_empty() {
        "Nothing is there".to_owned()
    } else {
        format!("What is there: {}", listed(present))
    };
    format!(
        "{there}. Install the plugin {:?} into one of these directories, or add the directory \
         that holds it to CNI_PATH.",
        plugin.as_str()
    )
}

/// The limits of inotify are few, and their errors have the texts of others.
fn watch_advice(error: &io::Error) -> Option<String> {
    match rustix::io::Errno::from_io_error(error)? {
        rustix::io::Errno::NOSPC => Some(
            "No disk is full: the user has too many watches. Raise fs.inotify.max_user_watches."
                .to_owned(),
        ),
        rustix::io::Errno::MFILE => Some(
            "The process has too many open files (`ulimit -n`), or the user too many watchers: raise \
             fs.inotify.max_user_instances."
                .to_owned(),
        ),
        _ => io_advice(error),
    }
}

/// What to do when a file or a directory cannot be read or written, where there is something to say.
pub fn io_advice(error: &io::Error) -> Option<String> {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => {
            "Root may not do it either: the file may be immutable (lsattr), or a user namespace or a \
             security module (SELinux, AppArmor) forbids it."
        }
        io::ErrorKind::PermissionDenied => "Run it as root, or choose a directory that is yours.",
        io::ErrorKind::ReadOnlyFilesystem => "Choose a directory that can be written to.",
        io::ErrorKind::StorageFull => "Make room on the file system.",
        _ => return None,
    };
    Some(advice.to_owned())
}

fn paths(files: &[PathBuf]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    listed(&names)
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
