//! The wire format of netlink: messages and attributes, no I/O
#![forbid(unsafe_code)]
