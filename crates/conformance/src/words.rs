//! Texts that are shown.

/// A text in one line and of so many characters at most.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        None => line,
        Some((end, _)) => format!("{}… ({} bytes)", &line[..end], text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line() {
        assert_eq!(shortened(" a\n  b\t", 10), "a b");
        assert_eq!(shortened("äöü", 2), "äö… (6 bytes)");
    }
}
