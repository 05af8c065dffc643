//! `ipam`: the pools of addresses.

mod check;
mod free;
mod show;

use crate::args::{Ipam, IpamCommand};
use crate::failure::Failure;
use crate::ui::Ui;

/// Carries one of its commands out.
pub(crate) fn ipam(ui: Ui, args: &Ipam) -> Result<(), Failure> {
    match &args.command {
        IpamCommand::Show(args) => show::show(ui, args),
        IpamCommand::Check(args) => check::check(ui, args),
        IpamCommand::Free(args) => free::free(ui, args),
    }
}
