//! Attachments, a line for each.

use std::path::PathBuf;

use linkspan_inspect::Host;
use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::life::Life;
use linkspan_inspect::pool::Pool;

use crate::style::Style;
use crate::text::{cut, one_word, short_id};
use crate::ui::table;

/// How many of those that belong to nothing are named.
const NAMED: usize = 10;

const HEADINGS: [&str; 8] = [
    "NETWORK",
    "CONTAINER",
    "IFNAME",
    "ADDRESSES",
    "HOST-LINK",
    "BRIDGE",
    "PORTS",
    "STATE",
];

// Columns by their place in the heading.
const NETWORK: usize = 0;
const CONTAINER: usize = 1;
const HOST_LINK: usize = 4;
const BRIDGE: usize = 5;
const PORTS: usize = 6;
const STATE: usize = 7;

/// What is given up, one after another, until the table fits a terminal.
const SACRIFICES: [Sacrifice; 7] = [
    Sacrifice::Cut(CONTAINER, 24),
    Sacrifice::Drop(HOST_LINK),
    Sacrifice::Cut(CONTAINER, 12),
    Sacrifice::Cut(NETWORK, 10),
    Sacrifice::Cut(PORTS, 12),
    Sacrifice::Drop(BRIDGE),
    Sacrifice::Drop(PORTS),
];

/// What can be given up for a table to fit; columns by their places in the whole table.
#[derive(Clone, Copy)]
pub(super) enum Sacrifice {
    /// A column is cut to what fits, and no further than to so many characters.
    Cut(usize, usize),
    /// A column is left out.
    Drop(usize),
}

/// The attachments as a table, and below it, for all of a host, what belongs to nothing.
pub(super) fn text(style: Style, attachments: &[&Attachment], host: Option<&Host>) -> String {
    let mut rows = fitted(style, attachments);
    for (row, one) in rows.iter_mut().skip(1).zip(attachments) {
        if let (Life::Gone(_), Some(state)) = (&one.life, row.last_mut()) {
            *state = style.bad(state);
        }
    }
    table(style, &rows) + &host.map(|host| remains(style, host)).unwrap_or_default()
}

/// The rows, with as much as a terminal has room for.
fn fitted(style: Style, attachments: &[&Attachment]) -> Vec<Vec<String>> {
    let mut rows = rows(style, attachments, false);
    if let Some(room) = style.columns() {
        if width(&rows) > room {
            // Of several addresses or ports the first is told, and how many there are more.
            rows = self::rows(style, attachments, true);
        }
        fit(&mut rows, room, &SACRIFICES);
    }
    rows
}

/// Gives up one thing after another until the rows fit into so many columns.
pub(super) fn fit(rows: &mut [Vec<String>], room: usize, sacrifices: &[Sacrifice]) {
    let mut dropped: Vec<usize> = Vec::new();
    for sacrifice in sacrifices {
        let excess = width(rows).saturating_sub(room);
        if excess == 0 {
            break;
        }
        let (Sacrifice::Cut(column, _) | Sacrifice::Drop(column)) = *sacrifice;
        let place = column - dropped.iter().filter(|one| **one < column).count();
        match *sacrifice {
            Sacrifice::Cut(_, least) => {
                let width = column_width(rows, place).saturating_sub(excess).max(least);
                rows.iter_mut()
                    .for_each(|row| row[place] = cut(&row[place], width));
            }
            Sacrifice::Drop(_) => {
                rows.iter_mut().for_each(|row| drop(row.remove(place)));
                dropped.push(column);
            }
        }
    }
}

