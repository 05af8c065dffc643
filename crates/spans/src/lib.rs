//! Who takes how long, in a tree, where somebody asks for it.
//!
//! Everything that takes its time says so: [`enter`] opens a [span](Span) that lasts until what it returns is dropped, inside the
//! one that is open on the same thread; [`during`] does that around some work; [`exchange`] counts a request to the kernel for the
//! span that is open. Where nobody asks, each of them looks at one number, which is zero, and that is all: neither is a name
//! made, nor a clock read.
//!
//! Whoever asks [begins](Collecting::begin) to collect on its thread, with the [context](Context) that a trace came with from another
//! process or [without](Collecting::anew), and gets a [`Trace`] in the end. What happens on other threads is in it where they
//! are [told](here).
//!
//! ```
//! use linkspan_spans::{Collecting, enter, during};
//! let collecting = Collecting::anew()?;
//! {
//!     let _all = enter(|| "all");
//!     let done: Result<(), std::fmt::Error> = during(|| "a part of it", || Ok(()));
//! }
//! let trace = collecting.end();
//! let names: Vec<_> = trace.spans.iter().map(|span| span.name.as_ref()).collect();
//! assert_eq!(names, ["all", "a part of it"]);
//! assert_eq!(trace.spans[1].parent, Some(trace.spans[0].id));
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod collecting;
mod context;
mod current;
mod span;

pub use collecting::{Collecting, MAX_SPANS, Trace};
pub use context::{Context, SpanId, TraceId};
pub use current::{Entered, Exchange, Here, context, during, enter, exchange, here};
pub use span::{Exchanges, Fault, Kind, Span, Value};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
