//! The topology as a picture (SVG 1.1), for light and for dark pages.
//!
//! [`layout`] says what is where, [`content`] what is written; here it is put into the words of SVG.

mod content;
mod layout;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use linkspan_inspect::Host;
use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::topology::Topology;

use self::content::{Content, Line};
use self::layout::{Frame, Picture, Placed, Wire};
use crate::text::one_word;

const STYLE: &str = include_str!("style.css");

/// The picture.
pub(super) fn text(host: &Host, topology: &Topology, attachments: &[&Attachment]) -> String {
    let content = Content::of(host, topology, attachments);
    let picture = layout::arrange(topology, attachments, &content);
    let mut svg = String::new();
    let Picture { width, height, .. } = picture;
    let title = escaped(&format!("Container networks of {}", topology.host));
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>"
    );
    picture
        .frames
        .iter()
        .for_each(|frame| draw_frame(&mut svg, frame));
    picture
        .wires
        .iter()
        .for_each(|wire| draw_wire(&mut svg, wire));
    picture
        .boxes
        .iter()
        .for_each(|placed| draw_box(&mut svg, placed));
    draw_line(
        &mut svg,
        picture.caption.0,
        picture.caption.1,
        &content.caption,
    );
    svg.push_str("</svg>\n");
    svg
}

fn draw_frame(svg: &mut String, frame: &Frame) {
    let Frame {
        x,
        y,
        width,
        height,
        class,
        ..
    } = frame;
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
    );
    draw_line(svg, x + 12, y + 19, &frame.title);
}

fn draw_wire(svg: &mut String, wire: &Wire) {
    let points = wire.points.iter().enumerate();
    let path = points.fold(String::new(), |path, (number, (x, y))| {
        let letter = if number == 0 { 'M' } else { 'L' };
        path + &format!("{letter}{x} {y}")
    });
    let _ = writeln!(svg, "<path class=\"{}\" d=\"{path}\"/>", wire.class);
}

fn draw_box(svg: &mut String, placed: &Placed<'_>) {
    let Placed {
        x,
        y,
        width,
        height,
        text,
    } = placed;
    let _ = writeln!(
        svg,
        "<g><title>{}</title><rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{}\"/>",
        escaped(&text.tooltip),
        text.class,
        if text.class == "outside" {
            height / 2
        } else {
            6
        },
    );
    for (number, line) in (0..).zip(&text.lines) {
        draw_line(
            svg,
            x + content::PAD,
            y + content::FIRST_LINE + number * content::LINE,
            line,
        );
    }
    svg.push_str("</g>\n");
}

fn draw_line(svg: &mut String, x: i32, y: i32, line: &Line) {
    let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\">");
    for (number, (class, words)) in line.0.iter().enumerate() {
        // Not all programs keep the spaces between parts.
        let space = match number {
            0 => String::new(),
            _ => format!(" dx=\"{}\"", content::SPACE),
        };
        let words = escaped(words);
        let _ = write!(svg, "<tspan class=\"{class}\"{space}>{words}</tspan>");
    }
    svg.push_str("</text>\n");
}

/// Text as XML has it, which cannot have control characters at all: those are spelt out.
fn escaped(text: &str) -> String {
    one_word(text)
        .chars()
        .fold(String::with_capacity(text.len()), |mut escaped, c| {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
                c => escaped.push(c),
            }
            escaped
        })
}
