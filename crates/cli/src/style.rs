//! How text looks on a terminal, and on what is none.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use crate::text::wrap;

/// Columns of a line that everybody can read.
const COLUMNS: usize = 80;

/// What switches the looks on and off.
pub(crate) const LOOKS: [&str; 6] = [
    "\x1b[0m",
    "\x1b[1m",
    "\x1b[2m",
    "\x1b[31m",
    "\x1b[32m",
    "\x1b[1;31m",
];

/// How text may look on an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
    /// Columns of the terminal; `None` when it is none.
    columns: Option<usize>,
}

impl Style {
    /// For files and programs.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self {
        colour: false,
        columns: None,
    };

    /// That of an output.
    pub(crate) fn of(output: impl IsTerminal + AsFd) -> Self {
        let terminal = output.is_terminal();
        // https://no-color.org: any value but an empty one.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let columns = rustix::termios::tcgetwinsize(output).map(|size| size.ws_col.into());
        Self {
            colour: terminal && !unwanted && !is_dumb(),
            columns: columns.ok().filter(|columns| terminal && *columns > 0),
        }
    }

    /// Whether it has colours.
    pub(crate) fn is_coloured(self) -> bool {
        self.colour
    }

    /// Columns of the terminal, if it is one.
    pub(crate) fn columns(self) -> Option<usize> {
        self.columns
    }

    /// Whether a person reads it as it comes.
    pub(crate) fn is_terminal(self) -> bool {
        self.columns.is_some()
    }

    /// How many columns a line may have: those of the terminal, and never more than 80.
    pub(crate) fn width(self) -> usize {
        self.columns.unwrap_or(COLUMNS).min(COLUMNS)
    }

    /// The lines of a text behind a margin. On a terminal they are broken between words; programs and
    /// files get them whole.
    pub(crate) fn behind_margin(self, text: &str, margin: usize) -> String {
        let lines = match self.columns {
            Some(columns) => wrap(text, columns.saturating_sub(margin)),
            None => text.lines().map(str::to_owned).collect(),
        };
        lines.join(&format!("\n{:margin$}", ""))
    }

    /// For what went well, or leads on.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what went wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// For what matters less.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// For headings.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Whether the terminal is one of those that can only print: TERM is `dumb`, or not set.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_terminals_get_their_lines_broken() {
        let text = "one two three\nfour";
        assert_eq!(Style::PLAIN.behind_margin(text, 2), "one two three\n  four");
        let narrow = Style {
            columns: Some(10),
            ..Style::PLAIN
        };
        assert_eq!(narrow.behind_margin(text, 2), "one two\n  three\n  four");
    }
}
