//! What each rule finds, and where.
