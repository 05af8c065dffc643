//! Where a number lies on an axis, and which numbers are written beside it.

use crate::numbers;

/// An axis from one number to another, drawn between two places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    places: (f64, f64),
    is_log: bool,
}

impl Axis {
    /// From 0 to a round number that is not below the largest.
    pub(super) fn linear(largest: f64, places: (f64, f64)) -> Self {
        let step = step(largest);
        Self {
            from: 0.0,
            to: (largest / step).ceil().max(1.0) * step,
            places,
            is_log: false,
        }
    }

    /// From one power of ten to another, with all numbers between them; what is not above 0 lies at its beginning.
    pub(super) fn log(numbers: impl IntoIterator<Item = f64>, places: (f64, f64)) -> Self {
        let numbers = numbers.into_iter().filter(|number| *number > 0.0);
        let (least, most) = numbers.fold((f64::INFINITY, 0.0_f64), |(least, most), number| {
            (least.min(number), most.max(number))
        });
        let (least, most) = if most > 0.0 {
            (least, most)
        } else {
            (1.0, 1.0)
        };
        let from = 10_f64.powf(least.log10().floor());
        let to = 10_f64.powf(most.log10().ceil());
        Self {
            from,
            to: if to > from { to } else { from * 10.0 },
            places,
            is_log: true,
        }
    }

    /// Of counts: from 1, where 0 lies as well, to the largest, by their logarithms.
    pub(super) fn counts(largest: u64, places: (f64, f64)) -> Self {
        Self {
            from: 1.0,
            to: (largest as f64).max(2.0),
            places,
            is_log: true,
        }
    }

    /// Where a number lies; within the axis, whatever it is.
    pub(super) fn place(&self, number: f64) -> f64 {
        let part = match self.is_log {
            true => (number.max(self.from) / self.from).log10() / (self.to / self.from).log10(),
            false => (number - self.from) / (self.to - self.from),
        };
        self.places.0 + part.clamp(0.0, 1.0) * (self.places.1 - self.places.0)
    }

    /// The numbers beside it.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let decades = (self.to / self.from).log10().round() as i32;
            return (0..=decades)
                .map(|decade| self.from * 10_f64.powi(decade))
                .collect();
        }
        let step = step(self.to);
        let count = (self.to / step).round() as usize;
        (0..=count).map(|number| number as f64 * step).collect()
    }
}

/// A number of [`Axis::ticks`] as it is read.
pub(super) fn tick_text(tick: f64) -> String {
    match tick < 0.999 || tick.fract() > 0.001 && tick < 10.0 {
        true => format!("{}", (tick * 1e6).round() / 1e6),
        false => numbers::whole(tick.round() as i64),
    }
}

/// A round number that goes about five times into another.
fn step(largest: f64) -> f64 {
    if largest <= 0.0 {
        return 1.0;
    }
    let rough = largest / 5.0;
    let decade = 10_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0];
    let found = round.iter().find(|round| **round * decade >= rough * 0.999);
    found.copied().unwrap_or(10.0) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_around_what_there_is() {
        let linear = |largest| Axis::linear(largest, (0.0, 100.0)).ticks();
        assert_eq!(linear(68.0), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(linear(258.0), [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(linear(0.0).last(), Some(&1.0));
        let log = |numbers: &[f64]| Axis::log(numbers.iter().copied(), (0.0, 100.0)).ticks();
        let close = |ticks: Vec<f64>| {
            ticks
                .iter()
                .map(|tick| format!("{tick:.1}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            close(log(&[0.4, 2105.0])),
            ["0.1", "1.0", "10.0", "100.0", "1000.0", "10000.0"]
        );
        assert_eq!(close(log(&[1.0])), ["1.0", "10.0"]);
        assert_eq!(close(log(&[0.0])), ["1.0", "10.0"]);
    }

    #[test]
    fn places() {
        let linear = Axis::linear(80.0, (100.0, 200.0));
        assert_eq!(linear.place(20.0), 125.0);
        assert_eq!(linear.place(1000.0), 200.0);
        // Up the picture.
        let log = Axis::log([1.0, 100.0], (200.0, 100.0));
        assert_eq!(log.place(10.0), 150.0);
        assert_eq!(log.place(0.0), 200.0);
    }
}
