//! Figures as tables in Markdown.

use std::collections::BTreeSet;

use crate::data::{Counts, Figure, Side, Unit};
use crate::numbers::{factor, read, whole};

/// What a figure is of, with the command where there is one.
#[must_use]
pub fn name(figure: &Figure) -> String {
    match &figure.command {
        Some(command) => format!("{}: {command}", figure.what),
        None => figure.what.clone(),
    }
}

/// How many times faster than a side: `10.9`, or `≈ 1.02` where ours differs as much from itself.
#[must_use]
pub fn times(figure: &Figure, side: Side) -> Option<String> {
    let ratio = figure.ratios.get(&side)?.median;
    Some(match figure.is_noise(side) {
        true => format!("≈ {}", factor(ratio)),
        false => factor(ratio),
    })
}

/// One table of figures, each with what stands behind its name. There is a column for whatever one of them has.
#[must_use]
pub fn drawn(figures: &[(&Figure, &str)]) -> String {
    let columns = columns(figures);
    let mut text = String::from("| what |");
    for column in &columns {
        text += &format!(" {} |", column.head);
    }
    text += &format!("\n|---|{}\n", "---:|".repeat(columns.len()));
    for (figure, behind) in figures {
        text += &format!("| {}{behind} |", name(figure));
        for column in &columns {
            text += &format!(" {} |", (column.cell)(figure));
        }
        text.push('\n');
    }
    text
}

struct Column {
    head: String,
    cell: Box<dyn Fn(&Figure) -> String>,
}

fn columns(figures: &[(&Figure, &str)]) -> Vec<Column> {
    let figures = || figures.iter().map(|(figure, _)| *figure);
    let sides: BTreeSet<Side> = figures()
        .flat_map(|one| one.sides.keys().copied())
        .collect();
    let others: BTreeSet<Side> = figures()
        .flat_map(|one| one.ratios.keys().copied())
        .collect();
    let is_all_milliseconds = figures().all(|one| one.unit == Unit::Milliseconds);
    let mut columns: Vec<Column> = Vec::new();
    for side in sides {
        columns.push(Column {
            head: match is_all_milliseconds {
                true => format!("{side}, ms"),
                false => side.to_string(),
            },
            cell: Box::new(move |figure| value(figure, side, !is_all_milliseconds)),
        });
    }
    let is_one = others.len() == 1;
    for side in others {
        let sizes = figures().filter(|one| one.unit == Unit::KiB).count();
        let better = match sizes {
            0 => "times faster",
            all if all == figures().count() => "times smaller",
            _ => "times faster, or smaller",
        };
        columns.push(Column {
            head: if is_one {
                better.to_owned()
            } else {
                format!("{better} than {side}")
            },
            cell: Box::new(move |figure| ratio(figure, side)),
        });
    }
    if figures().any(|one| one.noise.is_some()) {
        columns.push(Column {
            head: "ours to ours".to_owned(),
            cell: Box::new(|figure| {
                let noise = figure.noise.map(|noise| quartiles(noise.low, noise.high));
                noise.unwrap_or_default()
            }),
        });
    }
    columns.extend(counted("programs", figures(), |counts| counts.processes));
    columns.extend(counted("netlink messages", figures(), |counts| {
        counts.netlink
    }));
    columns.extend(counted("failed, made again", figures(), |counts| {
        counts.failures
    }));
    columns
}

/// A column of counts, of each side one, where there are any.
fn counted<'a>(
    head: &str,
    mut figures: impl Iterator<Item = &'a Figure>,
    count: fn(&Counts) -> usize,
) -> Option<Column> {
    let is_any = figures.any(|figure| figure.counts.values().any(|counts| count(counts) > 0));
    is_any.then(|| Column {
        head: head.to_owned(),
        cell: Box::new(move |figure| {
            let counts: Vec<String> = figure
                .counts
                .values()
                .map(|counts| count(counts).to_string())
                .collect();
            counts.join(" / ")
        }),
    })
}

fn value(figure: &Figure, side: Side, has_unit: bool) -> String {
    let Some(spread) = figure.sides.get(&side) else {
        return String::new();
    };
    match (figure.unit, has_unit) {
        (Unit::KiB, _) => format!("{} KiB", whole(spread.median.round() as i64)),
        (unit, true) => format!("{} {unit}", read(spread.median)),
        (_, false) => read(spread.median),
    }
}

/// The middle of the ratios, and of measurements their quartiles.
fn ratio(figure: &Figure, side: Side) -> String {
    let Some(ratio) = figure.ratios.get(&side) else {
        return String::new();
    };
    let middle = times(figure, side).unwrap_or_default();
    match ratio.count > 1 {
        true => format!("{middle} ({})", quartiles(ratio.low, ratio.high)),
        false => middle,
    }
}

fn quartiles(low: f64, high: f64) -> String {
    format!("{}–{}", factor(low), factor(high))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spread::Spread;

    fn timed(what: &str, ours: [u64; 3], theirs: [u64; 3], noise: [f64; 2]) -> Figure {
        let times = |numbers: [u64; 3]| numbers.map(Duration::from_micros);
        let ours = times(ours);
        let mut figure = Figure::new(what, Unit::Milliseconds)
            .command("ADD")
            .timed(Side::Linkspan, &ours, &ours)
            .timed(Side::Reference, &ours, &times(theirs));
        figure.noise = Some(Spread::of(noise));
        figure
    }

    #[test]
    fn calls_beside_the_reference() {
        let mut fast = timed(
            "bridge",
            [1900, 2000, 1910],
            [19_000, 24_000, 22_000],
            [0.99, 1.01],
        );
        let counts = |processes, netlink| Counts {
            processes,
            netlink,
            failures: 0,
        };
        fast.counts.insert(Side::Linkspan, counts(1, 8));
        fast.counts.insert(Side::Reference, counts(11, 102));
        let same = timed(
            "macvlan",
            [19_000, 18_000, 20_000],
            [19_000, 19_000, 19_000],
            [0.8, 1.25],
        );
        let table = drawn(&[(&fast, ""), (&same, " ¹")]);
        assert_eq!(
            table,
            "\
| what | Linkspan, ms | reference, ms | times faster | ours to ours | programs | netlink messages |
|---|---:|---:|---:|---:|---:|---:|
| bridge: ADD | 1.91 | 22.0 | 11.5 (10.8–11.8) | 0.99–1.00 | 1 / 11 | 8 / 102 |
| macvlan: ADD ¹ | 19.0 | 19.0 | ≈ 1.00 (0.97–1.03) | 0.91–1.1 |  |  |
"
        );
    }

    #[test]
    fn amounts_have_their_units() {
        let size = Figure::new("18 plugins", Unit::KiB)
            .with(Side::Linkspan, Spread::exactly(4200.0))
            .with(Side::Reference, Spread::exactly(68_000.0))
            .with(Side::Netavark, Spread::exactly(8400.0))
            .compared();
        assert_eq!(
            drawn(&[(&size, "")]),
            "\
| what | Linkspan | reference | netavark | times smaller than reference | times smaller than netavark |
|---|---:|---:|---:|---:|---:|
| 18 plugins | 4,200 KiB | 68,000 KiB | 8,400 KiB | 16.2 | 2.0 |
"
        );
    }
}
