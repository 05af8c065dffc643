//! A link that lives in the container alone: a further link on a parent, or one on nothing.
//!
//! Nothing of it is on the host. It goes with the container's namespace, and with its parent.

mod check;
mod create;
mod data;
mod foresee;
mod holders;
mod refusal;

use linkspan_plugin::Undo;
use linkspan_spec::Error;

pub use data::{ContainerLink, LinkKind};

use crate::difference::Difference;
use crate::foresee::Outlook;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

impl Object for ContainerLink {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        check::differences(self, namespaces)
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        foresee::foresee(self, namespaces)
    }
}

impl Made for ContainerLink {
    /// Makes the link in the container, in one request.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        create::create(self, namespaces, undo)
    }
}
