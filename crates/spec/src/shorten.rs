//! Text as error messages repeat it.

/// Characters of a found text that an error repeats.
const SHOWN_CHARACTERS: usize = 64;

/// A text for an error message, cut when it is long.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
