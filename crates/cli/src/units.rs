//! Quantities and times as people read them.

/// Bits per second, in the unit in which there are one to three digits before the point.
pub(crate) fn bits_per_second(rate: u64) -> String {
    format!("{}bit/s", scaled(rate))
}

/// A number with its prefix: `1.5 k`, `12 M`; three digits that count.
fn scaled(number: u64) -> String {
    const PREFIXES: [(u64, &str); 4] = [
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    let prefix = PREFIXES.into_iter().find(|(size, _)| number >= *size);
    let Some((size, prefix)) = prefix else {
        return format!("{number} ");
    };
    let value = number as f64 / size as f64;
    let decimals = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let digits = format!("{value:.decimals$}");
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => &digits,
    };
    format!("{digits} {prefix}")
}

/// A time in seconds since 1970, as a date and a time of day of UTC.
pub(crate) fn utc(seconds: u64) -> String {
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{:02} UTC",
        seconds % 60
    )
}

/// The date that is so many days after 1970-01-01. Years begin in March here, so that a leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    // Days of 400 years, and from 0000-03-01 to 1970-01-01.
    const ERA: u64 = 146_097;
    const BEFORE: u64 = 719_468;
    let days = days.saturating_add(BEFORE);
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = match month {
        ..10 => (month + 3, 0),
        _ => (month - 9, 1),
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        for (rate, text) in [
            (0, "0 bit/s"),
            (999, "999 bit/s"),
            (1_000, "1 kbit/s"),
            (1_500, "1.5 kbit/s"),
            (12_345_678, "12.3 Mbit/s"),
            (999_999_999, "1000 Mbit/s"),
            (10_000_000_000, "10 Gbit/s"),
        ] {
            assert_eq!(bits_per_second(rate), text);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (1_796_074_736, "2026-11-30 21:38:56 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
