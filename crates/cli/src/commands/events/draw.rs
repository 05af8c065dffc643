//! A table of calls, which can be gone on with.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use linkspan_events::Event;
use linkspan_inspect::containers::Names;

use super::select::{continues, name};
use crate::style::Style;
use crate::text::{short_id, visible};

const HEADING: [&str; 8] = [
    "TIME",
    "COMMAND",
    "NETWORK",
    "CONTAINER",
    "INTERFACE",
    "PLUGIN",
    "TOOK",
    "RESULT",
];

/// The cells that a chain has in common.
const COMMON: usize = 5;

/// Columns before the words of an error.
const MARGIN: usize = 10;

type Row = [String; HEADING.len()];

/// What is drawn so far.
pub(super) struct Table<'n> {
    style: Style,
    names: &'n Names,
    zone: TimeZone,
    widths: [usize; HEADING.len()],
    last: Option<Event>,
}

impl<'n> Table<'n> {
    pub(super) fn new(style: Style, names: &'n Names) -> Self {
        Self {
            style,
            names,
            zone: TimeZone::system(),
            widths: HEADING.map(str::len),
            last: None,
        }
    }

    /// Lines for more events; before the first ones a heading.
    pub(super) fn draw(&mut self, events: &[Event]) -> String {
        let rows: Vec<Row> = events.iter().map(|event| self.row(event)).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = String::new();
        if self.last.is_none() && !events.is_empty() {
            let heading = self.line(&HEADING.map(str::to_owned));
            text = format!("{}\n", self.style.bold(&heading));
        }
        for (event, row) in events.iter().zip(rows) {
            text += &self.lines(event, row);
            self.last = Some(event.clone());
        }
        text
    }

    fn lines(&self, event: &Event, mut row: Row) -> String {
        // Programs get each line whole.
        let last = self.last.as_ref().filter(|_| self.style.is_terminal());
        if last.is_some_and(|last| continues(last, event)) {
            row[..COMMON].fill(String::new());
        }
        let mut text = self.line(&row);
        if event.error.is_some() {
            let whole = text.strip_suffix(&row[COMMON + 2]).map(str::to_owned);
            let result = self.style.bad(&row[COMMON + 2]);
            text = whole.map_or(text, |whole| whole + &result);
        }
        text.push('\n');
        text + &self.error(event)
    }

    fn error(&self, event: &Event) -> String {
        let Some(error) = &event.error else {
            return String::new();
        };
        let lines = |words: &str| {
            let words = self.style.behind_margin(words, MARGIN);
            format!("{:MARGIN$}{words}", "")
        };
        let by = match event.failed_ipam() {
            Some(ipam) => format!("{}: ", ipam.plugin),
            None => String::new(),
        };
        let text = lines(&format!("{by}{}", error.msg)) + "\n";
        match error.details.as_str() {
            "" => text,
            details => text + &self.style.dim(&lines(details)) + "\n",
        }
    }

    fn line(&self, cells: &Row) -> String {
        let cells = cells.iter().zip(self.widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    }

    fn row(&self, event: &Event) -> Row {
        let container = name(event, self.names);
        let plugin = match event.ipam.first() {
            Some(ipam) => format!("{} ({})", event.plugin, ipam.plugin),
            None => event.plugin.clone(),
        };
        let result = match &event.error {
            Some(error) => format!("error {}", error.code),
            None => "done".to_owned(),
        };
        let cells = [
            self.time(event.began),
            event.command.clone(),
            event.network.clone(),
            container.unwrap_or_else(|| short_id(self.style, &event.container)),
            event.ifname.clone(),
            plugin,
            took(event.took),
            result,
        ];
        // A cell is one line, whatever a runtime has written there, and as wide as it will be shown.
        cells.map(|cell| match (cell.is_empty(), self.style.is_terminal()) {
            (true, _) => "-".to_owned(),
            (false, true) => visible(&cell).replace(['\n', '\t'], " "),
            (false, false) => cell.replace(['\n', '\t'], " "),
        })
    }

    /// By this machine's clock; with the day where it is not today.
    fn time(&self, time: SystemTime) -> String {
        let Ok(time) = Timestamp::try_from(time) else {
            return "?".to_owned();
        };
        let local = |time: Timestamp| time.to_zoned_datetime(self.zone.clone());
        let is_today = local(time).date() == local(Timestamp::now()).date();
        let format = if is_today {
            "%H:%M:%S%.3f"
        } else {
            "%m-%d %H:%M:%S%.3f"
        };
        local(time).strftime(format).to_string()
    }
}

/// RFC 3339, in UTC, to the microsecond.
pub(super) fn timestamp(time: SystemTime) -> String {
    let time = Timestamp::try_from(time);
    time.map_or_else(|_| "?".to_owned(), |time| format!("{time:.6}"))
}

/// In a unit in which it is a number of three digits.
fn took(took: Duration) -> String {
    let micros = took.as_secs_f64() * 1e6;
    let (number, unit) = match took {
        _ if micros < 1e3 => return format!("{micros:.0} µs"),
        _ if micros < 1e6 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    let digits = match number {
        _ if number < 9.995 => 2,
        _ if number < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        for (micros, expected) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1905, "1.91 ms"),
            (9_996, "10.0 ms"),
            (17_130, "17.1 ms"),
            (120_000, "120 ms"),
            (2_000_000, "2.00 s"),
            (300_000_000, "300 s"),
        ] {
            assert_eq!(took(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn a_timestamp_is_rfc_3339() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_764_537_600_123_456);
        assert_eq!(timestamp(time), "2025-11-30T21:20:00.123456Z");
    }
}
