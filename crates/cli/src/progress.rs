//! What takes long is shown while it lasts: one line on the terminal's standard error, which comes after a second, counts, and is
//! erased when it is over.
//!
//! Whether it is shown at all is for [`Ui::progress`](crate::ui::Ui::progress) to say. Whoever else writes to the terminal holds
//! [`screen`] meanwhile, so that neither writes into the other's line.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::style::Style;
use crate::text::cut;

/// What takes no longer is not shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is drawn.
const PACE: Duration = Duration::from_millis(200);
/// Goes to the beginning of the line and erases it, by ECMA-48.
const ERASE: &str = "\r\x1b[K";

/// What is under way; the last to begin is shown.
static SCREEN: Mutex<Screen> = Mutex::new(Screen {
    tasks: Vec::new(),
    begun: 0,
    drawn: String::new(),
    is_watched: false,
});

/// The terminal, as far as progress is concerned.
pub(crate) struct Screen {
    tasks: Vec<Task>,
    /// How many tasks there were: the number of the next.
    begun: usize,
    /// The line that is there; empty when there is none.
    drawn: String,
    /// Whether there is a thread that draws.
    is_watched: bool,
}

struct Task {
    number: usize,
    words: String,
    since: Instant,
}

/// The terminal for who writes to it, without a line of progress.
pub(crate) fn screen() -> MutexGuard<'static, Screen> {
    let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
    screen.erase();
    screen
}

/// Something that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    /// `None` when it is not shown.
    number: Option<usize>,
}

impl Progress {
    /// Begins to show it, where there are words.
    pub(crate) fn begin(words: Option<String>) -> Self {
        Self {
            number: words.map(|words| screen().begin(words)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            screen().tasks.retain(|task| task.number != number);
        }
    }
}

impl Screen {
    fn begin(&mut self, words: String) -> usize {
        let number = self.begun;
        self.begun += 1;
        let since = Instant::now();
        self.tasks.push(Task {
            number,
            words,
            since,
        });
        if !self.is_watched {
            // Without it nothing is shown, which is no reason to fail.
            self.is_watched = thread::Builder::new().spawn(watch).is_ok();
        }
        number
    }

    fn erase(&mut self) {
        if !std::mem::take(&mut self.drawn).is_empty() {
            write(ERASE);
        }
    }

    /// Draws what is under way. Returns whether anything is.
    fn draw(&mut self) -> bool {
        let width = Style::of(io::stderr()).columns().unwrap_or(80);
        let line = self.tasks.last().and_then(|task| task.line(width));
        if let Some(line) = line.filter(|line| *line != self.drawn) {
            write(&format!("{ERASE}{line}"));
            self.drawn = line;
        }
        !self.tasks.is_empty()
    }
}

impl Task {
    /// Its line, once it has taken long enough. A line that is broken could not be erased, so the last column is left free.
    fn line(&self, width: usize) -> Option<String> {
        let elapsed = self.since.elapsed();
        let line = format!("{} … {} s", self.words, elapsed.as_secs());
        (elapsed >= PATIENCE).then(|| cut(&line, width.saturating_sub(1)))
    }
}

/// Draws while anything is under way.
fn watch() {
    loop {
        thread::sleep(PACE);
        let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !screen.draw() {
            screen.is_watched = false;
            return;
        }
    }
}

/// When standard error is closed, nobody sees it.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_after_a_second_and_fits_the_terminal() {
        let since = |seconds| Task {
            number: 0,
            words: "waiting for plugin bridge".to_owned(),
            since: Instant::now() - Duration::from_millis(seconds),
        };
        assert_eq!(since(900).line(80), None);
        let line = since(3_100).line(80);
        assert_eq!(line.as_deref(), Some("waiting for plugin bridge … 3 s"));
        assert_eq!(since(3_100).line(10).as_deref(), Some("waiting …"));
    }
}
