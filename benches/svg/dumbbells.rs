//! For each thing a line, with a point for each side on a logarithmic axis: the farther apart, the larger the ratio.

use super::axis::{Axis, tick_text};
use super::canvas::{Canvas, widest, width_of};
use super::{Anchor, HEAD, MARGIN, WIDTH, Words, class, foot, head, mark};
use crate::data::Side;
use crate::numbers;
use crate::spread::Spread;

/// A chart of many comparisons.
#[derive(Debug, Clone, PartialEq)]
pub struct Dumbbells {
    /// What stands around it.
    pub words: Words,
    /// What the numbers are, at the axis.
    pub unit: String,
    /// What the words at the end of each row are.
    pub note: String,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Of what.
    pub label: String,
    /// What was measured of each side.
    pub points: Vec<(Side, Spread)>,
    /// What it comes to.
    pub note: String,
}

/// The height of a row.
const ROW: f64 = 26.0;
/// Beyond the marks at either end of the axis, for their numbers.
const BESIDE: f64 = 44.0;

impl Dumbbells {
    /// The picture.
    #[must_use]
    pub fn drawn(&self) -> String {
        let mut canvas = Canvas::default();
        let labels = widest(self.rows.iter().map(|row| row.label.as_str()));
        let left = MARGIN + labels + BESIDE;
        let right = WIDTH - MARGIN - width_of(&self.note).max(60.0) - BESIDE;
        let spreads = self.rows.iter().flat_map(|row| &row.points);
        let axis = Axis::log(
            spreads.flat_map(|(_, spread)| [spread.low, spread.high]),
            (left, right),
        );
        let bottom = HEAD + ROW * self.rows.len() as f64 + 8.0;
        head(&mut canvas, &self.words, &self.sides());
        canvas.text("dim", Anchor::End, (WIDTH - MARGIN, 56.0), &self.note);
        for tick in axis.ticks() {
            let x = axis.place(tick);
            canvas.line("grid", (x, HEAD - 6.0), (x, bottom));
            canvas.text("dim", Anchor::Middle, (x, bottom + 15.0), &tick_text(tick));
        }
        canvas.text(
            "dim",
            Anchor::End,
            (WIDTH - MARGIN, bottom + 15.0),
            &self.unit,
        );
        for (number, row) in self.rows.iter().enumerate() {
            row.draw(&mut canvas, &axis, HEAD + ROW * (number as f64 + 0.5));
        }
        let height = foot(&mut canvas, &self.words, bottom + 18.0);
        canvas.finished(&self.words.title, height)
    }

    fn sides(&self) -> Vec<Side> {
        let points = self.rows.iter().flat_map(|row| &row.points);
        let mut sides: Vec<Side> = points.map(|(side, _)| *side).collect();
        sides.sort();
        sides.dedup();
        sides
    }
}

impl Row {
    fn draw(&self, canvas: &mut Canvas, axis: &Axis, y: f64) {
        let words = y + 4.0;
        canvas.text("", Anchor::Start, (MARGIN, words), &self.label);
        canvas.text("head", Anchor::End, (WIDTH - MARGIN, words), &self.note);
        let mut points = self.points.clone();
        points.sort_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
        let places: Vec<f64> = points
            .iter()
            .map(|(_, spread)| axis.place(spread.median))
            .collect();
        if let [first, .., last] = places[..] {
            canvas.line("between", (first, y), (last, y));
        }
        for (side, spread) in &points {
            let class = format!("{} spread", class(*side));
            canvas.line(
                &class,
                (axis.place(spread.low), y),
                (axis.place(spread.high), y),
            );
        }
        let count = points.len();
        for (number, (side, spread)) in points.iter().enumerate() {
            let x = places[number];
            mark(canvas, *side, (x, y));
            let text = numbers::read(spread.median);
            match number {
                // Its words are out of the line's way, and of the quartiles'.
                0 if count > 1 => canvas.text(
                    "value",
                    Anchor::End,
                    (axis.place(spread.low) - 10.0, words),
                    &text,
                ),
                last if last + 1 == count => canvas.text(
                    "value",
                    Anchor::Start,
                    (axis.place(spread.high) + 10.0, words),
                    &text,
                ),
                _ => canvas.text("value", Anchor::Middle, (x, y - 8.0), &text),
            }
        }
    }
}
