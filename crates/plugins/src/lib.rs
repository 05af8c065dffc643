//! The reference plugins in one multi-call binary
#![forbid(unsafe_code)]
