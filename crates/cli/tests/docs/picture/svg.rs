//! A picture as SVG, for light and for dark pages, in the style of `linkspan show --format svg`.

use std::fmt::Write;

use super::layout::{Layout, Place};
use super::parse::Line;

const STYLE: &str = include_str!("../../../src/commands/show/svg/style.css");

/// What pictures of the book have besides.
const MORE: &str = "\
.note { fill: none; stroke: none }
.flow { fill: none; stroke: #1a7f37; stroke-width: 1.8 }
.barred { fill: none; stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 4 3 }
.passes { fill: #1a7f37 }
.label { font-size: 11px; stroke: #f6f8fa; stroke-width: 4px; paint-order: stroke; stroke-linejoin: round }
@media (prefers-color-scheme: dark) {
.flow { stroke: #3fb950 }
.barred { stroke: #f85149 }
.passes { fill: #3fb950 }
.label { stroke: #161b22 }
}
";

pub(super) fn drawn(layout: &Layout<'_>) -> String {
    let (width, height) = (layout.width, layout.height);
    let title = escaped(&layout.picture.title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>{title}</title>\n<style>\n{STYLE}{MORE}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (frame, place) in layout.picture.frames.iter().zip(&layout.frames) {
        rectangle(&mut svg, "host", *place);
        text(
            &mut svg,
            "name",
            place.x + 12.0,
            place.y + 18.0,
            "start",
            &frame.label,
        );
    }
    for line in &layout.picture.lines {
        drawn_line(&mut svg, layout, line);
    }
    for (one, place) in layout.picture.boxes.iter().zip(&layout.boxes) {
        rectangle(&mut svg, &one.kind, *place);
        let (x, _) = place.middle();
        for (number, words) in (0_u8..).zip(&one.text) {
            let class = match number {
                0 => "name",
                _ if one.kind == "note"
                    || !words.contains(|letter: char| letter.is_ascii_digit()) =>
                {
                    "dim"
                }
                _ => "mono",
            };
            text(
                &mut svg,
                class,
                x,
                place.y + 20.0 + 16.0 * f64::from(number),
                "middle",
                words,
            );
        }
    }
    for line in &layout.picture.lines {
        let ((x0, y0), (x1, y1)) = ends(layout, line);
        let (x, y) = (f64::midpoint(x0, x1), f64::midpoint(y0, y1));
        let is_upright = (x0 - x1).abs() < 1.0;
        if is_upright {
            text(&mut svg, "label", x + 8.0, y + 4.0, "start", &line.label);
        } else if (y0 - y1).abs() < 1.0 {
            text(&mut svg, "label", x, y - 6.0, "middle", &line.label);
        } else {
            // Where the curve is level again, and on its outer side, far from others that begin where it begins.
            let beside = if y0 < y1 { 14.0 } else { -6.0 };
            let (offset, anchor) = if x0 < x1 {
                (-10.0, "end")
            } else {
                (10.0, "start")
            };
            text(
                &mut svg,
                "label",
                x1 + offset,
                y1 + beside,
                anchor,
                &line.label,
            );
        }
    }
    svg + "</svg>\n"
}

/// Where a line begins and ends: at the sides that face each other.
fn ends(layout: &Layout<'_>, line: &Line) -> ((f64, f64), (f64, f64)) {
    let [from, to] = line.ends.map(|end| layout.boxes[end]);
    let [column, other] = line.ends.map(|end| layout.picture.boxes[end].column);
    let ((_, y0), (_, y1)) = (from.middle(), to.middle());
    match column.cmp(&other) {
        std::cmp::Ordering::Less => ((from.x + from.width, y0), (to.x, y1)),
        std::cmp::Ordering::Greater => ((from.x, y0), (to.x + to.width, y1)),
        std::cmp::Ordering::Equal if y0 < y1 => (
            (from.middle().0, from.y + from.height),
            (to.middle().0, to.y),
        ),
        std::cmp::Ordering::Equal => ((from.middle().0, from.y), (to.middle().0, to.y + to.height)),
    }
}

fn drawn_line(svg: &mut String, layout: &Layout<'_>, line: &Line) {
    let ((x0, y0), (x1, y1)) = ends(layout, line);
    let middle = f64::midpoint(x0, x1);
    let class = &line.kind;
    let _ = match (x0 - x1).abs() < 1.0 {
        true => writeln!(svg, "<path class=\"{class}\" d=\"M{x0} {y0}L{x1} {y1}\"/>"),
        false => writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{x0} {y0}C{middle} {y0} {middle} {y1} {x1} {y1}\"/>"
        ),
    };
    let mark = match class.as_str() {
        "barred" => Some(("barred", cross(middle, f64::midpoint(y0, y1)))),
        "flow" => Some(("passes", tip((x0, y0), (x1, y1)))),
        _ => None,
    };
    if let Some((class, path)) = mark {
        let _ = writeln!(
            svg,
            "<path class=\"{class}\" style=\"stroke-dasharray: none\" d=\"{path}\"/>"
        );
    }
}

fn cross(x: f64, y: f64) -> String {
    format!(
        "M{} {}L{} {}M{} {}L{} {}",
        x - 5.0,
        y - 5.0,
        x + 5.0,
        y + 5.0,
        x - 5.0,
        y + 5.0,
        x + 5.0,
        y - 5.0
    )
}

/// The tip of an arrow that ends here, upright or level as all lines end.
fn tip((x0, y0): (f64, f64), (x, y): (f64, f64)) -> String {
    let (back, side) = match (x - x0).abs() < 1.0 {
        true => ((0.0, -8.0 * (y - y0).signum()), (4.0, 0.0)),
        false => ((-8.0 * (x - x0).signum(), 0.0), (0.0, 4.0)),
    };
    let (bx, by) = (x + back.0, y + back.1);
    format!(
        "M{x} {y}L{} {}L{} {}Z",
        bx + side.0,
        by + side.1,
        bx - side.0,
        by - side.1
    )
}

fn rectangle(svg: &mut String, class: &str, place: Place) {
    let Place {
        x,
        y,
        width,
        height,
    } = place;
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
    );
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, words: &str) {
    if !words.is_empty() {
        let words = escaped(words);
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
