//! What there is of firewalld in a build without it.

use std::fmt;

/// There is no connection.
pub(super) enum Bus {}

impl Bus {
    pub(super) fn connect() -> Result<Self, Failure> {
        Err(Failure)
    }

    pub(super) fn has_firewalld(&self) -> Result<bool, Failure> {
        match *self {}
    }

    pub(super) fn forwards_strictly(&self) -> Result<bool, Failure> {
        match *self {}
    }

    pub(super) fn add_source(&self, _zone: &str, _source: &str) -> Result<(), Failure> {
        match *self {}
    }

    pub(super) fn remove_source(&self, _zone: &str, _source: &str) -> Result<(), Failure> {
        match *self {}
    }

    pub(super) fn query_source(&self, _zone: &str, _source: &str) -> Result<bool, Failure> {
        match *self {}
    }
}

/// This build cannot.
#[derive(Debug)]
pub(super) struct Failure;

impl Failure {
    pub(super) fn absent() -> Self {
        Self
    }

    pub(super) fn is_absent(&self) -> bool {
        true
    }

    pub(super) fn is_answer(&self) -> bool {
        false
    }

    pub(super) fn says(&self, _reason: &str) -> bool {
        false
    }

    pub(super) fn means_unbound(&self) -> bool {
        false
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these plugins were built without the feature firewalld")
    }
}
