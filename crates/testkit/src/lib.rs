//! The sandbox, namespaces and assertions of the tests
#![forbid(unsafe_code)]
