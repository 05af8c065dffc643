//! Trees, in words and box-drawing characters.

use crate::style::Style;
use crate::text::cut;

/// A line of a tree, and what hangs from it.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// What it is called.
    pub(crate) name: String,
    /// What else there is to say. What begins with `─` goes on from the name.
    pub(crate) more: String,
    /// What hangs from it.
    pub(crate) children: Vec<Node>,
}

impl Node {
    /// One from which nothing hangs yet.
    pub(crate) fn new(name: impl Into<String>, more: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            more: more.into(),
            children: Vec::new(),
        }
    }

    /// The tree's lines; what else there is to say is cut to so many columns, if to any.
    pub(crate) fn draw(&self, style: Style, width: Option<usize>) -> Vec<String> {
        let mut lines = Vec::new();
        self.draw_below("", "", &mut |branches, node| {
            lines.push(node.line(style, width, branches));
        });
        lines
    }

    fn draw_below(&self, branches: &str, below: &str, draw: &mut impl FnMut(&str, &Self)) {
        draw(branches, self);
        let last = self.children.len().saturating_sub(1);
        for (number, node) in self.children.iter().enumerate() {
            let (branch, trunk) = match number == last {
                true => ("└── ", "    "),
                false => ("├── ", "│   "),
            };
            node.draw_below(
                &format!("{below}{branch}"),
                &format!("{below}{trunk}"),
                draw,
            );
        }
    }

    fn line(&self, style: Style, width: Option<usize>, branches: &str) -> String {
        let space = match self.more.chars().next() {
            None => "",
            Some('─') => " ",
            Some(_) => "  ",
        };
        let taken = [branches, &self.name, space].map(|text| text.chars().count());
        let room = width.map(|width| width.saturating_sub(taken.iter().sum()));
        let more = match room {
            Some(room) => cut(&self.more, room),
            None => self.more.clone(),
        };
        format!(
            "{}{}{space}{more}",
            style.dim(branches),
            style.bold(&self.name)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_from_a_line_is_below_it() {
        let mut top = Node::new("top", "");
        let mut first = Node::new("first", "─── far");
        first.children.push(Node::new("leaf", "and more"));
        top.children = vec![first, Node::new("second", "")];
        let lines = top.draw(Style::PLAIN, None);
        let drawn = [
            "top",
            "├── first ─── far",
            "│   └── leaf  and more",
            "└── second",
        ];
        assert_eq!(lines, drawn);
        assert_eq!(top.draw(Style::PLAIN, Some(18))[2], "│   └── leaf  and…");
    }
}
