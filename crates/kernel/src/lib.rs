//! Typed operations on Linux networking.
