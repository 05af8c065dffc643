//! Spans as [OTLP JSON](https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), and where plugins leave theirs.
//!
//! A plugin that was called with a context of the W3C whose trace is kept appends what it has collected to a [file](Spool) in
//! memory (`/run/cni/linkspan/netns-ID/traces/spans.json`), a line for each call: an `ExportTraceServiceRequest`, as the receiver
//! `otlpjsonfile` of OpenTelemetry's collector reads it. The file is root's, has a bound, and nobody waits for it. Whoever asks
//! reads the lines of [one trace](Spool::of).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod export;
mod import;
mod spool;
#[cfg(test)]
mod tests;
mod tree;

pub use export::{Source, request};
pub use import::{Export, spans_of};
pub use spool::Spool;
pub use tree::{Node, What, tree};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
