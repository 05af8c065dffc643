//! Conditions on which ports are published: `conditionsV4` and `conditionsV6`.
//!
//! They are written as arguments of iptables, or in the words of nft. Either way they become conditions of
//! rules of nf_tables; what has no translation here is an error that quotes it.

mod iptables;
mod matches;
mod nft;

use std::net::IpAddr;

use linkspan_nft::Rule;

use crate::inet::IpVersion;
use matches::Match;

/// How many rules one list of conditions may need.
const MAX_ALTERNATIVES: usize = 64;

/// Conditions: all of one alternative hold, whichever that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    alternatives: Vec<Vec<Match>>,
}

/// No condition at all.
impl Default for Conditions {
    fn default() -> Self {
        Self {
            alternatives: vec![Vec::new()],
        }
    }
}

/// Conditions that are not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// Perhaps iptables does: it has many more.
    #[error("{0:?} has no translation for nf_tables")]
    Untranslatable(String),
    /// It lacks its value.
    #[error("{0:?} needs a value")]
    MissingValue(String),
    /// Its value is none.
    #[error("{value:?} is not {expected}, as {option:?} needs it")]
    Value {
        /// What the value belongs to.
        option: String,
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The lists in it multiply.
    #[error("the lists in it come to more than {MAX_ALTERNATIVES} combinations")]
    TooMany,
}

impl Conditions {
    /// Reads the arguments of a condition list.
    ///
    /// # Errors
    /// The first that is not understood.
    pub fn parse(arguments: &[String]) -> Result<Self, NotUnderstood> {
        let mut conditions = Self::default();
        match arguments.iter().find(|argument| !argument.is_empty()) {
            None => {}
            Some(first) if first.starts_with(['-', '!']) => {
                iptables::parse(arguments, &mut conditions)?;
            }
            Some(_) => nft::parse(&arguments.join(" "), &mut conditions)?,
        }
        Ok(conditions)
    }

    /// Adds a condition that any of these meets.
    fn any_of(&mut self, matches: &[Match]) -> Result<(), NotUnderstood> {
        if self.alternatives.len() * matches.len() > MAX_ALTERNATIVES {
            return Err(NotUnderstood::TooMany);
        }
        let extended = |alternative: &Vec<Match>| -> Vec<Vec<Match>> {
            let with = |one: &Match| [alternative.as_slice(), std::slice::from_ref(one)].concat();
            matches.iter().map(with).collect()
        };
        self.alternatives = self.alternatives.iter().flat_map(extended).collect();
        Ok(())
    }

    /// Adds that none of these is met.
    fn none_of(&mut self, matches: &[Match]) {
        for alternative in &mut self.alternatives {
            alternative.extend(matches.iter().map(|one| one.clone().negated()));
        }
    }

    fn add(&mut self, is_negated: bool, matches: &[Match]) -> Result<(), NotUnderstood> {
        if is_negated {
            self.none_of(matches);
            Ok(())
        } else {
            self.any_of(matches)
        }
    }

    /// Whether all addresses in it are of the same version of IP as this one.
    pub fn suit(&self, address: IpAddr) -> bool {
        let version = IpVersion::of(address);
        let mut all = self.alternatives.iter().flatten();
        all.all(|one| one.is_of(version))
    }

    /// Rules that begin with these conditions, in a chain.
    pub(super) fn rules(&self, version: &IpVersion, chain: &str) -> Vec<Rule> {
        let rule = |alternative: &Vec<Match>| {
            let start = version.rule(chain);
            alternative
                .iter()
                .fold(start, |rule, one| one.append_to(rule, version))
        };
        self.alternatives.iter().map(rule).collect()
    }
}

#[cfg(test)]
mod tests;
