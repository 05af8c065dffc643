//! Telling a plan instead of making it so: what each step would do here and now.

use linkspan_plugin::{Foreseen, Foresight, Standing};
use linkspan_spec::Error;

use crate::namespaces::Namespaces;
use crate::plan::{Plan, Reasoned};

/// What making an object would come to.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    /// What it does, where that is told better when it is known what is there.
    pub(crate) words: Option<String>,
    /// Why, where nothing in the configuration asks for it.
    pub(crate) why: Option<String>,
    pub(crate) standing: Standing,
    pub(crate) note: Option<String>,
}

impl Outlook {
    /// It would be made.
    pub(crate) fn made() -> Self {
        Self::of(Standing::Made)
    }

    /// It is there, and so nothing would be made.
    pub(crate) fn there(note: impl Into<String>) -> Self {
        Self::of(Standing::There).note(note)
    }

    /// It cannot be seen.
    pub(crate) fn unknown(note: impl Into<String>) -> Self {
        Self::of(Standing::Unknown).note(note)
    }

    fn of(standing: Standing) -> Self {
        Self {
            words: None,
            why: None,
            standing,
            note: None,
        }
    }

    #[must_use]
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..self
        }
    }

    #[must_use]
    pub(crate) fn words(self, words: impl Into<String>) -> Self {
        Self {
            words: Some(words.into()),
            ..self
        }
    }

    #[must_use]
    pub(crate) fn why(self, why: impl Into<String>) -> Self {
        Self {
            why: Some(why.into()),
            ..self
        }
    }
}

/// Tells the steps of a plan in their order, and imagines what each would make for those that come after. Nothing is
/// changed, and no lock is taken.
///
/// # Errors
/// That with which [`apply`](crate::apply()) would fail, as far as that can be seen; the step is told.
pub fn foresee(
    plan: &Plan,
    namespaces: &Namespaces,
    foresight: &mut Foresight,
) -> Result<(), Error> {
    for planned in &plan.steps {
        let outlooks = match planned.step.object().foresee(namespaces) {
            Ok(outlooks) => outlooks,
            Err(error) => {
                foresight.tell(told(
                    planned,
                    Outlook::of(Standing::Fails).note(error.msg.as_str()),
                ));
                return Err(error);
            }
        };
        for outlook in outlooks {
            foresight.tell(told(planned, outlook));
        }
    }
    Ok(())
}

fn told(planned: &Reasoned, outlook: Outlook) -> Foreseen {
    let Outlook {
        words,
        why,
        standing,
        note,
    } = outlook;
    let words = words.unwrap_or_else(|| planned.step.to_string());
    Foreseen {
        standing,
        note,
        why: planned.why.map(str::to_owned).or(why),
        ..Foreseen::made(&kind(planned.step.kind()), words)
    }
}

/// The name of a kind as keys of JSON are written.
fn kind(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_ascii_lowercase())
}
