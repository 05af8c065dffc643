//! Numbers drawn so that an eye sees them: bars, strips, ages.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::style::Style;

/// Columns of a bar.
const BAR: usize = 20;

/// Full blocks and what is less, by eighths.
const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Heights, by eighths.
const HEIGHTS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// From how much in a hundred a pool is nearly full.
pub(crate) const NEARLY_FULL: u64 = 90;

/// How much of a whole is used, as a bar between two marks. Whatever is used shows.
pub(crate) fn bar(style: Style, used: u64, size: u64) -> String {
    let eighths = eighths(used, size, BAR as u64 * 8) as usize;
    let full = "█".repeat(eighths / 8);
    let rest = match eighths % 8 {
        0 => String::new(),
        rest => EIGHTHS[rest].to_string(),
    };
    let bar = format!("{:BAR$}", full + &rest);
    let bar = match percent(used, size) >= NEARLY_FULL {
        true => style.bad(&bar),
        false => style.good(&bar),
    };
    format!("▕{bar}▏")
}

/// How full the parts of something are, as one line of heights; a dot is an empty one.
pub(crate) fn strip(parts: impl IntoIterator<Item = (u64, u64)>) -> String {
    let height = |(used, size)| HEIGHTS[eighths(used, size, 8) as usize];
    parts.into_iter().map(height).collect()
}

/// How much in a hundred is used, rounded down, so that only what is full is 100.
pub(crate) fn percent(used: u64, size: u64) -> u64 {
    match size {
        0 => 100,
        size => u64::try_from(u128::from(used) * 100 / u128::from(size)).unwrap_or(u64::MAX),
    }
}

/// How many of `steps` are used: none only if nothing is, all only if all is.
fn eighths(used: u64, size: u64, steps: u64) -> u64 {
    if used == 0 {
        return 0;
    }
    if used >= size {
        return steps;
    }
    let taken = u128::from(used) * u128::from(steps) / u128::from(size);
    u64::try_from(taken).unwrap_or(steps).clamp(1, steps - 1)
}

/// How long ago a time was, in seconds since 1970: in the largest unit that it has.
pub(crate) fn age(since: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |now| now.as_secs()).saturating_sub(since);
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(size, _)| seconds >= *size);
    let (size, unit) = unit.unwrap_or((1, "s"));
    format!("{} {unit}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_shows_and_only_what_is_full_is_full() {
        for (used, size, expected) in [
            (0, 254, "▕                    ▏"),
            (1, 65_533, "▕▏                   ▏"),
            (127, 254, "▕██████████          ▏"),
            (253, 254, "▕███████████████████▉▏"),
            (254, 254, "▕████████████████████▏"),
            (300, 254, "▕████████████████████▏"),
            (1, u64::MAX, "▕▏                   ▏"),
            (0, 0, "▕                    ▏"),
        ] {
            assert_eq!(bar(Style::PLAIN, used, size), expected, "{used} of {size}");
        }
        assert_eq!(strip([(0, 4), (1, 4), (2, 4), (4, 4)]), "·▂▄█");
    }

    #[test]
    fn a_hundred_percent_is_full() {
        for (used, size, expected) in [
            (0, 5, 0),
            (253, 254, 99),
            (254, 254, 100),
            (u64::MAX, u64::MAX, 100),
        ] {
            assert_eq!(percent(used, size), expected, "{used} of {size}");
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        for (ago, expected) in [(5, "5 s"), (60, "1 min"), (7300, "2 h"), (200_000, "2 d")] {
            assert_eq!(age(now - ago), expected);
        }
        assert_eq!(age(now + 100), "0 s");
    }
}
