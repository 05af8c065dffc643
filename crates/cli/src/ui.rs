//! Standard output and standard error: colours, tables, JSON.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use linkspan_spec::{Map, Value, pretty};

use crate::failure::Failure;
use crate::text::wrap;

/// Columns of a line that everybody can read.
const COLUMNS: usize = 80;

/// How text may look on an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
    /// Columns of the terminal; `None` when it is none.
    columns: Option<usize>,
}

impl Style {
    fn of(output: impl IsTerminal + AsFd) -> Self {
        let terminal = output.is_terminal();
        // https://no-color.org: any value but an empty one.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let columns = rustix::termios::tcgetwinsize(output).map(|size| size.ws_col.into());
        Self {
            colour: terminal && !unwanted,
            columns: columns.ok().filter(|columns| terminal && *columns > 0),
        }
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

/// Where a command tells what it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    /// Whether programs read it.
    pub(crate) json: bool,
    out: Style,
    err: Style,
    terminal: bool,
}

impl Ui {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            out: Style::of(io::stdout()),
            err: Style::of(io::stderr()),
            terminal: io::stdout().is_terminal(),
        }
    }

    /// The style of standard output.
    pub(crate) fn style(&self) -> Style {
        self.out
    }

    /// Prints text on standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        match written {
            // Whoever was reading has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| {
                Failure::new(crate::failure::Kind::Failed, "cannot print the result").because(error)
            }),
        }
    }

    /// Prints JSON on standard output, as CNI's own tools indent it.
    pub(crate) fn print_json(&self, value: &Value) -> Result<(), Failure> {
        self.print(&format!("{}\n", pretty(value)))
    }

    /// Tells a person that it was done; programs read the exit status.
    pub(crate) fn done(&self, words: &str) -> Result<(), Failure> {
        if self.terminal && !self.json {
            self.print(&format!("{} {words}\n", self.out.good("done:")))?;
        }
        Ok(())
    }

    /// Tells something that is not the command's result, on standard error. When that is closed,
    /// nobody wants to know.
    pub(crate) fn note(&self, words: &str) {
        let _ = writeln!(io::stderr(), "{words}");
    }

    /// Tells a failure, on standard error.
    pub(crate) fn fail(&self, failure: &Failure) {
        if self.json {
            self.note(&pretty(&failure.json()));
        } else {
            self.note(failure.text(self.err).trim_end());
        }
    }
}

/// A JSON object with these keys, in order.
pub(crate) fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    Value::Object(Map::from_iter(entries))
}

/// Lines of a table with columns as wide as need be; the first line is the heading.
pub(crate) fn table(style: Style, rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let line = line.join("  ");
        let line = line.trim_end();
        text.push_str(&if number == 0 {
            style.bold(line)
        } else {
            line.to_owned()
        });
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        colour: false,
        columns: None,
    };

    #[test]
    fn only_terminals_get_their_lines_broken() {
        let text = "one two three\nfour";
        assert_eq!(PLAIN.behind_margin(text, 2), "one two three\n  four");
        let narrow = Style {
            columns: Some(10),
            ..PLAIN
        };
        assert_eq!(narrow.behind_margin(text, 2), "one two\n  three\n  four");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["NAME", "N", "FILE"]),
            row(["ä", "10", ""]),
            row(["longer", "", "x"]),
        ];
        assert_eq!(
            table(PLAIN, &rows),
            "NAME    N   FILE\nä       10\nlonger      x\n"
        );
    }
}
