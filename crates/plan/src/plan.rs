//! The list of wanted objects.

use std::fmt;

use crate::step::Step;

/// The wanted objects, in order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The steps to them.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Appends a step.
    pub fn push(&mut self, step: impl Into<Step>) {
        self.steps.push(step.into());
    }
}

impl<S: Into<Step>> Extend<S> for Plan {
    fn extend<I: IntoIterator<Item = S>>(&mut self, steps: I) {
        self.steps.extend(steps.into_iter().map(Into::into));
    }
}

impl IntoIterator for Plan {
    type Item = Step;
    type IntoIter = std::vec::IntoIter<Step>;

    fn into_iter(self) -> Self::IntoIter {
        self.steps.into_iter()
    }
}

impl<S: Into<Step>> FromIterator<S> for Plan {
    fn from_iter<I: IntoIterator<Item = S>>(steps: I) -> Self {
        Self {
            steps: steps.into_iter().map(Into::into).collect(),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:2}. {step}")?;
        }
        Ok(())
    }
}
