//! What an attachment wants of netfilter.

use std::fmt;

use linkspan_netfilter::Attachment;
use linkspan_plugin::{Undo, warn};
use linkspan_spec::Error;

use crate::difference::Difference;
use crate::foresee::Outlook;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// It.
#[derive(Clone, Debug)]
pub struct Netfilter(pub Box<Attachment>);

impl From<Attachment> for Netfilter {
    fn from(attachment: Attachment) -> Self {
        Self(Box::new(attachment))
    }
}

impl fmt::Display for Netfilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Object for Netfilter {
    fn differences(&self, _namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let sentences = self.0.check()?;
        Ok(sentences.iter().map(|one| difference(one)).collect())
    }

    fn foresee(&self, _namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let parts = self.0.foresee()?.into_iter();
        Ok(parts
            .map(|part| Outlook::made().words(part.words).note(part.note))
            .collect())
    }
}

impl Made for Netfilter {
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let mut attachment = (*self.0).clone();
        if let Ok(container) = namespaces.container() {
            attachment = attachment.netns(container.netns());
        }
        for notice in attachment.install()? {
            warn(&format!("{}: {notice}", attachment.plugin()));
        }
        undo.on_failure("what was set up in netfilter", move || attachment.remove());
        Ok(())
    }
}

/// A difference that is told in a whole sentence: "expected …, found …".
fn difference(sentence: &str) -> Difference {
    let (expected, found) = sentence
        .strip_prefix("expected ")
        .and_then(|rest| rest.rsplit_once(", found "))
        .unwrap_or(("what ADD set up", sentence));
    Difference {
        object: "netfilter".to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}
