//! Where an error of a reader is meant: readers name keys, and a person wants to see the place.

use linkspan_spec::DecodeError;

use crate::document::Plugin;
use crate::json::{Member, Node};
use crate::source::Span;

/// The path that an error names; `None` of one about the whole.
pub(super) fn path(error: &DecodeError) -> Option<&str> {
    match error {
        DecodeError::Mismatch { path, .. }
        | DecodeError::Missing { path, .. }
        | DecodeError::Name { path, .. }
        | DecodeError::Version { path, .. } => Some(path),
        _ => None,
    }
}

/// The deepest place of a path that is there: the value, or where it would be.
pub(super) fn of_path(root: &Node, path: &str) -> Span {
    let mut path = path;
    loop {
        if let Some(node) = root.at(path) {
            return match path.is_empty() {
                true => beginning(node),
                false => node.span,
            };
        }
        let shorter = path.rfind(['.', '[']).unwrap_or(0);
        path = &path[..shorter];
    }
}

/// An object as it is pointed at: its first character.
pub(super) fn beginning(node: &Node) -> Span {
    Span::new(node.span.start, node.span.start + 1)
}

/// The key that words speak of: of those that the plugin's configuration has the longest, else the plugin itself.
pub(super) fn of_words(plugin: &Plugin<'_>, words: &str) -> Span {
    let mut found: Option<(&Member, bool)> = None;
    visit(plugin.node, &mut |member| {
        if ["type", "name", "cniVersion"].contains(&member.key.as_str()) {
            return;
        }
        let is_better = |(best, quoted): (&Member, bool), new: bool| {
            (new, member.key.len()) > (quoted, best.key.len())
        };
        let quoted = words.contains(&format!("{:?}", member.key));
        if (quoted || has_word(words, &member.key))
            && found.is_none_or(|best| is_better(best, quoted))
        {
            found = Some((member, quoted));
        }
    });
    match found {
        Some((member, _)) => member.key_span,
        None => plugin.span(),
    }
}

/// Whether words have this one, in whatever case of letters.
fn has_word(words: &str, wanted: &str) -> bool {
    let is_edge = |c: char| !c.is_alphanumeric() && c != '_';
    words
        .split(is_edge)
        .any(|word| word.eq_ignore_ascii_case(wanted))
}

fn visit<'a>(node: &'a Node, each: &mut impl FnMut(&'a Member)) {
    for member in node.members() {
        each(member);
        visit(&member.node, each);
    }
    for item in node.items() {
        visit(item, each);
    }
}
