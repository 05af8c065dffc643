//! Messages with parts that differ.

/// What stands where the pattern has its stars, where the pattern is found in a text: its parts in their order, anything
/// between them. What the last star stands for ends with the line.
pub(super) fn captures<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = pattern.split('*');
    let first = parts.next()?;
    let mut at = find(text, first)? + first.len();
    let mut captured = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let rest = text.get(at..)?;
        let length = match (part.is_empty(), parts.peek()) {
            (true, None) => rest.find('\n').unwrap_or(rest.len()),
            _ => find(rest, part)?,
        };
        let words = rest[..length].trim_matches(|c: char| c.is_whitespace() || c == '"');
        captured.push(match first.is_empty() && captured.is_empty() {
            true => last_word(words),
            false => words,
        });
        at += length + part.len();
    }
    Some(captured)
}

fn last_word(words: &str) -> &str {
    words
        .rsplit(|c: char| c.is_whitespace() || c == '"')
        .next()
        .unwrap_or(words)
}

/// ASCII case aside: programs begin the same words with either.
fn find(text: &str, part: &str) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    let (text, part) = (text.as_bytes(), part.as_bytes());
    // The first byte decides nearly always, and a log is long.
    text.windows(part.len()).position(|window| {
        window[0].eq_ignore_ascii_case(&part[0]) && window.eq_ignore_ascii_case(part)
    })
}

/// A text in which `{1}` is what the first star stands for, and so on.
pub(super) fn filled(template: &str, captured: &[&str]) -> String {
    let mut text = template.to_owned();
    for (number, words) in (1..).zip(captured) {
        text = text.replace(&format!("{{{number}}}"), words);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("no star", "there is No Star here", Some(vec![])),
            (
                "set: *",
                "range set: 10.0.0.1-10.0.0.9\nmore",
                Some(vec!["10.0.0.1-10.0.0.9"]),
            ),
            (
                "find * in [*]",
                r#"cannot find "x" in [/a /b]"#,
                Some(vec!["x", "/a /b"]),
            ),
            ("find * in [*]", "find x in", None),
            ("a*b*c", "c b a", None),
            ("*ends", "begins ends", Some(vec!["begins"])),
            ("* is no", r#"so: "cni0" is no"#, Some(vec!["cni0"])),
            ("* is no", "there: cni0 is no", Some(vec!["cni0"])),
            ("ü*", "Ü", None),
            ("é*", "vélo", Some(vec!["lo"])),
        ] {
            assert_eq!(captures(pattern, text), expected, "{pattern:?} in {text:?}");
        }
        assert_eq!(filled("{2} of {1}, {1}", &["a", "b"]), "b of a, a");
    }
}
