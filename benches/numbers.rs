//! Numbers as they are read.

/// Two digits that count, at least, and no more than are read: `0.027`, `1.92`, `22.7`, `552`, `40,356`.
#[must_use]
pub fn read(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.0995 => format!("{number:.3}"),
        size if size < 9.995 => format!("{number:.2}"),
        size if size < 99.95 => format!("{number:.1}"),
        _ => whole(number.round() as i64),
    }
}

/// A factor: `1.04`, `10.9`, `1,230`.
#[must_use]
pub fn factor(number: f64) -> String {
    match number {
        number if number < 1.095 => format!("{number:.2}"),
        number if number < 99.95 => format!("{number:.1}"),
        _ => whole(number.round() as i64),
    }
}

/// A whole number, with a comma after thousands.
#[must_use]
pub fn whole(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    match number < 0 {
        true => format!("-{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_they_are_read() {
        for (number, text) in [
            (0.0, "0"),
            (0.0266, "0.027"),
            (0.0999, "0.10"),
            (1.918, "1.92"),
            (9.999, "10.0"),
            (22.67, "22.7"),
            (99.99, "100"),
            (2105.6, "2,106"),
            (1_234_567.0, "1,234,567"),
            (-0.5, "-0.50"),
        ] {
            assert_eq!(read(number), text);
        }
    }

    #[test]
    fn factors() {
        for (number, text) in [
            (1.0, "1.00"),
            (0.967, "0.97"),
            (1.13, "1.1"),
            (10.94, "10.9"),
            (1232.2, "1,232"),
        ] {
            assert_eq!(factor(number), text);
        }
    }
}
