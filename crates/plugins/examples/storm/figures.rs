//! How long many took.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Failure;

/// What some turns took.
#[derive(Default)]
pub(crate) struct Figures {
    /// Each attachment, in milliseconds.
    each: Vec<f64>,
    /// All turns, in seconds.
    total: f64,
    /// What this process computed meanwhile, the kernel on its behalf included, in seconds.
    computed: f64,
}

impl Figures {
    pub(crate) const HEAD: &str =
        "| what | s | CPU, s | a second | p50, ms | p99, ms |\n|---|---:|---:|---:|---:|---:|";

    /// Adds a turn.
    pub(crate) fn during(
        &mut self,
        work: impl FnOnce() -> Result<Vec<f64>, Failure>,
    ) -> Result<(), Failure> {
        let (began, computed) = (Instant::now(), computed());
        self.each.extend(work()?);
        self.total += began.elapsed().as_secs_f64();
        self.computed += self::computed().saturating_sub(computed).as_secs_f64();
        Ok(())
    }

    /// How many times as long these took as others, and how many times as much was computed.
    pub(crate) fn beside(&self, others: &Self) -> (f64, f64) {
        (self.total / others.total, self.computed / others.computed)
    }

    /// A row of a table in Markdown.
    pub(crate) fn row(&self, what: &str) -> String {
        let mut each = self.each.clone();
        each.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let position = (each.len() * percent).div_ceil(100).saturating_sub(1);
            each.get(position).copied().unwrap_or_default()
        };
        let rate = each.len() as f64 / self.total;
        format!(
            "| {what} | {:.2} | {:.2} | {rate:.0} | {:.2} | {:.2} |",
            self.total,
            self.computed,
            at(50),
            at(99)
        )
    }
}

fn computed() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
