//! Plugins without processes: which run here, what they answer, and many at once.
#![expect(clippy::unwrap_used, reason = "tests")]

mod choice;
mod limits;
mod storm;
mod world;
