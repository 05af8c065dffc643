//! How values on the command line are written.

use std::time::Duration;

/// A time such as 500ms, 30s or 2m; `none` is the longest there is.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if text == "none" {
        return Ok(Duration::MAX);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        unit => return Err(format!("unknown unit {unit:?}: use ms, s, m or h")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|error| format!("{digits:?} is not a whole number: {error}"))?;
    match number.checked_mul(milliseconds) {
        Some(0) => Err("no time at all is not enough".to_owned()),
        Some(time) => Ok(Duration::from_millis(time)),
        None => Err("it is too long; use none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("30", 30_000),
            ("2m", 120_000),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(duration("none"), Ok(Duration::MAX));
        for text in [
            "",
            "0",
            "0ms",
            "-1s",
            "1.5s",
            "1d",
            "s",
            "99999999999999999999h",
            "9999999999999999999m",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
