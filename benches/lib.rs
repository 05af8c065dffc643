//! What `make bench` measures, as data, and the tables and pictures of `docs/benchmarks.md` that are made of them. `plugins.rs` measures.
#![forbid(unsafe_code)]

pub mod data;
pub mod numbers;
pub mod page;
pub mod plots;
pub mod rounds;
pub mod spread;
pub mod svg;
pub mod table;
