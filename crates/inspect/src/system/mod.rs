//! What else of this host matters to its containers' networks, as data.

mod build;
mod directory;
mod firewall;
mod kernel;
mod managers;
mod parameters;
mod program;

use std::ffi::OsStr;
use std::path::PathBuf;

use serde::Serialize;

use crate::audit::{Item, Report};
use crate::{Host, Places};

pub use build::linkspan_version;
pub use directory::{Directory, Use};
pub use firewall::{Firewall, Missing};
pub use managers::{Managed, Manager, Managers};
pub use parameters::{Parameters, dotted};
pub use program::{Fitness, PLUGINS, Program, is_linkspan};

/// What a look at the host beside its networks and attachments has found.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct System {
    /// What is wrong with the host's pools of addresses.
    #[serde(skip)]
    pub audit: Vec<Item>,
    /// Kernel parameters.
    pub parameters: Parameters,
    /// Kinds of links that the networks need and the kernel cannot make.
    pub missing_link_kinds: Vec<String>,
    /// The sockets of DHCP daemons that the networks need, and nobody listens on.
    pub silent_daemons: Vec<PathBuf>,
    /// Who else manages links and rules.
    pub managers: Managers,
    /// What stands in the way of packets, and what should and does not.
    #[serde(skip)]
    pub firewall: Firewall,
    /// The directories in which runtimes look for plugins, in their order.
    pub plugin_dirs: Vec<PathBuf>,
    /// The files in them.
    pub programs: Vec<Program>,
    /// The directories of plugins, configurations and state, and the files of configurations.
    pub directories: Vec<Directory>,
}

impl System {
    /// Looks at all of it, as far as it matters to what was found on the host.
    pub fn look(host: &Host, places: &Places) -> Self {
        Self {
            audit: Report::of(host).items,
            parameters: Parameters::read(host),
            missing_link_kinds: kernel::missing_link_kinds(host),
            silent_daemons: kernel::silent_daemons(host),
            managers: Managers::read(host),
            firewall: Firewall::read(host),
            plugin_dirs: places.plugin_dirs.clone(),
            programs: program::read(&places.plugin_dirs),
            directories: directory::read(host, places),
        }
    }

    /// The file that a runtime runs for a plugin: the first of that name which is a file.
    pub fn program(&self, plugin: &str) -> Option<&Program> {
        let mut named = self.named(plugin);
        named.find(|program| program.fitness.is_file())
    }

    /// Every file of a plugin's name, in the order of the directories.
    pub fn named(&self, plugin: &str) -> impl Iterator<Item = &Program> {
        let programs = self.programs.iter();
        programs.filter(move |program| program.path.file_name() == Some(OsStr::new(plugin)))
    }
}
