//! Places in manifests.
