//! Plugins without processes: which run here, what they answer, and many at once.

mod choice;
mod limits;
mod storm;
mod world;
