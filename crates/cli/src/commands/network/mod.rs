//! `network`: the networks of this host, by Podman's names.

mod inspect;
mod leftovers;
mod ls;
mod rm;

use linkspan_inspect::{Host, Places};

use crate::args::{Networks, NetworksCommand};
use crate::commands::new;
use crate::failure::{Failure, Kind};
use crate::ui::Ui;

/// Lists, looks into, removes or makes networks.
pub(crate) fn network(ui: Ui, args: &Networks) -> Result<(), Failure> {
    match &args.command {
        NetworksCommand::Ls(args) => ls::ls(ui, args),
        NetworksCommand::Inspect(args) => inspect::inspect(ui, args),
        NetworksCommand::Rm(args) => rm::rm(ui, args),
        NetworksCommand::Create(args) => new::network(ui, args),
    }
}

/// That there is no network of a name, and which there are.
fn not_found(host: &Host, places: &Places, name: &str) -> Failure {
    let directories: Vec<String> = places
        .config_dirs
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let words = format!("there is no network {name:?} in {}", directories.join(", "));
    let names: Vec<&str> = host
        .networks
        .iter()
        .filter_map(|network| network.name.as_deref())
        .collect();
    Failure::new(Kind::Network, words).advise(match names.is_empty() {
        true => "There is none at all: `linkspan new network` makes one.".to_owned(),
        false => format!("There are {}.", names.join(", ")),
    })
}