fn column_width(rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn width(rows: &[Vec<String>]) -> usize {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: usize = (0..columns).map(|column| column_width(rows, column)).sum();
    widths + 2 * columns.saturating_sub(1)
}

fn rows(style: Style, attachments: &[&Attachment], short: bool) -> Vec<Vec<String>> {
    let row = |one: &&Attachment| {
        let mut row = vec![String::new(); HEADINGS.len()];
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        row[NETWORK].clone_from(&one.network);
        row[CONTAINER] = container(style, one);
        row[2] = one.ifname.clone().unwrap_or_else(|| "?".to_owned());
        row[3] = listed(&addresses(one), short);
        row[HOST_LINK] = optional(&one.host_link);
        row[BRIDGE] = optional(&one.bridge);
        row[PORTS] = listed(&one.ports, short);
        row[STATE] = state(one).to_owned();
        row.iter().map(|cell| one_word(cell).into_owned()).collect()
    };
    let heading = HEADINGS.map(str::to_owned).to_vec();
    std::iter::once(heading)
        .chain(attachments.iter().map(row))
        .collect()
}

/// What a person calls the container.
pub(super) fn container(style: Style, one: &Attachment) -> String {
    match &one.name {
        Some(name) => name.to_string(),
        None => short_id(style, &one.container),
    }
}

/// The addresses of its interface, or else those that are reserved for it.
pub(super) fn addresses(one: &Attachment) -> Vec<String> {
    match one.addresses.is_empty() {
        true => one.reserved.iter().map(ToString::to_string).collect(),
        false => one.addresses.iter().map(ToString::to_string).collect(),
    }
}

fn listed(items: &[impl ToString], short: bool) -> String {
    match items {
        [first, rest @ ..] if short && !rest.is_empty() => {
            format!("{} +{}", first.to_string(), rest.len())
        }
        all => all
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// Whether its container is there, in one word; of an attachment that is not whole, that.
pub(super) fn state(one: &Attachment) -> &'static str {
    match &one.life {
        Life::Alive | Life::Unknown(_) if one.incomplete => "begun",
        Life::Alive => "alive",
        Life::Gone(_) => "gone",
        Life::Unknown(_) => "unknown",
    }
}

/// What belongs to nothing: of which containers are gone, and reservations that are nobody's.
fn remains(style: Style, host: &Host) -> String {
    let stale: Vec<_> = host.stale().collect();
    let mut text = String::new();
    if !stale.is_empty() {
        let (belong, network) = match stale.as_slice() {
            [one] => ("1 attachment belongs".to_owned(), one.network.as_str()),
            several => (format!("{} attachments belong", several.len()), "NET"),
        };
        text.push_str(&format!(
            "\n{belong} to nothing any more; `linkspan gc {network} --dry-run` says what would go.\n"
        ));
        text.push_str(&listed_below(stale.iter().map(|one| {
            let why = one.life.why().unwrap_or_default();
            let words = format!("{}: {why}", title(style, one));
            style.behind_margin(&one_word(&words), 2)
        })));
    }
    let nobodys: Vec<_> = host.pools.iter().flat_map(nobodys).collect();
    if !nobodys.is_empty() {
        text.push_str(
            "\nReserved for nobody, since the file does not say for whom; `linkspan ipam check` says more.\n",
        );
        text.push_str(&listed_below(
            nobodys.iter().map(|path| path.display().to_string()),
        ));
    }
    text
}

/// Files of a pool that do not say whose they are; some plugins take their addresses for given.
fn nobodys(pool: &Pool) -> Vec<PathBuf> {
    let held = pool.reservations.iter();
    let unread = held.filter(|held| held.container.is_none());
    let unread = unread.map(|held| pool.file(held.address));
    unread.chain(pool.leftovers.iter().cloned()).collect()
}

/// Lines below a sentence; of many the first.
fn listed_below(lines: impl ExactSizeIterator<Item = String>) -> String {
    let more = lines.len().saturating_sub(NAMED);
    let mut text: String = lines
        .take(NAMED)
        .map(|line| format!("  {line}\n"))
        .collect();
    if more > 0 {
        text.push_str(&format!("  and {more} more\n"));
    }
    text
}

/// Network, container and interface.
pub(super) fn title(style: Style, one: &Attachment) -> String {
    let ifname = one.ifname.as_deref().unwrap_or("?");
    format!("{} {} {ifname}", one.network, container(style, one))
}
