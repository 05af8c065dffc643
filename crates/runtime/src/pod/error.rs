//! What fails in some of a pod's networks.

use std::fmt;

use linkspan_spec::{Command, ContainerId, ErrorCode, IfName, NetworkName};

use super::{Pod, PodAttachment, PodNetwork};
use crate::Error;

/// What failed for a pod, and how things are now.
#[derive(Debug)]
#[non_exhaustive]
pub struct PodError {
    /// The operation.
    pub command: Command,
    /// The pod's container.
    pub container_id: ContainerId,
    /// In how many networks the pod is to be.
    pub of: usize,
    /// The failures, in the order in which they were met; at least one.
    pub failures: Vec<PodFailure>,
    /// Of ADD: the attachments that were made and are there.
    pub attached: Vec<PodAttachment>,
    /// Of ADD: those that were made and could not be detached again.
    pub not_detached: Vec<PodFailure>,
}

/// A failure in one of a pod's networks.
#[derive(Debug)]
#[non_exhaustive]
pub struct PodFailure {
    /// The network.
    pub network: NetworkName,
    /// The interface in the pod.
    pub ifname: IfName,
    /// The failure.
    pub error: Error,
}

impl PodFailure {
    pub(super) fn new(one: &PodNetwork, error: Error) -> Self {
        Self {
            network: one.network.name.clone(),
            ifname: one.endpoint.ifname.clone(),
            error,
        }
    }
}

impl PodError {
    pub(super) fn new(command: Command, pod: &Pod) -> Self {
        Self {
            command,
            container_id: pod.container_id.clone(),
            of: pod.networks.len(),
            failures: Vec::new(),
            attached: Vec::new(),
            not_detached: Vec::new(),
        }
    }

    pub(super) fn unless_empty<T>(self, done: T) -> Result<T, Self> {
        match self.failures.is_empty() {
            true => Ok(done),
            false => Err(self),
        }
    }

    fn first(&self) -> Option<&Error> {
        self.failures.first().map(|failure| &failure.error)
    }

    /// The specification's code, of the first failure.
    pub fn code(&self) -> ErrorCode {
        self.first().map_or(ErrorCode::INTERNAL, Error::code)
    }

    /// What to do about the first failure of which there is something to say.
    pub fn advice(&self) -> Option<String> {
        self.failures
            .iter()
            .find_map(|failure| failure.error.advice())
    }

    /// Whether the operation was given up.
    pub fn is_cancelled(&self) -> bool {
        self.failures
            .iter()
            .any(|failure| failure.error.is_cancelled())
    }
}

/// The failures by their networks; the first of them is the source.
impl fmt::Display for PodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            of,
            container_id,
            ..
        } = self;
        let failed = self.failures.len();
        write!(
            f,
            "{command} of container {:?} failed in {failed} of {of} networks: ",
            container_id.as_str()
        )?;
        for (number, failure) in self.failures.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(
                f,
                "{comma}{:?} ({})",
                failure.network.as_str(),
                failure.ifname.as_str()
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for PodError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.first().map(|error| error as _)
    }
}
