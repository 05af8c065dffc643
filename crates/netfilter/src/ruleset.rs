//! The kernel's ruleset, changed so that plugins running at the same time do not disturb each other.
//!
//! There is no lock. What is made once (tables, chains, rules) is created exclusively, within one
//! transaction; what belongs to an attachment is created exclusively too, and removed by a
//! transaction that the kernel refuses when anything changed since its owner was read. Whoever loses a
//! race looks again.

mod group;

use linkspan_kernel::Error;
use linkspan_kernel::nftables::{CommitError, Nftables, Snapshot};
use linkspan_nft::{Batch, Chain, Element, Object, Query, Rule, Set, Table};

use super::group::{Group, Placed, SHARED};
use super::iptables;
use super::part::{Kind, Part, elements, groups, unique};

/// How often a lost race is run again. Each time, another plugin got its work done.
const ATTEMPTS: u32 = 1000;

/// Elements deleted in one transaction, which must fit into the socket's buffer.
const CHUNK: usize = 256;

/// The ruleset of the namespace that the caller is in.
pub(super) struct Ruleset {
    kernel: Nftables,
}

impl Ruleset {
    pub(super) fn open() -> Result<Self, Error> {
        Ok(Self {
            kernel: Nftables::open()?,
        })
    }

    /// Whether it can be used.
    pub(super) fn probe(&self) -> Result<(), Error> {
        self.kernel.probe()
    }

    /// Adds the parts of one attachment, and what they need where it is missing. An element that
    /// another attachment has is taken over: its address was given to this one since, and the other's
    /// late removal will find that it has none.
    ///
    /// One question and one transaction, unless others change the same at the same time. The question
    /// is cheap, and a transaction that the kernel refuses is not: it waits for an RCU grace period
    /// before it says so.
    pub(super) fn install(&self, parts: &[Part], comment: &str) -> Result<(), Error> {
        self.carry_out(self.prepare(parts, comment)?, parts)
    }

    /// The question.
    pub(super) fn prepare(&self, parts: &[Part], comment: &str) -> Result<Installation, Error> {
        let mut installation = Installation::new(parts, comment);
        installation.learn(self.look(&installation)?);
        Ok(installation)
    }

