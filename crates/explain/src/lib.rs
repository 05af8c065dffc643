//! What a key of a configuration and a message of a plugin mean, as data, for those who draw it.
//!
//! - [`key`] looks keys up in what the plugins declare, and [`reference`](mod@reference) writes them down as Markdown.
//! - [`error`] finds errors in what a runtime has logged, and says what is behind them and what to do.
#![forbid(unsafe_code)]

pub mod error;
pub mod key;
pub mod reference;
