//! Errors of plugins, found in what a runtime or a plugin wrote, and what is behind them.

mod code;
mod extract;
mod known;
mod pattern;

use std::collections::HashMap;

pub use code::{CodeMeaning, meaning_of};
pub use extract::Reported;

/// The most bytes that are looked at.
pub const MAX_TEXT: usize = 16 << 20;

/// The most different errors that are told.
const MAX_ERRORS: usize = 50;

/// An error, what is behind it, and what to do.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What was reported, by whom, for whom.
    pub reported: Reported,
    /// How often the same stands in the text.
    pub times: usize,
    /// What the code means; `None` without one.
    pub code: Option<CodeMeaning>,
    /// What is known of such errors; `None` for a message that is not known.
    pub known: Option<Known>,
}

/// What is known of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the message is about: the heading that it stands under.
    pub about: &'static str,
    /// What happened, and why.
    pub cause: String,
    /// What to do.
    pub next: String,
    /// Where the specification speaks of it; empty where it does not.
    pub section: &'static str,
}

/// The errors in a text: an error object as plugins print it, a log of a runtime with such lines in it, or a message alone.
/// In the order in which they stand there, each once; empty for a text without any.
pub fn explain(text: &str) -> Vec<Explained> {
    let mut all: Vec<Explained> = Vec::new();
    // A log has as many lines as there were tries: none is compared with each error before it.
    let mut known_at = HashMap::new();
    for reported in extract::reports(text) {
        let sameness = reported.sameness();
        if let Some(&at) = known_at.get(&sameness) {
            let before: &mut Explained = &mut all[at];
            before.times += 1;
        } else if all.len() < MAX_ERRORS {
            known_at.insert(sameness, all.len());
            all.push(of(reported));
        }
    }
    all
}

fn of(reported: Reported) -> Explained {
    let known = known::look_up(&reported);
    let code = reported.code.map(meaning_of);
    Explained {
        reported,
        times: 1,
        code,
        known,
    }
}

/// The messages that are known, as patterns in which `*` is anything, for the reference page: by whom they come, the pattern, cause
/// and next step.
pub fn all_known() -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)>
{
    known::all().map(|(group, entry)| (group, entry.pattern, entry.cause, entry.next))
}

#[cfg(test)]
mod tests;
