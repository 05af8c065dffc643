//! What a network's ADD would do, and what a key of a configuration and a message of a plugin mean, as data, for those who draw it.
//!
//! - [`network`] asks the plugins of a chain what they would do for a container that there is none of yet.
//! - [`key`] looks keys up in what the plugins declare, and [`reference`](mod@reference) writes them down as Markdown.
//! - [`error`] finds errors in what a runtime has logged, and says what is behind them and what to do.
#![forbid(unsafe_code)]

pub mod error;
pub mod key;
pub mod network;
pub mod reference;
