//! The moment by which an operation has to end.

use std::time::{Duration, Instant};

/// The moment by which an operation has to end, and how long that was from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Option<Instant>,
    allowed: Duration,
}

impl Deadline {
    /// The moment that lies so far ahead. [`Duration::MAX`] is never.
    pub fn after(allowed: Duration) -> Self {
        Self {
            end: Instant::now().checked_add(allowed),
            allowed,
        }
    }

    /// What is left of the time; nothing once the moment has passed, `None` when it never comes.
    pub fn left(&self) -> Option<Duration> {
        self.end
            .map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// The whole time that was allowed.
    pub fn allowed(&self) -> Duration {
        self.allowed
    }

    /// Whether the moment has passed.
    pub fn has_passed(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}
