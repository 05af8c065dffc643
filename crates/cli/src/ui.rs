//! Standard output and standard error: what is told there, as tables, JSON or words.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use linkspan_inspect::{Host, Places};
use linkspan_spec::{Map, Value, pretty};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::failure::Failure;
use crate::progress::{self, Progress};
use crate::style::{self, Style};
use crate::text::{visible, width};

/// How much a command tells beside its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Errors alone.
    Quiet,
    /// What a person should know.
    Usual,
    /// What was read and run as well.
    Verbose,
}

/// Where a command tells what it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    /// Whether programs read it.
    pub(crate) json: bool,
    loudness: Loudness,
    out: Style,
    err: Style,
    terminal: bool,
    /// Whether standard error is one.
    err_terminal: bool,
}

impl Ui {
    pub(crate) fn new(json: bool, loudness: Loudness) -> Self {
        Self {
            json,
            loudness,
            out: Style::of(io::stdout()),
            err: Style::of(io::stderr()),
            terminal: io::stdout().is_terminal(),
            err_terminal: io::stderr().is_terminal(),
        }
    }

    /// The style of standard output.
    pub(crate) fn style(&self) -> Style {
        self.out
    }

    /// Whether a person sees standard output as it comes.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether no more than what was asked for is to be told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.loudness == Loudness::Quiet
    }

    /// Prints text on standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        self.write(&shown(text, self.json && !self.terminal))
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let _screen = progress::screen();
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

    /// Prints text in the place of the last `lines` lines, where the terminal can do that, and otherwise below them.
    pub(crate) fn redraw(&self, text: &str, lines: usize) -> Result<(), Failure> {
        if lines > 0 && self.terminal && !style::is_dumb() {
            // ECMA-48: up to the first of them, and everything from there on is erased.
            let _screen = progress::screen();
            let _ = write!(io::stdout(), "\x1b[{lines}A\r\x1b[J");
        } else if lines > 0 {
            self.print("\n")?;
        }
        self.print(text)
    }

    /// Prints JSON on standard output, as CNI's own tools indent it.
    pub(crate) fn print_json(&self, value: &Value) -> Result<(), Failure> {
        self.write(&shown(&format!("{}\n", pretty(value)), !self.terminal))
    }

    /// The JSON of something that was seen.
    pub(crate) fn value(&self, seen: &impl Serialize) -> Result<Value, Failure> {
        serde_json::to_value(seen).map_err(|error| {
            Failure::new(
                crate::failure::Kind::Failed,
                "what was seen cannot be written as JSON",
            )
            .because(error)
        })
    }

    /// Looks at this host; what cannot be seen is told to a person at once.
    pub(crate) fn look(&self, places: &Places) -> Host {
        let _progress = self.progress("looking at this host");
        let host = Host::look(places);
        self.detail(|| {
            format!(
                "looked at {} networks, {} attachments, {} pools and {} namespaces, in {}",
                host.networks.len(),
                host.attachments.len(),
                host.pools.len(),
                host.namespaces.len(),
                places
                    .config_dirs
                    .iter()
                    .chain(&places.cache_dirs)
                    .chain(&places.pool_dirs)
                    .map(|path| path.display().to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        });
        for blind in &host.blind_spots {
            let next = blind.next.as_ref().map(|next| format!(" {next}"));
            self.note(&format!(
                "not everything is seen: {blind}.{}",
                next.unwrap_or_default()
            ));
        }
        host
    }

    /// Tells that it was done: a program by an object, a person on a terminal in words. Scripts read the
    /// exit status.
    pub(crate) fn done(&self, words: &str, told: Value) -> Result<(), Failure> {
        if self.json {
            return self.print_json(&told);
        }
        if self.terminal && self.loudness > Loudness::Quiet {
            self.print(&format!("{} {words}\n", self.out.good("done:")))?;
        }
        Ok(())
    }

    /// Tells something that is not the command's result, on standard error: a program once all is done.
    pub(crate) fn note(&self, words: &str) {
        if self.loudness == Loudness::Quiet {
            return;
        }
        if self.json {
            notes().extend(words.lines().map(str::to_owned));
        } else {
            self.tell(words);
        }
    }

    /// Tells who wants to know (`--verbose`) what was read or run, as a note.
    pub(crate) fn detail(&self, words: impl FnOnce() -> String) {
        if self.loudness == Loudness::Verbose {
            self.note(&words());
        }
    }

    /// Shows what is waited for until what is returned is dropped: on a terminal, once it has taken a second.
    #[must_use = "what is shown is gone when this is dropped"]
    pub(crate) fn progress(&self, words: impl Into<String>) -> Progress {
        let is_wanted = self.loudness > Loudness::Quiet && !self.json;
        let is_seen = is_wanted && self.err_terminal && !style::is_dumb();
        Progress::begin(is_seen.then(|| visible(&words.into()).into_owned()))
    }

    /// When standard error is closed, nobody wants to know.
    fn tell(&self, words: &str) {
        let _screen = progress::screen();
        let is_exact = self.json && !self.err_terminal;
        let _ = writeln!(io::stderr(), "{}", shown(words, is_exact));
    }

    /// Tells a failure, on standard error.
    pub(crate) fn fail(&self, failure: &Failure) {
        if !self.json {
            return self.tell(failure.text(self.err).trim_end());
        }
        let mut told = failure.json();
        if let (Some(map), Some(notes)) = (told.as_object_mut(), taken_notes()) {
            map.insert("notes".into(), notes);
        }
        self.tell(&pretty(&told));
    }

    /// Tells a program what was to be told beside the result of a success.
    pub(crate) fn end(&self) {
        if let Some(notes) = taken_notes() {
            self.tell(&pretty(&object([("notes", notes)])));
        }
    }
}

/// The text as an output gets it. A terminal obeys control characters, also behind a pipe, and most of what is told comes from files
/// and plugins. Programs get JSON exactly, which spells them out by itself but for those that turn the direction of the text.
fn shown(text: &str, is_exact: bool) -> Cow<'_, str> {
    match is_exact {
        true => text.into(),
        false => visible(text),
    }
}

/// Whether standard output is not a pipe whose reader has read enough.
pub(crate) fn is_somebody_reading() -> bool {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let outcome = poll(&mut polled, Some(&Timespec::default()));
    outcome.is_err() || !polled[0].revents().contains(PollFlags::ERR)
}

/// What is still to be told to a program: standard error gets one object.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn notes() -> MutexGuard<'static, Vec<String>> {
    NOTES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn taken_notes() -> Option<Value> {
    let notes = std::mem::take(&mut *notes());
    Some(notes)
        .filter(|notes| !notes.is_empty())
        .map(Value::from)
}

/// A JSON object with these keys, in order.
pub(crate) fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    Value::Object(Map::from_iter(entries))
}

/// Lines of a table with columns as wide as need be; the first line is the heading.
pub(crate) fn table(style: Style, rows: &[Vec<String>]) -> String {
    let wanted = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..rows.first().map_or(0, Vec::len)).map(wanted).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths);
        let line: Vec<_> = cells
            .map(|(cell, wanted)| format!("{cell}{:1$}", "", wanted - width(cell)))
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

    const PLAIN: Style = Style::PLAIN;

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
