//! A group on its way into the ruleset.

use linkspan_nft::{Batch, Object, Rule};

use super::State;
use crate::group::Group;

impl Group {
    /// Adds the missing rules, and the chains that they may lead to; where their order matters, all rules of
    /// the chain anew.
    pub(super) fn restore(&self, missing: &[Rule]) -> Batch {
        let mut batch = Batch::new();
        for object in &self.objects {
            batch.add(object.clone());
        }
        let own: Vec<_> = self
            .chains
            .iter()
            .filter(|chain| missing.iter().any(|rule| rule.chain == chain.name))
            .collect();
        for chain in &own {
            batch.flush_chain((*chain).clone());
        }
        for rule in &self.rules {
            if missing.contains(rule) || own.iter().any(|chain| chain.name == rule.chain) {
                batch.add(rule.clone());
            }
        }
        batch
    }

    /// How many of the rules are in the chain that is the marker.
    pub(super) fn rules_of_marker(&self) -> u32 {
        let is_in_marker = |rule: &&Rule| match &self.marker {
            Object::Chain(chain) => rule.chain == chain.name,
            _ => false,
        };
        let count = self.rules.iter().filter(is_in_marker).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Adds what of the group may be missing; returns the position of its marker if it creates it.
    pub(super) fn add_to(&self, batch: &mut Batch, state: State) -> Option<usize> {
        if state == State::Assumed {
            return None;
        }
        for object in &self.objects {
            batch.add(object.clone());
        }
        if state == State::Marked {
            return None;
        }
        let position = batch.len();
        batch.create(self.marker.clone());
        for rule in &self.rules {
            batch.add(Object::from(rule.clone()));
        }
        Some(position)
    }
}
