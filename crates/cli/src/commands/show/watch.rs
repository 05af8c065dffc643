//! `show --watch`: how much each attachment carries, as its container sees it.

use std::io;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_inspect::Host;
use linkspan_inspect::attachment::{Attachment, called};
use linkspan_inspect::traffic::{Rate, Rates, Sample};
use linkspan_spec::Value;

use super::table::{Sacrifice, container, fit};
use crate::args::Show;
use crate::failure::Failure;
use crate::text::one_word;
use crate::ui::{Ui, is_somebody_reading, object, table};
use crate::units::{bits_per_second, packets_per_second};

const HEADINGS: [&str; 7] = [
    "NETWORK",
    "CONTAINER",
    "IFNAME",
    "RECEIVES",
    "",
    "SENDS",
    "",
];

/// What is given up until the table fits a terminal: the packets last.
const SACRIFICES: [Sacrifice; 4] = [
    Sacrifice::Cut(1, 12),
    Sacrifice::Cut(0, 8),
    Sacrifice::Drop(6),
    Sacrifice::Drop(4),
];

/// Shows rates again and again: as often as was asked for, or until nobody reads any more.
pub(super) fn watch(ui: Ui, args: &Show, interval: Duration) -> Result<(), Failure> {
    let places = args.look.places();
    let mut host = ui.look(&places);
    // A word that means nothing is told at once, and no more once it has meant something.
    super::choose(&host, args.word.as_deref())?;
    let mut before = Sample::take(&host);
    let mut lines = 0;
    for _ in 0..args.count.unwrap_or(u64::MAX) {
        thread::sleep(interval);
        host = Host::look(&places);
        let now = Sample::take(&host);
        let chosen = match &args.word {
            Some(word) => called(&host.attachments, word),
            None => host.attachments.iter().collect(),
        };
        let measured: Vec<_> = chosen
            .into_iter()
            .filter_map(|one| Some((one, now.rates(&before, &host, one)?)))
            .collect();
        if ui.json {
            ui.print(&format!(
                "{}\n",
                json(ui, &measured, now.seconds_since(&before))?
            ))?;
        } else {
            let text = text(ui, measured);
            ui.redraw(&text, lines)?;
            lines = text.lines().count();
        }
        before = now;
        if !is_somebody_reading() {
            break;
        }
    }
    Ok(())
}

fn text(ui: Ui, mut measured: Vec<(&Attachment, Rates)>) -> String {
    let style = ui.style();
    // The heading, a line that says how many are left out, and that of the cursor.
    let room = rows_of_terminal()
        .filter(|_| style.is_terminal())
        .map_or(usize::MAX, |rows| rows.saturating_sub(3).max(1));
    let hidden = measured.len().saturating_sub(room);
    if hidden > 0 {
        // Of those that do not fit the busiest are shown.
        measured.sort_by_key(|(_, rates)| {
            std::cmp::Reverse(rates.receive.bits_per_second + rates.send.bits_per_second)
        });
        measured.truncate(room);
    }
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    rows.extend(measured.iter().map(|(one, rates)| {
        let ifname = one.ifname.as_deref().unwrap_or("?");
        let cells = [
            one.network.clone(),
            container(style, one),
            ifname.to_owned(),
            bits_per_second(rates.receive.bits_per_second),
            packets_per_second(rates.receive.packets_per_second),
            bits_per_second(rates.send.bits_per_second),
            packets_per_second(rates.send.packets_per_second),
        ];
        cells
            .iter()
            .map(|cell| one_word(cell).into_owned())
            .collect()
    }));
    to_the_right(&mut rows);
    if let Some(columns) = style.columns() {
        fit(&mut rows, columns, &SACRIFICES);
    }
    let more = match hidden {
        0 if measured.is_empty() => "Nothing that can be counted is attached.\n".to_owned(),
        0 => String::new(),
        hidden => format!("and {hidden} that carry less\n"),
    };
    table(style, &rows) + &more
}

/// Numbers of a column end below each other.
fn to_the_right(rows: &mut [Vec<String>]) {
    for column in 3..HEADINGS.len() {
        let widths = rows.iter().map(|row| row[column].chars().count());
        let width = widths.max().unwrap_or(0);
        for row in rows.iter_mut() {
            row[column] = format!("{:>width$}", row[column]);
        }
    }
}

fn rows_of_terminal() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}

/// One object in one line (JSON Lines).
fn json(ui: Ui, measured: &[(&Attachment, Rates)], seconds: f64) -> Result<Value, Failure> {
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let rate = |rate: &Rate| ui.value(rate);
    let attachments = measured.iter().map(|(one, rates)| {
        Ok(object([
            ("network", one.network.as_str().into()),
            ("containerID", one.container.as_str().into()),
            ("ifname", one.ifname.as_deref().into()),
            ("receive", rate(&rates.receive)?),
            ("send", rate(&rates.send)?),
        ]))
    });
    Ok(object([
        ("time", time.as_secs().into()),
        ("seconds", seconds.into()),
        (
            "attachments",
            attachments.collect::<Result<Vec<_>, Failure>>()?.into(),
        ),
    ]))
}
