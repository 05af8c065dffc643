//! A typed model of nf_tables turned into netlink messages
#![forbid(unsafe_code)]
