//! What many measurements come to: their middle, and how far they are from it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The quartiles of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// A quarter of the numbers lies below.
    pub low: f64,
    /// The middle.
    pub median: f64,
    /// A quarter of the numbers lies above.
    pub high: f64,
    /// How many numbers there were.
    pub count: usize,
}

impl Spread {
    /// Of numbers in any order; zeros where there are none. Four digits are kept: no measurement here has more that count.
    #[must_use]
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let quartile = |number: usize| four_digits(at(&numbers, number));
        Self {
            low: quartile(1),
            median: quartile(2),
            high: quartile(3),
            count: numbers.len(),
        }
    }

    /// Of what is the same each time, such as the size of a file.
    #[must_use]
    pub fn exactly(number: f64) -> Self {
        Self::of([number])
    }

    /// Of durations, in milliseconds.
    #[must_use]
    pub fn milliseconds(durations: &[Duration]) -> Self {
        Self::of(durations.iter().map(milliseconds))
    }

    /// Of the ratios of each of `others` to the one of `own` that was measured in the same round: how many times as long the others took.
    #[must_use]
    pub fn of_ratios(own: &[Duration], others: &[Duration]) -> Self {
        let pairs = own.iter().zip(others);
        Self::of(pairs.map(|(own, other)| other.as_secs_f64() / own.as_secs_f64()))
    }

    /// How far the quartiles are from 1, as a factor: 1.05 where the further one is 1.05, or 1/1.05.
    #[must_use]
    pub fn from_one(&self) -> f64 {
        self.high.max(1.0 / self.low)
    }
}

/// Milliseconds of a duration.
fn milliseconds(duration: &Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The quartile of that number, between the two numbers that it lies between.
fn at(sorted: &[f64], quartile: usize) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = (last * quartile) as f64 / 4.0;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

fn four_digits(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    // Whole powers of ten alone are exact: so no 1.9200000000000001 comes of it.
    let digits = 3 - number.abs().log10().floor() as i32;
    let factor = 10_f64.powi(digits.abs());
    match digits < 0 {
        true => (number / factor).round() * factor,
        false => (number * factor).round() / factor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles() {
        let cases: [(&[f64], [f64; 3]); 5] = [
            (&[], [0.0, 0.0, 0.0]),
            (&[7.0], [7.0, 7.0, 7.0]),
            (&[3.0, 1.0], [1.5, 2.0, 2.5]),
            (&[5.0, 1.0, 4.0, 2.0, 3.0], [2.0, 3.0, 4.0]),
            (&[4.0, 1.0, 2.0, 3.0], [1.75, 2.5, 3.25]),
        ];
        for (numbers, [low, median, high]) in cases {
            let spread = Spread::of(numbers.iter().copied());
            assert_eq!(
                [spread.low, spread.median, spread.high],
                [low, median, high]
            );
            assert_eq!(spread.count, numbers.len());
        }
    }

    #[test]
    fn four_digits_are_kept() {
        for (number, kept) in [
            (1.92345, 1.923),
            (0.000123456, 0.0001235),
            (123456.0, 123500.0),
            (70.0, 70.0),
            (0.0, 0.0),
        ] {
            assert_eq!(Spread::exactly(number).median, kept);
        }
    }

    #[test]
    fn ratios_are_those_of_pairs() {
        let of = |times: [u64; 3]| times.map(Duration::from_millis);
        let ratios = Spread::of_ratios(&of([1, 2, 4]), &of([10, 10, 10]));
        assert_eq!([ratios.low, ratios.median, ratios.high], [3.75, 5.0, 7.5]);
    }

    #[test]
    fn the_further_quartile_counts() {
        let spread = |low, high| Spread {
            low,
            median: 1.0,
            high,
            count: 9,
        };
        assert_eq!(spread(0.5, 1.1).from_one(), 2.0);
        assert_eq!(spread(0.95, 1.25).from_one(), 1.25);
    }
}
