//! Questions to whoever sits before a terminal.

use std::io::{self, IsTerminal, Write};

use crate::failure::{Failure, Kind};
use crate::ui::Ui;

/// Whether somebody can be asked.
pub(super) fn is_possible(ui: Ui) -> bool {
    !ui.json && io::stdin().is_terminal() && ui.is_terminal()
}

/// Asks whether to go on; who cannot be asked has to say so beforehand.
///
/// # Errors
/// When nobody can be asked; `--yes` would have said it.
pub(super) fn go_on(ui: Ui) -> Result<bool, Failure> {
    if ui.json || !io::stdin().is_terminal() {
        return Err(
            Failure::usage("nobody can be asked whether that is wanted").advise(
                "Nothing was changed. `--yes` says that it is, `--dry-run` tells what it would be.",
            ),
        );
    }
    is_yes(ui, "Go on?")
}

/// Asks a question that is answered by yes or no; anything else is no.
pub(super) fn is_yes(ui: Ui, question: &str) -> Result<bool, Failure> {
    let answer = ask(ui, &format!("{question} [y/N]"))?;
    Ok(["y", "yes"].contains(&answer.to_lowercase().as_str()))
}

/// Asks a question; the answer is a line without the spaces around it.
pub(super) fn ask(ui: Ui, question: &str) -> Result<String, Failure> {
    ui.print(&format!("{question} "))?;
    let mut answer = String::new();
    let read = io::stdout()
        .flush()
        .and_then(|()| io::stdin().read_line(&mut answer));
    let length =
        read.map_err(|error| Failure::new(Kind::Failed, "cannot read the answer").because(error))?;
    if length == 0 {
        return Err(Failure::new(Kind::Failed, "there is no answer").advise("Nothing was changed."));
    }
    Ok(answer.trim().to_owned())
}
