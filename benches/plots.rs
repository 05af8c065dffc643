//! Which pictures there are, and what of the data is in each.

use crate::data::{Data, Figure, Side, Unit};
use crate::spread::Spread;
use crate::svg::{Bar, Bars, Dumbbells, Lines, Panel, Point, Row, Series, Words};
use crate::table::times;

/// The scenarios of one call each, in the order in which they are shown.
pub const CALLS: &[&str] = &[
    "bridge",
    "bridge without masquerade",
    "ptp",
    "macvlan",
    "dhcp",
    "loopback",
    "version",
    "portmap",
    "firewall",
    "portmap and firewall",
    "tuning",
    "bandwidth",
];

/// A picture's name below `docs/benchmarks`, and how it is drawn.
type Plot = (&'static str, fn(&Data) -> String);

/// All of them.
pub const ALL: &[Plot] = &[
    ("add.svg", |data| calls(data, "ADD")),
    ("del.svg", |data| calls(data, "DEL")),
    ("addresses.svg", addresses),
    ("ports.svg", ports),
    ("storm.svg", storm),
    ("process.svg", process),
    ("netavark.svg", netavark),
    ("memory.svg", memory),
    ("size.svg", size),
];

const QUARTILES: &str = "Medians; the pale stroke is from the first quartile to the third.";

fn words(data: &Data, title: &str, how: &str, scenarios: &[&str]) -> Words {
    let mut caption = vec![how.to_owned()];
    let runs = data.runs_of(scenarios);
    caption.extend(runs.iter().map(|run| run.to_string()));
    Words {
        title: title.to_owned(),
        caption,
    }
}

fn calls(data: &Data, command: &str) -> String {
    let figures = CALLS.iter().flat_map(|scenario| data.figures(scenario));
    let rows = figures.filter(|figure| figure.command.as_deref() == Some(command));
    let rows = rows.map(|figure| Row {
        label: figure.what.clone(),
        points: figure
            .sides
            .iter()
            .map(|(side, spread)| (*side, *spread))
            .collect(),
        note: times(figure, Side::Reference).map_or_else(String::new, |times| format!("{times}×")),
    });
    let title = format!("{command}: one call, from the start of the process to its end");
    let how = format!("{QUARTILES} ≈: no more than ours differs from itself.");
    Dumbbells {
        words: words(data, &title, &how, CALLS),
        unit: "ms, logarithmic".to_owned(),
        note: "times faster".to_owned(),
        rows: rows.collect(),
    }
    .drawn()
}

/// Curves of the figures of a scenario that are of one thing, over how many there are.
fn panel(data: &Data, scenario: &str, is_of: impl Fn(&Figure) -> bool) -> Vec<Series> {
    let figures: Vec<&Figure> = data
        .figures(scenario)
        .filter(|figure| is_of(figure))
        .collect();
    let sides = [
        Side::Linkspan,
        Side::Reference,
        Side::Netavark,
        Side::Kernel,
    ];
    let series = sides.into_iter().map(|side| {
        let points = figures.iter().filter_map(|figure| {
            Some(Point {
                x: figure.at?,
                y: *figure.sides.get(&side)?,
            })
        });
        Series {
            side,
            points: points.collect(),
        }
    });
    series.filter(|series| !series.points.is_empty()).collect()
}

fn is_command(figure: &Figure, command: &str) -> bool {
    figure.command.as_deref() == Some(command)
}

fn addresses(data: &Data) -> String {
    let panel = |command: &str| Panel {
        title: format!("host-local: {command}"),
        x: "addresses in use".to_owned(),
        y: "ms, logarithmic".to_owned(),
        is_log: true,
        series: panel(data, "host-local", |figure| is_command(figure, command)),
    };
    Lines {
        words: words(
            data,
            "What one more address costs",
            QUARTILES,
            &["host-local"],
        ),
        panels: ["ADD", "DEL"].map(panel).into(),
    }
    .drawn()
}

fn ports(data: &Data) -> String {
    let panel = |title: &str, what: &'static str| Panel {
        title: title.to_owned(),
        x: "ports published already".to_owned(),
        y: "ms, logarithmic".to_owned(),
        is_log: true,
        series: panel(data, "ports", |figure| {
            figure.what.starts_with(what) && figure.command.as_deref() != Some("DEL")
        }),
    };
    let how = format!("{QUARTILES} The port that is connected to is that in the middle.");
    Lines {
        words: words(data, "What one more published port costs", &how, &["ports"]),
        panels: vec![
            panel("portmap: ADD", "portmap"),
            panel("a TCP connection to such a port", "a TCP connection"),
        ],
    }
    .drawn()
}

