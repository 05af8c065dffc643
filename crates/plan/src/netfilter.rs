//! What an attachment wants of netfilter.

use std::fmt;

use linkspan_netfilter::{Attachment, Foreseen, Kind};
use linkspan_plugin::{Undo, warn};
use linkspan_spec::Error;

use crate::difference::Difference;
use crate::foresee::Outlook;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// It.
#[derive(Clone, Debug)]
pub struct Netfilter(pub Box<Attachment>, Reasons);

/// Why parts of a kind are wanted, in a clause that names the key.
type Reasons = &'static [(Kind, &'static str)];

impl From<Attachment> for Netfilter {
    fn from(attachment: Attachment) -> Self {
        Self(Box::new(attachment), &[])
    }
}

impl Netfilter {
    /// The same, with reasons for its parts.
    #[must_use]
    pub fn with_reasons(self, reasons: Reasons) -> Self {
        Self(self.0, reasons)
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
        let Self(attachment, reasons) = self;
        let outlook = |part: Foreseen| {
            let outlook = Outlook::made().words(part.words).note(part.note);
            let reason = reasons.iter().find(|(kind, _)| *kind == part.kind);
            match reason {
                Some((_, why)) => outlook.why(*why),
                None => outlook,
            }
        };
        Ok(attachment.foresee()?.into_iter().map(outlook).collect())
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
