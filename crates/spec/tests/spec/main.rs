//! The crate from outside: the shape of every version, the conversions between them, and what
//! holds for any input.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conversion;
mod properties;
mod serde;
mod shapes;
