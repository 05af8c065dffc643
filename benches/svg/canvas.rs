//! What is drawn on: elements of SVG, one a line.

use std::fmt::Write as _;

use super::{Anchor, WIDTH};

/// Colours of either theme: GitHub's. Values have the page's colour around them, since they may stand on lines. Words have a contrast of 4.5 to the page at least, lines and marks of 3.
const STYLE: &str = r#"<style>
text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 12px; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.head { font-weight: 600 }
.dim { fill: #59636e; font-size: 11px }
.value { stroke: #ffffff; stroke-width: 3px; paint-order: stroke }
.page { fill: #ffffff }
.grid { stroke: #d1d9e0 }
.axis { stroke: #818b98 }
.ours { fill: #0969da; stroke: #0969da }
.reference { fill: #bc4c00; stroke: #bc4c00 }
.netavark { fill: #59636e; stroke: #59636e }
.kernel { fill: #818b98; stroke: #818b98 }
.between { stroke: #b7bfc8; stroke-width: 2 }
.spread { stroke-width: 3; stroke-opacity: 0.45 }
.whisker { stroke: #1f2328; stroke-width: 1.2 }
.curve { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.dim { fill: #9198a1 }
.value { stroke: #0d1117 }
.page { fill: #0d1117 }
.grid { stroke: #2f353d }
.axis { stroke: #656c76 }
.ours { fill: #58a6ff; stroke: #58a6ff }
.reference { fill: #f0883e; stroke: #f0883e }
.netavark { fill: #b7bdc8; stroke: #b7bdc8 }
.kernel { fill: #8b949e; stroke: #8b949e }
.between { stroke: #484f58 }
.whisker { stroke: #f0f6fc }
.curve { fill: none }
}
</style>
"#;

/// A picture that grows.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
}

impl Canvas {
    pub(super) fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), words: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let class = match class {
            "" => String::new(),
            class => format!(" class=\"{class}\""),
        };
        let words = escaped(words);
        self.element(&format!(
            "<text{class} x=\"{}\" y=\"{}\"{anchor}>{words}</text>",
            at(x),
            at(y)
        ));
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(at);
        self.element(&format!(
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        ));
    }

    pub(super) fn rectangle(
        &mut self,
        class: &str,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
    ) {
        let [x, y, width, height] = [x, y, width, height].map(at);
        self.element(&format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        ));
    }

    pub(super) fn disc(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        self.element(&format!(
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{radius}\"/>",
            at(x),
            at(y)
        ));
    }

    /// A polygon whose corners are told from its place.
    pub(super) fn shape(&mut self, class: &str, corners: &[(f64, f64)], (x, y): (f64, f64)) {
        let moved: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        self.element(&format!(
            "<polygon class=\"{class}\" points=\"{}\"/>",
            points(&moved)
        ));
    }

    pub(super) fn curve(&mut self, class: &str, through: &[(f64, f64)]) {
        self.element(&format!(
            "<polyline class=\"{class} curve\" points=\"{}\"/>",
            points(through)
        ));
    }

    fn element(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The whole file.
    pub(super) fn finished(self, title: &str, height: f64) -> String {
        let (width, height, title) = (at(WIDTH), at(height), escaped(title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{title}</title>\n{STYLE}\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// A tenth of a pixel is enough, and differs on no machine.
fn at(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

fn points(points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (x, y) in points {
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(text, "{gap}{},{}", at(*x), at(*y));
    }
    text
}

fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// How wide words are in 12 pixels, a bit more rather than less: nobody knows the font.
pub(super) fn width_of(words: &str) -> f64 {
    let letter = |letter| match letter {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '\'' | '(' | ')'
        | ' ' => 4.2,
        'm' | 'w' | 'M' | 'W' | '+' | '×' | '%' => 10.2,
        letter if letter.is_uppercase() => 8.4,
        _ => 7.4,
    };
    words.chars().map(letter).sum()
}

/// The width of the widest of these.
pub(super) fn widest<'w>(labels: impl Iterator<Item = &'w str>) -> f64 {
    labels.map(width_of).fold(0.0, f64::max)
}

/// Words in lines no wider than that.
pub(super) fn broken(words: &str, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_of(line) + width_of(word) + 5.0 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_broken_into_lines() {
        assert_eq!(broken("", 100.0), Vec::<String>::new());
        assert_eq!(
            broken("one two  three", 55.0),
            ["one two".to_owned(), "three".to_owned()]
        );
        assert_eq!(broken("unbreakable", 1.0), ["unbreakable"]);
    }

    #[test]
    fn places_have_a_digit_after_the_point() {
        for (number, text) in [(1.0, "1"), (1.26, "1.3"), (-0.01, "0"), (99.96, "100")] {
            assert_eq!(at(number), text);
        }
    }
}
