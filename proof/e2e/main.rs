//! Real runtimes, unmodified: containerd as a kubelet speaks to it, `ctr`, and Podman, with Linkspan's plugins as the only ones. They need
//! root, as the runtimes do. Traffic flows in every scenario, and after each the host is what it was before.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

mod ctr;
mod damage;
mod node;
mod podman;
mod pods;
mod restarts;
mod traffic;
mod world;
