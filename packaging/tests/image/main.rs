//! The installer's OCI image, and the DaemonSet of contrib/kubernetes played without a cluster.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

mod archive;
mod daemonset;
mod manifest;
mod pod;
