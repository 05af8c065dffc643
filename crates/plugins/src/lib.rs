//! The reference plugins in one multi-call binary
#![forbid(unsafe_code)]
pub mod host_local;
pub mod static_ipam;
