//! What a trace is drawn with.

use std::env;

/// It.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// The end of a bar, by eighths of a column; the last is a whole one.
    pub(super) eighths: [char; 8],
    /// A bar that begins in the second half of a column.
    pub(super) late: char,
    /// Before what failed.
    pub(super) failed: &'static str,
    is_ascii: bool,
}

pub(super) const BLOCKS: Signs = Signs {
    eighths: ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
    late: '▐',
    failed: "✗ ",
    is_ascii: false,
};

pub(super) const ASCII: Signs = Signs {
    eighths: ['#'; 8],
    late: '#',
    failed: "x ",
    is_ascii: true,
};

impl Signs {
    /// What the locale has: `LC_ALL` goes before `LC_CTYPE`, and that before `LANG`.
    pub(super) fn of_locale() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let locale = locale.unwrap_or_default().to_ascii_uppercase();
        match locale.contains("UTF-8") || locale.contains("UTF8") {
            true => BLOCKS,
            false => ASCII,
        }
    }

    /// A text as it can be shown.
    pub(super) fn shown(self, text: &str) -> String {
        match self.is_ascii {
            false => text.to_owned(),
            true => text
                .chars()
                .map(|c| if c.is_ascii() { c } else { '~' })
                .collect(),
        }
    }
}