fn storm(data: &Data) -> String {
    let panel = |command: &str| Panel {
        title: format!("{command}, pods per second"),
        x: "at a time".to_owned(),
        y: "/s, logarithmic".to_owned(),
        is_log: true,
        series: panel(data, "pods", |figure| is_command(figure, command)),
    };
    Lines {
        words: words(
            data,
            "Many pods at once: bridge + portmap + firewall + bandwidth",
            QUARTILES,
            &["pods"],
        ),
        panels: ["ADD", "DEL"].map(panel).into(),
    }
    .drawn()
}

/// Bars of the figures of scenarios, labelled by what they are of.
fn bars(
    data: &Data,
    scenarios: &[&str],
    is_shown: impl Fn(&Figure) -> bool,
    factor: f64,
) -> Vec<Bar> {
    let figures = scenarios.iter().flat_map(|scenario| data.figures(scenario));
    let mut bars = Vec::new();
    for figure in figures.filter(|figure| is_shown(figure)) {
        for (number, (side, spread)) in figure.sides.iter().enumerate() {
            bars.push(Bar {
                label: if number == 0 {
                    crate::table::name(figure)
                } else {
                    String::new()
                },
                side: *side,
                value: scaled(*spread, factor),
                note: note(figure, *side),
            });
        }
    }
    bars
}

/// How many times as much a side has. The kernel alone is no rival.
fn note(figure: &Figure, side: Side) -> String {
    match times(figure, side) {
        Some(times) if side != Side::Kernel => format!("{times}×"),
        _ => String::new(),
    }
}

fn scaled(spread: Spread, factor: f64) -> Spread {
    Spread {
        low: spread.low * factor,
        median: spread.median * factor,
        high: spread.high * factor,
        ..spread
    }
}

fn process(data: &Data) -> String {
    Bars {
        words: words(
            data,
            "Many containers in one process, without a process for each plugin",
            "In a second; the kernel alone: the same requests by the same threads, and nothing else.",
            &["storm"],
        ),
        unit: "/s".to_owned(),
        bars: bars(data, &["storm"], |figure| figure.unit == Unit::PerSecond, 1.0),
    }
    .drawn()
}

fn netavark(data: &Data) -> String {
    Bars {
        words: words(
            data,
            "A container with a published port: bridge with masquerade, portmap, firewall",
            "Medians, and the quartiles. netavark chooses no address: Podman tells it one.",
            &["netavark"],
        ),
        unit: "ms".to_owned(),
        bars: bars(
            data,
            &["netavark"],
            |figure| figure.unit == Unit::Milliseconds,
            1.0,
        ),
    }
    .drawn()
}

/// A program's size has one side alone.
fn is_memory(figure: &Figure) -> bool {
    figure.unit == Unit::KiB && figure.sides.len() > 1
}

const IN_MIB: f64 = 1.0 / 1024.0;

fn memory(data: &Data) -> String {
    let scenarios = ["memory", "netavark", "dhcp memory"];
    Bars {
        words: words(
            data,
            "Memory: resident at most, of the largest process",
            "Pages of the program's file that were touched are in it.",
            &scenarios,
        ),
        unit: "MiB".to_owned(),
        bars: bars(data, &scenarios, is_memory, IN_MIB),
    }
    .drawn()
}

fn is_size(figure: &Figure) -> bool {
    figure.unit == Unit::KiB && figure.command.is_none()
}

fn size(data: &Data) -> String {
    Bars {
        words: words(
            data,
            "Size on disk, installed",
            "Linkspan's plugins are one file with a name for each; the reference's and netavark's as their packages have them.",
            &["size", "netavark"],
        ),
        unit: "MiB".to_owned(),
        bars: bars(data, &["size", "netavark"], is_size, IN_MIB),
    }
    .drawn()
}
