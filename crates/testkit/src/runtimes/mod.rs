//! Container runtimes as people have them, from Debian's packages, each on the host of a sandbox. They need root, and that the kernel
//! lets a sandbox mount what containers are made of.

mod containerd;
mod cri;
mod podman;
mod protobuf;

pub use containerd::Containerd;
pub use cri::{Cri, Pod, PodConfig, Protocol};
pub use podman::Podman;
