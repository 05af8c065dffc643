//! Charts as SVG, drawn by pure functions: the same data give the same bytes.
//!
//! One file serves light and dark pages: whoever shows it says which is preferred, and the style follows. The sides are told by shape as
//! well as by colour, and the colours, blue, orange and grey, differ for those who see no difference between red and green.

mod axis;
mod bars;
mod canvas;
mod dumbbells;
mod lines;

pub use self::bars::{Bar, Bars};
pub use self::dumbbells::{Dumbbells, Row};
pub use self::lines::{Lines, Panel, Point, Series};

use self::canvas::Canvas;
use crate::data::Side;

/// How wide every picture is, in pixels: what a page of GitHub or of the book shows without making it smaller.
const WIDTH: f64 = 800.0;
/// Between the picture's edge and what is in it.
const MARGIN: f64 = 16.0;
/// Between lines of words.
const LINE: f64 = 16.0;
/// How much is above a chart: its title, and who is who.
const HEAD: f64 = 76.0;

/// What stands around a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// What it shows, in a line.
    pub title: String,
    /// How it is read, and what was measured on: each is broken into lines.
    pub caption: Vec<String>,
}

/// The class of a side's colours.
fn class(side: Side) -> &'static str {
    match side {
        Side::Linkspan => "ours",
        Side::Reference => "reference",
        Side::Netavark => "netavark",
        Side::Kernel => "kernel",
    }
}

/// The title and who is who, above the chart.
fn head(canvas: &mut Canvas, words: &Words, sides: &[Side]) {
    canvas.text("title", Anchor::Start, (MARGIN, 30.0), &words.title);
    let mut x = MARGIN + 6.0;
    for side in sides {
        mark(canvas, *side, (x, 52.0));
        let name = side.to_string();
        canvas.text("", Anchor::Start, (x + 11.0, 56.0), &name);
        x += 11.0 + canvas::width_of(&name) + 30.0;
    }
}

/// The caption below a chart that ends there; the picture's height.
fn foot(canvas: &mut Canvas, words: &Words, bottom: f64) -> f64 {
    let mut y = bottom + 22.0;
    for part in &words.caption {
        for line in canvas::broken(part, WIDTH - 2.0 * MARGIN) {
            canvas.text("dim", Anchor::Start, (MARGIN, y), &line);
            y += LINE;
        }
    }
    y
}

/// The sign of a side: a disc, a square, a diamond, a triangle.
fn mark(canvas: &mut Canvas, side: Side, (x, y): (f64, f64)) {
    let class = class(side);
    match side {
        Side::Linkspan => canvas.disc(class, (x, y), 5.0),
        Side::Reference => canvas.shape(
            class,
            &[(-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)],
            (x, y),
        ),
        Side::Netavark => canvas.shape(
            class,
            &[(0.0, -6.0), (6.0, 0.0), (0.0, 6.0), (-6.0, 0.0)],
            (x, y),
        ),
        Side::Kernel => canvas.shape(class, &[(0.0, -5.5), (5.5, 4.5), (-5.5, 4.5)], (x, y)),
    }
}

