//! `ipam`: the pools of addresses.

mod check;
mod free;
mod show;

use linkspan_inspect::audit::Item;

use crate::args::{Ipam, IpamCommand};
use crate::failure::Failure;
use crate::style::Style;
use crate::text::short_id;
use crate::ui::Ui;

/// Carries one of its commands out.
pub(crate) fn ipam(ui: Ui, args: &Ipam) -> Result<(), Failure> {
    match &args.command {
        IpamCommand::Show(args) => show::show(ui, args),
        IpamCommand::Check(args) => check::check(ui, args),
        IpamCommand::Free(args) => free::free(ui, args),
    }
}

/// What to call the container that holds an address.
fn holder(style: Style, item: &Item) -> Option<String> {
    let id = item.container.as_ref().map(|id| short_id(style, id));
    item.name.clone().or(id)
}
