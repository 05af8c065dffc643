//! The list of wanted objects.

use std::fmt;

use crate::step::Step;

/// The wanted objects, in order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The steps to them.
    pub steps: Vec<Reasoned>,
}

/// A step, and why it is taken, where the configuration asks for it.
#[derive(Clone, Debug)]
pub struct Reasoned {
    /// The step.
    pub step: Step,
    /// A clause that names the key: "so that the host routes for the containers (isGateway)".
    pub why: Option<&'static str>,
}

/// What a reason can be given for.
pub trait Because: Into<Step> {
    /// The step, with the reason for it.
    fn because(self, why: &'static str) -> Reasoned {
        Reasoned {
            step: self.into(),
            why: Some(why),
        }
    }
}

impl<S: Into<Step>> Because for S {}

impl From<Step> for Reasoned {
    fn from(step: Step) -> Self {
        Self { step, why: None }
    }
}

impl Plan {
    /// Appends a step.
    pub fn push(&mut self, step: impl Into<Reasoned>) {
        self.steps.push(step.into());
    }

    /// The plan, with a reason for those steps that have none.
    #[must_use]
    pub fn because(mut self, why: &'static str) -> Self {
        for step in &mut self.steps {
            step.why.get_or_insert(why);
        }
        self
    }
}

impl<S: Into<Reasoned>> Extend<S> for Plan {
    fn extend<I: IntoIterator<Item = S>>(&mut self, steps: I) {
        self.steps.extend(steps.into_iter().map(Into::into));
    }
}

impl IntoIterator for Plan {
    type Item = Reasoned;
    type IntoIter = std::vec::IntoIter<Reasoned>;

    fn into_iter(self) -> Self::IntoIter {
        self.steps.into_iter()
    }
}

impl<S: Into<Reasoned>> FromIterator<S> for Plan {
    fn from_iter<I: IntoIterator<Item = S>>(steps: I) -> Self {
        Self {
            steps: steps.into_iter().map(Into::into).collect(),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, planned) in (1..).zip(&self.steps) {
            writeln!(f, "{number:2}. {}", planned.step)?;
        }
        Ok(())
    }
}
