//! How a cost grows with how many there are: panels side by side, a curve for each side.

use super::axis::{Axis, tick_text};
use super::canvas::Canvas;
use super::{Anchor, HEAD, MARGIN, WIDTH, Words, class, foot, head, mark};
use crate::data::Side;
use crate::numbers;
use crate::spread::Spread;

/// A chart of one or two panels.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// What stands around it.
    pub words: Words,
    /// From left to right.
    pub panels: Vec<Panel>,
}

/// Curves over the same axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What it is of.
    pub title: String,
    /// What is counted along the horizontal axis, which is logarithmic, with 0 where 1 would be.
    pub x: String,
    /// What the numbers are.
    pub y: String,
    /// Whether the vertical axis is logarithmic; else it begins at 0.
    pub is_log: bool,
    /// A curve each.
    pub series: Vec<Series>,
}

/// One side's curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Whose.
    pub side: Side,
    /// From left to right.
    pub points: Vec<Point>,
}

/// What was measured with so many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// How many.
    pub x: u64,
    /// What was measured.
    pub y: Spread,
}

impl Point {
    fn place(&self, x: &Axis, y: &Axis) -> (f64, f64) {
        (x.place(self.x as f64), y.place(self.y.median))
    }
}

const HEIGHT: f64 = 250.0;
/// For the numbers left of a panel, and for what sticks out at its other end.
const LEFT: f64 = 50.0;
const RIGHT: f64 = 24.0;

impl Lines {
    /// The picture.
    #[must_use]
    pub fn drawn(&self) -> String {
        let mut canvas = Canvas::default();
        let mut sides: Vec<Side> = self.series().map(|series| series.side).collect();
        sides.sort();
        sides.dedup();
        head(&mut canvas, &self.words, &sides);
        let width = (WIDTH - 2.0 * MARGIN) / self.panels.len().max(1) as f64;
        for (number, panel) in self.panels.iter().enumerate() {
            panel.draw(&mut canvas, MARGIN + width * number as f64, width);
        }
        let height = foot(&mut canvas, &self.words, HEAD + 20.0 + HEIGHT + 36.0);
        canvas.finished(&self.words.title, height)
    }

    fn series(&self) -> impl Iterator<Item = &Series> {
        self.panels.iter().flat_map(|panel| &panel.series)
    }
}

impl Panel {
    fn draw(&self, canvas: &mut Canvas, left: f64, width: f64) {
        let (top, bottom) = (HEAD + 20.0, HEAD + 20.0 + HEIGHT);
        let (from, to) = (left + LEFT, left + width - RIGHT);
        canvas.text(
            "head",
            Anchor::Start,
            (from - 10.0, top - 14.0),
            &self.title,
        );
        let y = self.vertical((bottom, top + 16.0));
        for tick in y.ticks() {
            let place = y.place(tick);
            canvas.line("grid", (from - 10.0, place), (to + 10.0, place));
            canvas.text(
                "dim",
                Anchor::End,
                (from - 16.0, place + 4.0),
                &tick_text(tick),
            );
        }
        canvas.text("dim", Anchor::End, (to + 10.0, top - 14.0), &self.y);
        let counts = self.counts();
        let x = Axis::counts(counts.last().copied().unwrap_or_default(), (from, to));
        for count in &counts {
            let place = x.place(*count as f64);
            canvas.line("axis", (place, bottom), (place, bottom + 4.0));
            canvas.text(
                "dim",
                Anchor::Middle,
                (place, bottom + 17.0),
                &numbers::whole(*count as i64),
            );
        }
        canvas.text(
            "dim",
            Anchor::Middle,
            ((from + to) / 2.0, bottom + 34.0),
            &self.x,
        );
        for series in &self.series {
            let through = series.points.iter().map(|point| point.place(&x, &y));
            canvas.curve(class(series.side), &through.collect::<Vec<_>>());
        }
        for series in &self.series {
            self.draw_series(canvas, series, &x, &y);
        }
    }

    /// The marks of a curve, and their values, which stand on whatever curves there are.
    fn draw_series(&self, canvas: &mut Canvas, series: &Series, x: &Axis, y: &Axis) {
        let class = class(series.side);
        for point in &series.points {
            let place = point.place(x, y);
            let (low, high) = (y.place(point.y.low), y.place(point.y.high));
            canvas.line(&format!("{class} spread"), (place.0, low), (place.0, high));
            mark(canvas, series.side, place);
            let below = low + 19.0;
            // Numbers below the axis would be taken for counts.
            let is_above = self.is_highest(point) || below > HEAD + 20.0 + HEIGHT - 2.0;
            let words = numbers::read(point.y.median);
            let words_at = if is_above { high - 9.0 } else { below };
            canvas.text("value", Anchor::Middle, (place.0, words_at), &words);
        }
    }

    fn vertical(&self, places: (f64, f64)) -> Axis {
        let points = self.series.iter().flat_map(|series| &series.points);
        let numbers = points.flat_map(|point| [point.y.low, point.y.high]);
        match self.is_log {
            true => Axis::log(numbers, places),
            false => Axis::linear(numbers.fold(0.0, f64::max), places),
        }
    }

    fn counts(&self) -> Vec<u64> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let mut counts: Vec<u64> = points.map(|point| point.x).collect();
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    /// Whether no other curve is above a point.
    fn is_highest(&self, point: &Point) -> bool {
        let points = self.series.iter().flat_map(|series| &series.points);
        let mut others = points.filter(|other| other.x == point.x);
        others.all(|other| other.y.median <= point.y.median)
    }
}
