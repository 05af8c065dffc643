//! What many measurements come to.

use std::time::Duration;

/// Durations of the same thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(crate) fn milliseconds(&self) -> Vec<f64> {
        self.0
            .iter()
            .map(|sample| sample.as_secs_f64() * 1e3)
            .collect()
    }

    /// The middle one, in milliseconds.
    pub(crate) fn median(&self) -> f64 {
        median(self.milliseconds())
    }

    /// The middle of the ratios of each sample of `other` to the one of ours that it was paired with.
    pub(crate) fn times_faster_than(&self, other: &Self) -> f64 {
        let pairs = self.milliseconds().into_iter().zip(other.milliseconds());
        median(pairs.map(|(own, other)| other / own).collect())
    }
}

/// The middle of numbers; 0 when there are none.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
