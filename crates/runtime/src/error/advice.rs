//! What to do about an error.

use std::io;

use linkspan_spec::PluginType;

use super::{Error, listed};

impl Error {
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
            Self::Cache { source, .. }
            | Self::Unreadable { source, .. }
            | Self::Lock { source, .. }
            | Self::NotNoted { source, .. } => io_advice(source),
            Self::NotKept { source, .. } => source.advice(),
            Self::Watch { source, .. } => watch_advice(source),
            Self::Busy { .. } => Some(
                "Nothing was begun. GC waits for each ADD, CHECK and DEL of its network, and they for GC; those of one \
                 container wait for each other. See who it is with `lslocks`, and try again later."
                    .to_owned(),
            ),
            Self::Plugin(error) => error.advice(),
            Self::Several { .. } => self.errors().into_iter().find_map(Self::advice),
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
            Self::NoNetworks { .. }
            | Self::Argument(_)
            | Self::UnusedCapabilities { .. }
            | Self::AttachedSince { .. } => self.asked_advice(),
            Self::Network { .. } | Self::NotBegun { .. } => None,
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
            Self::AttachedSince { .. } => Some(
                "Look again at what is attached; what is complete by now is detached as it is then.".to_owned(),
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
            "Root may not do it either: the file may be immutable (lsattr), or another user's and this \
             process has no CAP_DAC_OVERRIDE, or a user namespace or a security module (SELinux, AppArmor) \
             forbids it."
        }
        io::ErrorKind::PermissionDenied => "Run it as root, or choose a directory that is yours.",
        io::ErrorKind::ReadOnlyFilesystem => "Choose a directory that can be written to.",
        io::ErrorKind::StorageFull => "Make room on the file system.",
        _ => return None,
    };
    Some(advice.to_owned())
}
