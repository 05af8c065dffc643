//! Links as a plan speaks of them.

use std::fmt;

/// In which namespace an object lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// That of the plugin.
    Host,
    /// That of the container.
    Container,
}

/// A link by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkRef {
    /// Where it is.
    pub place: Place,
    /// Its name.
    pub name: String,
}

impl LinkRef {
    /// A link of the host.
    pub fn host(name: impl Into<String>) -> Self {
        Self {
            place: Place::Host,
            name: name.into(),
        }
    }

    /// A link in the container.
    pub fn container(name: impl Into<String>) -> Self {
        Self {
            place: Place::Container,
            name: name.into(),
        }
    }
}

impl fmt::Display for LinkRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Host => write!(f, "{:?}", self.name),
            Place::Container => write!(f, "{:?} in the container", self.name),
        }
    }
}

/// An object of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct On<T>(pub LinkRef, pub T);
