//! Go's gob encoding, as far as the two ends of the daemon's socket use it.
