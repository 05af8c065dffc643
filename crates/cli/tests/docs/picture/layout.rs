//! Where everything is: columns as wide as their widest box, with room for what is written on the lines between them.

use super::parse::{Box, Picture};

/// How wide a letter is at most, on average.
const LETTER: f64 = 7.0;
const LINE: f64 = 16.0;
const PADDING: f64 = 10.0;
/// Between columns, and between rows.
const GAP: f64 = 64.0;
const ROW_GAP: f64 = 22.0;
/// Between a frame and what is in it, and for its name.
const MARGIN: f64 = 14.0;
const NAME: f64 = 22.0;
const PAGE: f64 = 16.0;

/// A picture with places.
pub(super) struct Layout<'p> {
    pub(super) picture: &'p Picture,
    pub(super) width: f64,
    pub(super) height: f64,
    /// Of each box.
    pub(super) boxes: Vec<Place>,
    /// Of each frame.
    pub(super) frames: Vec<Place>,
}

/// A rectangle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Place {
    pub(super) fn middle(&self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

pub(super) fn of(picture: &Picture) -> Layout<'_> {
    let columns = columns(picture);
    let height = picture.boxes.iter().map(height).fold(0.0, f64::max) + ROW_GAP;
    let boxes: Vec<Place> = picture
        .boxes
        .iter()
        .map(|one| {
            let (x, width) = columns[one.column];
            let middle = (one.row + 0.5) * height;
            Place {
                x,
                y: middle - self::height(one) / 2.0,
                width,
                height: self::height(one),
            }
        })
        .collect();
    let frames: Vec<Place> = picture
        .frames
        .iter()
        .map(|frame| {
            let inside = picture.boxes.iter().zip(&boxes);
            let inside = inside.filter(|(one, _)| one.frame.as_ref() == Some(&frame.id));
            around(
                inside.map(|(_, place)| *place),
                wide(&frame.label) + 2.0 * PADDING,
            )
        })
        .collect();
    let top = boxes.iter().chain(&frames).map(|place| place.y);
    let above = top.fold(f64::MAX, f64::min) - PAGE;
    let raised = |place: Place| Place {
        y: place.y - above,
        ..place
    };
    let boxes: Vec<Place> = boxes.into_iter().map(raised).collect();
    let frames: Vec<Place> = frames.into_iter().map(raised).collect();
    let end =
        |side: fn(&Place) -> f64| boxes.iter().chain(&frames).map(side).fold(0.0, f64::max) + PAGE;
    Layout {
        picture,
        width: end(|place| place.x + place.width),
        height: end(|place| place.y + place.height),
        boxes,
        frames,
    }
}

/// Where each column begins, and how wide it is.
fn columns(picture: &Picture) -> Vec<(f64, f64)> {
    let count = picture
        .boxes
        .iter()
        .map(|one| one.column + 1)
        .max()
        .unwrap_or_default();
    let mut columns = Vec::new();
    let mut x = PAGE + MARGIN;
    for column in 0..count {
        let inside = picture.boxes.iter().filter(|one| one.column == column);
        let width = inside.map(width).fold(0.0, f64::max);
        columns.push((x, width));
        let labels = picture.lines.iter().filter(|line| {
            let mut ends = line.ends.map(|end| picture.boxes[end].column);
            ends.sort_unstable();
            ends[0] <= column && column < ends[1]
        });
        let label = labels
            .map(|line| wide(&line.label) + 48.0)
            .fold(GAP, f64::max);
        x += width + label;
    }
    columns
}

fn wide(text: &str) -> f64 {
    f64::from(u32::try_from(text.chars().count()).unwrap_or_default()) * LETTER
}

fn width(one: &Box) -> f64 {
    one.text.iter().map(|line| wide(line)).fold(0.0, f64::max) + 2.0 * PADDING
}

fn height(one: &Box) -> f64 {
    f64::from(u32::try_from(one.text.len()).unwrap_or_default()) * LINE + 2.0 * PADDING - 4.0
}

fn around(places: impl Iterator<Item = Place>, width: f64) -> Place {
    let mut ends = [f64::MAX, f64::MAX, 0.0_f64, 0.0_f64];
    for place in places {
        ends[0] = ends[0].min(place.x - MARGIN);
        ends[1] = ends[1].min(place.y - MARGIN - NAME);
        ends[2] = ends[2].max(place.x + place.width + MARGIN);
        ends[3] = ends[3].max(place.y + place.height + MARGIN);
    }
    Place {
        x: ends[0],
        y: ends[1],
        width: (ends[2] - ends[0]).max(width),
        height: ends[3] - ends[1],
    }
}