    /// The transaction.
    pub(super) fn carry_out(
        &self,
        mut installation: Installation,
        parts: &[Part],
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let Err(failure) = self.kernel.commit(&installation.batch()) else {
                return match installation.lacks_rules {
                    true => self.restore_rules(parts),
                    false => Ok(()),
                };
            };
            if installation.adapt(failure)? == Next::LookFirst {
                installation.holders = Some(self.snapshot(&installation.elements)?);
            }
        }
        Err(self.contended())
    }

    /// What is there of an attachment's groups and in the place of its elements.
    fn look(&self, installation: &Installation) -> Result<Snapshot, Error> {
        let markers: Vec<Query> = installation
            .groups
            .iter()
            .filter_map(|(group, _)| match &group.marker {
                Object::Chain(chain) => Some(Query::chain(chain)),
                Object::Set(set) => Some(Query::set(set)),
                _ => None,
            })
            .chain(installation.rivals.iter().map(Query::chain))
            .collect();
        self.kernel
            .snapshot(&markers, &pairs(&installation.elements))
    }

    /// Removes those of the elements that carry this comment.
    pub(super) fn remove(&self, elements: &[Placed], comment: &str) -> Result<(), Error> {
        self.remove_where(elements, &|holder| holder == comment)
    }

    /// Removes those of the elements whose comment `is_stale` accepts at the time of removal.
    fn remove_where(
        &self,
        elements: &[Placed],
        is_stale: &dyn Fn(&str) -> bool,
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let Snapshot {
                generation,
                elements: found,
                ..
            } = self.snapshot(elements)?;
            let mut batch = Batch::new();
            batch.require_generation(generation);
            for (placed, found) in elements.iter().zip(&found) {
                let comment = found.as_ref().and_then(|found| found.comment.as_deref());
                if comment.is_some_and(is_stale) {
                    delete(&mut batch, placed);
                }
            }
            if batch.is_empty() {
                return Ok(());
            }
            match self.kernel.commit(&batch) {
                Ok(()) => return Ok(()),
                Err(failure) if failure.is_stale() || failure.is_not_found() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(self.contended())
    }

    /// Looks through all elements of these kinds and removes those whose comment `is_stale` accepts.
    pub(super) fn sweep(
        &self,
        kinds: &[Kind],
        is_stale: &dyn Fn(&str) -> bool,
    ) -> Result<(), Error> {
        for kind in kinds {
            let nature = kind.nature();
            for set in self.kernel.sets(&nature.table())? {
                if nature.owns(&set.name) {
                    self.sweep_set(&set, is_stale)?;
                }
            }
        }
        Ok(())
    }

    fn sweep_set(&self, set: &Set, is_stale: &dyn Fn(&str) -> bool) -> Result<(), Error> {
        let stale: Vec<Placed> = self
            .kernel
            .elements(set)?
            .into_iter()
            .filter(|element| element.comment.as_deref().is_some_and(is_stale))
            .map(|element| Placed {
                set: set.clone(),
                element,
            })
            .collect();
        for chunk in stale.chunks(CHUNK) {
            self.remove_where(chunk, is_stale)?;
        }
        Ok(())
    }

    /// Whether no attachment has an element of this kind.
    pub(super) fn is_idle(&self, kind: Kind) -> Result<bool, Error> {
        let nature = kind.nature();
        for set in self.kernel.sets(&nature.table())? {
            if nature.owns(&set.name) && self.is_used(&set)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_used(&self, set: &Set) -> Result<bool, Error> {
        let is_used = |one: &Element| one.comment.as_deref() != Some(SHARED);
        Ok(self.kernel.elements(set)?.iter().any(is_used))
    }

    /// Removes a table none of whose sets has an element of an attachment.
    pub(super) fn remove_if_empty(&self, table: &Table) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let generation = self.kernel.generation()?;
            let sets = self.kernel.sets(table)?;
            if sets.is_empty() {
                return Ok(());
            }
            for set in &sets {
                if self.is_used(set)? {
                    return Ok(());
                }
            }
            let mut batch = Batch::new();
            batch.require_generation(generation).delete(table.clone());
            match self.kernel.commit(&batch) {
                Ok(()) => return Ok(()),
                Err(failure) if failure.is_stale() || failure.is_not_found() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        // Others keep changing the ruleset; whoever is last will find the table empty.
        Ok(())
    }

    /// What is not as [`install`](Self::install) leaves it, in words.
    pub(super) fn differences(&self, parts: &[Part], comment: &str) -> Result<Vec<String>, Error> {
        let elements = elements(parts);
        let found = self.snapshot(&elements)?.elements;
        let mut differences: Vec<String> = elements
            .iter()
            .zip(found)
            .filter_map(|(placed, found)| difference(placed, found, comment))
            .collect();
        for group in groups(parts) {
            for rule in self.missing_rules(&group)? {
                let (chain, comment) = (&rule.chain, rule.comment.unwrap_or_default());
                let Table { family, name, .. } = Table::new(rule.family, rule.table);
                differences.push(format!(
                    "expected the rule \"{comment}\" in chain {family} {name} {chain}, found none"
                ));
            }
        }
        Ok(differences)
    }

    fn missing_rules(&self, group: &Group) -> Result<Vec<Rule>, Error> {
        let mut missing = Vec::new();
        for chain in unique(group.rules.iter().map(chain_of)) {
            let installed = self.kernel.rules(&chain)?;
            let is_missing = |rule: &&Rule| {
                chain_of(rule) == chain
                    && !installed.iter().any(|there| there.comment == rule.comment)
            };
            missing.extend(group.rules.iter().filter(is_missing).cloned());
        }
        Ok(missing)
    }

    /// Restores what [`install`](Self::install) made, whatever part of it was removed by others.
    pub(super) fn repair(&self, parts: &[Part], comment: &str) -> Result<(), Error> {
        self.install(parts, comment)?;
        self.restore_rules(parts)
    }

    /// Adds those rules of the parts' groups that are missing.
    fn restore_rules(&self, parts: &[Part]) -> Result<(), Error> {
        for group in groups(parts) {
            for _ in 0..ATTEMPTS {
                let generation = self.kernel.generation()?;
                let missing = self.missing_rules(&group)?;
                if missing.is_empty() {
                    break;
                }
                let mut batch = group.restore(&missing);
                batch.require_generation(generation);
                match self.kernel.commit(&batch) {
                    Ok(()) => break,
                    Err(failure) if failure.is_stale() => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
        }
        Ok(())
    }

    fn snapshot(&self, elements: &[Placed]) -> Result<Snapshot, Error> {
        self.kernel.snapshot(&[], &pairs(elements))
    }

    fn contended(&self) -> Error {
        Error::new(
            "change",
            "the nftables ruleset, which others kept changing at the same time",
            rustix::io::Errno::AGAIN.into(),
        )
    }
}

/// The chain that a rule is in.
fn chain_of(rule: &Rule) -> Chain {
    let table = Table::new(rule.family, rule.table.clone());
    Chain::regular(&table, rule.chain.clone())
}

fn pairs(elements: &[Placed]) -> Vec<(&Set, &Element)> {
    elements
        .iter()
        .map(|placed| (&placed.set, &placed.element))
        .collect()
}

fn delete(batch: &mut Batch, placed: &Placed) {
    batch.delete_elements(&placed.table(), &placed.set.name, [placed.element.clone()]);
}

fn difference(placed: &Placed, found: Option<Element>, comment: &str) -> Option<String> {
    let Set {
        family,
        table,
        name,
        ..
    } = &placed.set;
    let expected = format!("{} in set {family} {table} {name}", placed.element);
    let found = match found {
        None => "none".to_owned(),
        Some(_) if placed.is_shared() => return None,
        Some(found) => match &found.comment {
            Some(own) if own == comment && found.target == placed.element.target => return None,
            Some(own) if own == comment => found.to_string(),
            Some(other) => format!("that of another attachment ({other})"),
            None => "one without an owner".to_owned(),
        },
    };
    Some(format!("expected the element {expected}, found {found}"))
}

/// One attachment on its way into the ruleset.
pub(super) struct Installation {
    groups: Vec<(Group, State)>,
    elements: Vec<Placed>,
    /// Chains of others that come first, and whether any is there.
    rivals: Vec<Chain>,
    meets_rivals: bool,
    /// What is in the way, once it was looked at.
    holders: Option<Snapshot>,
    /// For each group that the last batch created, the position of its marker.
    markers: Vec<Option<usize>>,
    /// Somebody has flushed rules, as `nft flush table` does, and left the chains and sets.
    lacks_rules: bool,
}

/// What is known of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its marker was there when it was looked at.
    Assumed,
    /// Something was missing.
    Missing,
    /// Its marker is there, so its rules are; anything else may be missing.
    Marked,
}

/// What to do after a commit failed.
#[derive(PartialEq, Eq)]
enum Next {
    TryAgain,
    LookFirst,
}

impl Installation {
    fn new(parts: &[Part], comment: &str) -> Self {
        let mut elements = elements(parts);
        for placed in elements.iter_mut().filter(|placed| !placed.is_shared()) {
            placed.element.comment = Some(comment.to_owned());
        }
        Self {
            groups: groups(parts)
                .into_iter()
                .map(|group| (group, State::Assumed))
                .collect(),
            elements,
            rivals: unique(parts.iter().flat_map(|part| part.want().rivals())),
            meets_rivals: false,
            holders: None,
            markers: Vec::new(),
            lacks_rules: false,
        }
    }

    /// Takes what is there for granted: groups whose marker is there are complete, unless the marker is a
    /// chain that has fewer rules than it should.
    fn learn(&mut self, found: Snapshot) {
        let markers = found.present.iter().zip(&found.references);
        for ((group, state), (is_there, references)) in self.groups.iter_mut().zip(markers) {
            if !is_there {
                *state = State::Missing;
            }
            self.lacks_rules |= references.is_some_and(|count| count < group.rules_of_marker());
        }
        let is_rival = found.present.iter().skip(self.groups.len());
        self.meets_rivals = is_rival.into_iter().any(|is_there| *is_there);
        let mut others = self.elements.iter().zip(&found.elements);
        if others.any(|(placed, found)| !placed.is_shared() && found.is_some()) {
            self.holders = Some(found);
        }
    }

    /// Whether rules of others may come first; those of the older iptables were not asked for.
    pub(super) fn meets_rivals(&self) -> Result<bool, linkspan_spec::Error> {
        Ok(self.meets_rivals || (!self.rivals.is_empty() && iptables::is_legacy_in_use()?))
    }

    fn batch(&mut self) -> Batch {
        let mut batch = Batch::new();
        self.markers.clear();
        for (group, state) in &self.groups {
            let marker = group.add_to(&mut batch, *state);
            self.markers.push(marker);
        }
        match &self.holders {
            None => self
                .elements
                .iter()
                .for_each(|placed| create(&mut batch, placed)),
            Some(snapshot) => {
                batch.require_generation(snapshot.generation);
                for (placed, holder) in self.elements.iter().zip(&snapshot.elements) {
                    replace(&mut batch, placed, holder.as_ref());
                }
            }
        }
        batch
    }

    /// Learns from a failure.
    fn adapt(&mut self, failure: CommitError) -> Result<Next, Error> {
        let had_looked = self.holders.take().is_some();
        let mut marked = false;
        for ((_, state), marker) in self.groups.iter_mut().zip(&self.markers) {
            if marker.is_some_and(|item| failure.exists(item)) {
                *state = State::Marked;
                marked = true;
            }
        }
        if marked {
            return Ok(Next::TryAgain);
        }
        if failure.is_not_found() {
            // Everything was in the batch: what is missing then is in the kernel.
            if self
                .groups
                .iter()
                .all(|(_, state)| *state == State::Missing)
            {
                return Err(lacking(&failure));
            }
            for (_, state) in &mut self.groups {
                *state = State::Missing;
            }
            return Ok(Next::TryAgain);
        }
        // Of the generation that was looked at, so nobody was faster: something else has the name.
        let is_other = had_looked && failure.is_exists();
        if !is_other && (failure.is_exists() || (had_looked && failure.is_stale())) {
            return Ok(Next::LookFirst);
        }
        Err(failure.into())
    }
}

fn lacking(failure: &CommitError) -> Error {
    Error::new(
        "use",
        format!("nf_tables of this kernel, which lacks a module ({failure})"),
        rustix::io::Errno::OPNOTSUPP.into(),
    )
}

fn create(batch: &mut Batch, placed: &Placed) {
    if placed.is_shared() {
        batch.add_elements(&placed.table(), &placed.set.name, [placed.element.clone()]);
        return;
    }
    batch.create_elements(&placed.table(), &placed.set.name, [placed.element.clone()]);
}

/// Creates an element in the place of one that is there, unless that is the same.
fn replace(batch: &mut Batch, placed: &Placed, holder: Option<&Element>) {
    match holder {
        Some(holder) if *holder == placed.element => return,
        Some(_) if !placed.is_shared() => delete(batch, placed),
        _ => {}
    }
    create(batch, placed);
}
