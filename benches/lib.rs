//! `make bench`: see `plugins.rs`.
#![forbid(unsafe_code)]
