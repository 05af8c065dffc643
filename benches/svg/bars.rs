//! Bars from zero: what is compared by its length.

use super::axis::{Axis, tick_text};
use super::canvas::{Canvas, widest, width_of};
use super::{Anchor, HEAD, MARGIN, WIDTH, Words, class, foot, head};
use crate::data::Side;
use crate::numbers;
use crate::spread::Spread;

/// A chart of amounts.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// What stands around it.
    pub words: Words,
    /// What the numbers are, at the axis.
    pub unit: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One amount.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Of what; empty where it is the same as above.
    pub label: String,
    /// Whose.
    pub side: Side,
    /// How much.
    pub value: Spread,
    /// What it comes to, behind the number.
    pub note: String,
}

/// The height of a bar, and of the gap before what has a label.
const BAR: f64 = 18.0;
const GAP: f64 = 10.0;

impl Bars {
    /// The picture.
    #[must_use]
    pub fn drawn(&self) -> String {
        let mut canvas = Canvas::default();
        let labels = widest(self.bars.iter().map(|bar| bar.label.as_str()));
        // At the end is place for a number and a note.
        let (left, right) = (MARGIN + labels + 14.0, WIDTH - MARGIN - 108.0);
        let largest = self
            .bars
            .iter()
            .map(|bar| bar.value.high)
            .fold(0.0, f64::max);
        let axis = Axis::linear(largest, (left, right));
        let gap = |bar: &Bar| if bar.label.is_empty() { 0.0 } else { GAP };
        let height: f64 = self.bars.iter().map(|bar| BAR + gap(bar)).sum();
        let bottom = HEAD + height + 4.0;
        let mut sides: Vec<Side> = self.bars.iter().map(|bar| bar.side).collect();
        sides.sort();
        sides.dedup();
        head(&mut canvas, &self.words, &sides);
        for tick in axis.ticks() {
            let x = axis.place(tick);
            canvas.line("grid", (x, HEAD), (x, bottom));
            canvas.text("dim", Anchor::Middle, (x, bottom + 15.0), &tick_text(tick));
        }
        canvas.text(
            "dim",
            Anchor::End,
            (WIDTH - MARGIN, bottom + 15.0),
            &self.unit,
        );
        let mut y = HEAD;
        for bar in &self.bars {
            y += gap(bar);
            bar.draw(&mut canvas, &axis, (left, y));
            y += BAR;
        }
        canvas.line("axis", (left, HEAD), (left, bottom));
        let height = foot(&mut canvas, &self.words, bottom + 18.0);
        canvas.finished(&self.words.title, height)
    }
}

impl Bar {
    fn draw(&self, canvas: &mut Canvas, axis: &Axis, (left, y): (f64, f64)) {
        let words = y + BAR - 5.5;
        canvas.text("", Anchor::Start, (MARGIN, words), &self.label);
        let x = axis.place(self.value.median);
        canvas.rectangle(class(self.side), (left, y + 2.0), (x - left, BAR - 4.0));
        let end = axis.place(self.value.high);
        if end > x {
            let middle = y + BAR / 2.0;
            canvas.line(
                "whisker",
                (axis.place(self.value.low), middle),
                (end, middle),
            );
        }
        let text = numbers::read(self.value.median);
        canvas.text("value", Anchor::Start, (end + 6.0, words), &text);
        let behind = (end + 14.0 + width_of(&text), words);
        canvas.text("head", Anchor::Start, behind, &self.note);
    }
}
