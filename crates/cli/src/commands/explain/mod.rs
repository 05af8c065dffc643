//! `explain`: what a key means, and what is behind an error.

mod error;
mod key;

use crate::args::{Explain, ExplainCommand};
use crate::failure::Failure;
use crate::ui::Ui;

/// Explains what is asked for.
pub(crate) fn explain(ui: Ui, args: &Explain) -> Result<(), Failure> {
    match &args.command {
        ExplainCommand::Key(args) => key::explain(ui, args),
        ExplainCommand::Error(args) => error::explain(ui, args),
    }
}
