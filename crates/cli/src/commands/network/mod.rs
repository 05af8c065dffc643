//! `network`: the networks of this host, by Podman's names.

mod ls;

use crate::args::{Networks, NetworksCommand};
use crate::commands::new;
use crate::failure::Failure;
use crate::ui::Ui;

/// Lists, looks into, removes or makes networks.
pub(crate) fn network(ui: Ui, args: &Networks) -> Result<(), Failure> {
    match &args.command {
        NetworksCommand::Ls(args) => ls::ls(ui, args),
        NetworksCommand::Create(args) => new::network(ui, args),
    }
}
