//! The CNI specification's types: configuration, results, errors, versions 0.1.0 to 1.1.0
#![forbid(unsafe_code)]
