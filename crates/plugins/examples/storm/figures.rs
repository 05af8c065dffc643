//! How long many took.

use std::time::Instant;

use crate::Failure;

/// What some turns took.
#[derive(Default)]
pub(crate) struct Figures {
    /// Each attachment, in milliseconds.
    each: Vec<f64>,
    /// All turns, in seconds.
    total: f64,
}

impl Figures {
    pub(crate) const HEAD: &str =
        "| what | s | a second | p50, ms | p99, ms |\n|---|---:|---:|---:|---:|";

    /// Adds a turn.
    pub(crate) fn during(
        &mut self,
        work: impl FnOnce() -> Result<Vec<f64>, Failure>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        self.each.extend(work()?);
        self.total += began.elapsed().as_secs_f64();
        Ok(())
    }

    pub(crate) fn total(&self) -> f64 {
        self.total
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
            "| {what} | {:.2} | {rate:.0} | {:.2} | {:.2} |",
            self.total,
            at(50),
            at(99)
        )
    }
}
