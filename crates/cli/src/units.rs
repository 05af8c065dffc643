//! Quantities and times as people read them.

use jiff::Timestamp;

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

/// Packets per second.
pub(crate) fn packets_per_second(rate: u64) -> String {
    format!("{}pkt/s", scaled(rate))
}

/// A time in seconds since 1970, as a date and a time of day of UTC; nothing of one that no calendar has.
pub(crate) fn utc(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(String::new, |time| {
        time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    })
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
    fn times_are_those_of_utc() {
        assert_eq!(utc(1_796_074_736), "2026-11-30 21:38:56 UTC");
        assert_eq!(utc(u64::MAX), "");
    }
}
