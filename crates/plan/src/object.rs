//! What is so of every kind of object.

use std::fmt;

use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::difference::Difference;
use crate::foresee::Outlook;
use crate::namespaces::Namespaces;

/// A wanted object, or a condition to wait for. It reads as it stands after "cannot" or in a list.
pub(crate) trait Object: fmt::Display {
    /// What of it the kernel does not have. What others share and may change is not looked at.
    ///
    /// A link that is not there is told by the object that makes it, not by those that belong to it.
    fn differences(&self, _namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    /// What making it would come to here and now, without making it: one thing, or where people see several, each of them.
    /// What it would bring is imagined, for the steps that come after.
    ///
    /// The error is that of making it.
    fn foresee(&self, _namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        Ok(vec![Outlook::made()])
    }
}

/// An object that is made by itself.
pub(crate) trait Made: Object {
    /// Makes it, and registers with `undo` how it is undone.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error>;
}