/// Which part of words is at their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// What a chart's pictures must be, whoever looks at them.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::spread::Spread;

    fn words() -> Words {
        Words {
            title: "A & B < C".to_owned(),
            caption: vec!["one ".repeat(100)],
        }
    }

    fn spread(low: f64, median: f64, high: f64) -> Spread {
        Spread {
            low,
            median,
            high,
            count: 9,
        }
    }

    fn dumbbells() -> String {
        let row = |label: &str, ours, theirs| Row {
            label: label.to_owned(),
            points: vec![(Side::Linkspan, ours), (Side::Reference, theirs)],
            note: "10.9×".to_owned(),
        };
        Dumbbells {
            words: words(),
            unit: "ms".to_owned(),
            note: "times faster".to_owned(),
            rows: vec![
                row("bridge", spread(1.8, 1.9, 2.1), spread(20.0, 22.7, 25.0)),
                row(
                    "macvlan",
                    spread(17.0, 18.0, 19.0),
                    spread(16.0, 17.0, 30.0),
                ),
            ],
        }
        .drawn()
    }

    fn lines() -> String {
        let series = |side, medians: [f64; 3]| Series {
            side,
            points: [0, 10, 60_000]
                .into_iter()
                .zip(medians)
                .map(|(x, median)| Point {
                    x,
                    y: spread(median * 0.9, median, median * 1.1),
                })
                .collect(),
        };
        let panel = |is_log| Panel {
            title: "ADD".to_owned(),
            x: "addresses in use".to_owned(),
            y: "ms".to_owned(),
            is_log,
            series: vec![
                series(Side::Linkspan, [0.5, 0.6, 0.7]),
                series(Side::Reference, [2.0, 2.5, 552.0]),
            ],
        };
        Lines {
            words: words(),
            panels: vec![panel(true), panel(false)],
        }
        .drawn()
    }

    fn bars() -> String {
        let bar = |label: &str, side, number| Bar {
            label: label.to_owned(),
            side,
            value: spread(number, number, number),
            note: String::new(),
        };
        Bars {
            words: words(),
            unit: "MiB".to_owned(),
            bars: vec![
                bar("a", Side::Linkspan, 4.2),
                bar("", Side::Reference, 68.0),
                bar("b", Side::Netavark, 0.0),
            ],
        }
        .drawn()
    }

    /// Where `what="NUMBER"` stands in a picture.
    fn numbers(picture: &str, what: &str) -> Vec<f64> {
        let attribute = format!(" {what}=\"");
        let parts = picture.split(&attribute).skip(1);
        parts
            .filter_map(|part| part.split('"').next()?.parse().ok())
            .collect()
    }

    #[test]
    fn everything_is_within_the_picture() {
        for picture in [dumbbells(), lines(), bars()] {
            let height = numbers(&picture, "height")[0];
            for (what, most) in [
                ("x", WIDTH),
                ("x1", WIDTH),
                ("x2", WIDTH),
                ("cx", WIDTH),
                ("y", height),
                ("y1", height),
                ("y2", height),
                ("cy", height),
            ] {
                for number in numbers(&picture, what) {
                    assert!(
                        (0.0..=most).contains(&number),
                        "{what}={number} of {most}: {picture}"
                    );
                }
            }
        }
    }

    #[test]
    fn words_cannot_be_taken_for_elements() {
        for picture in [dumbbells(), lines(), bars()] {
            assert!(
                picture.contains("<title>A &amp; B &lt; C</title>"),
                "{picture}"
            );
            assert!(!picture.contains("A & B"), "{picture}");
        }
    }

    #[test]
    fn values_stand_at_what_they_are_of() {
        for (picture, values) in [
            (dumbbells(), vec!["1.90", "22.7", "18.0", "17.0", "10.9×"]),
            (lines(), vec!["0.50", "552", "60,000"]),
            (bars(), vec!["4.20", "68.0", "0"]),
        ] {
            for value in values {
                assert!(
                    picture.contains(&format!(">{value}</text>")),
                    "no {value}: {picture}"
                );
            }
        }
    }

    /// The smaller value is on the left, and its words left of it: two that lie close do not cover each other.
    #[test]
    fn words_of_close_points_are_on_either_side() {
        let picture = dumbbells();
        let x = |value: &str| {
            let before = picture.split(&format!(">{value}</text>")).next().unwrap();
            let tag = before.rsplit("<text").next().unwrap().to_owned();
            (numbers(&tag, "x")[0], tag.contains("text-anchor=\"end\""))
        };
        let (left, ends_there) = x("17.0");
        let (right, is_left_of_it) = x("18.0");
        assert!(left < right && ends_there && !is_left_of_it, "{picture}");
    }

    #[test]
    fn both_themes_are_in_each_file() {
        for picture in [dumbbells(), lines(), bars()] {
            assert!(
                picture.contains("@media (prefers-color-scheme: dark)"),
                "{picture}"
            );
        }
    }
}
