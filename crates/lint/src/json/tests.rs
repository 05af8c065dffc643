//! JSON is read as plugins read it.
