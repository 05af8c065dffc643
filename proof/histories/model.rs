//! What must be so, whatever was done and whoever was first: judged from what was answered, and from nothing else.
//!
//! An attachment *holds* its address and its host port from the end of an ADD that succeeded to the begin of whatever may take
//! them away: a DEL, a GC that does not spare it, the end of its namespace, a reboot. It *may hold* something from the begin of
//! any ADD, one that failed or was killed too, to the end of a DEL or GC that succeeded. What overlaps is judged by the former,
//! what is refused for want of room by the latter; so nothing is blamed on a build for what nobody can know.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::schedule::{Attachment, Line, Net, Op, Who};

/// Microseconds since the history began.
pub(crate) type Time = u64;

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It succeeded; with the addresses, where it was ADD.
    Done(Vec<IpAddr>),
    /// It failed with a code of the specification, or an exit status, and a message.
    Failed(u64, String),
    /// Its process was killed before it had answered.
    Killed,
    /// A runtime would not have asked: there was nothing to be asked.
    Skipped,
}

/// A line of a history: what was done, when, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) begin: Time,
    pub(crate) end: Time,
    pub(crate) line: Line,
    pub(crate) answer: Answer,
    /// What GC was told is in use.
    pub(crate) spared: Vec<Attachment>,
}

/// What was found when all was quiet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ending {
    /// When attachments were looked at.
    pub(crate) looked: Time,
    /// What is wrong with each.
    pub(crate) looked_at: BTreeMap<Attachment, Vec<String>>,
    /// What was there when everything had been detached and collected, and not at the start.
    pub(crate) leftovers: Vec<String>,
}

/// A time during which an attachment has something.
#[derive(Debug, Clone)]
struct Holding {
    at: Attachment,
    who: Who,
    port: Option<u16>,
    addresses: Vec<IpAddr>,
    /// When its ADD was asked for.
    asked: Time,
    /// Since when, and until when, it certainly has it; `None`: it never certainly had it.
    certain: Option<(Time, Time)>,
    /// Until when it may have it.
    until: Time,
}

const EVER: Time = Time::MAX;

/// Everything that is not as it must be, each in a line; empty for a history that is right.
pub(crate) fn judge(records: &[Record], ending: &Ending) -> Vec<String> {
    let history = History::of(records);
    let mut faults = history.double_holders();
    faults.extend(
        records
            .iter()
            .filter_map(|record| history.wrong_answer(record)),
    );
    faults.extend(history.lost(ending));
    faults.extend(history.leftovers(ending));
    faults
}

struct History<'a> {
    records: &'a [Record],
    holdings: Vec<Holding>,
}

impl<'a> History<'a> {
    fn of(records: &'a [Record]) -> Self {
        let mut history = Self {
            records,
            holdings: Vec::new(),
        };
        let mut in_order: Vec<&Record> = records.iter().collect();
        in_order.sort_by_key(|record| record.begin);
        for record in in_order {
            history.follow(record);
        }
        history
    }

    /// What a record changes of what is held.
    fn follow(&mut self, record: &Record) {
        let step = match record.line {
            Line::Step(step) => step,
            Line::Reboot => return self.end(record, |_| true, |one| one.who != Who::Reference),
            Line::Wait => return,
        };
        match step.op {
            _ if record.answer == Answer::Skipped => {}
            Op::Add(at, port) => self.add(record, at, port, step.who),
            Op::Del(at) => {
                let is_done = matches!(record.answer, Answer::Done(_));
                self.end(record, |one| one.at == at, |_| is_done);
            }
            Op::Gc(net) => {
                let is_done = matches!(record.answer, Answer::Done(_));
                let is_meant =
                    |one: &Holding| one.at.net == net && !record.spared.contains(&one.at);
                // An ADD of the reference that came to no end leaves an interface that is nobody's: DEL alone takes it out of the container.
                let is_half_made =
                    |one: &Holding| one.who == Who::Reference && one.certain.is_none();
                // The runtime library decides by itself, by whose namespace is certainly gone.
                if net != Net::Tool {
                    self.end(record, is_meant, |one| is_done && !is_half_made(one));
                }
            }
            Op::Lose(container) => self.end(record, |one| one.at.container == container, |_| false),
            _ => {}
        }
    }

    fn add(&mut self, record: &Record, at: Attachment, port: Option<u16>, who: Who) {
        let addresses = match &record.answer {
            Answer::Done(addresses) => addresses.clone(),
            // A second ADD of what lives is refused, and changes nothing of it.
            Answer::Failed(..) if self.living(at, record.begin).is_some() => return,
            _ => Vec::new(),
        };
        let is_done = matches!(record.answer, Answer::Done(_));
        self.holdings.push(Holding {
            at,
            who,
            port,
            addresses,
            asked: record.begin,
            certain: is_done.then_some((record.end, EVER)),
            until: EVER,
        });
    }

    /// Those of which this may be the end hold nothing certainly any more; those of which it is the end, nothing.
    fn end(
        &mut self,
        record: &Record,
        may: impl Fn(&Holding) -> bool,
        does: impl Fn(&Holding) -> bool,
    ) {
        for one in self
            .holdings
            .iter_mut()
            .filter(|one| one.until == EVER && may(one))
        {
            if let Some((_, until)) = one.certain.as_mut().filter(|(_, until)| *until == EVER) {
                *until = record.begin;
            }
            if does(one) {
                one.until = record.end;
            }
        }
    }

    fn living(&self, at: Attachment, time: Time) -> Option<&Holding> {
        let lives = |one: &&Holding| {
            one.certain
                .is_some_and(|(from, until)| from <= time && time < until)
        };
        self.holdings.iter().filter(|one| one.at == at).find(lives)
    }

    /// Every address and every host port has at most one holder at any time.
    fn double_holders(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (index, one) in self.holdings.iter().enumerate() {
            for other in self.holdings[index + 1..]
                .iter()
                .filter(|other| overlap(one, other))
            {
                for address in one
                    .addresses
                    .iter()
                    .filter(|address| other.addresses.contains(address))
                {
                    faults.push(format!(
                        "two holders of {address}: {}, and {}",
                        told(one),
                        told(other)
                    ));
                }
                if self.is_double_port(one, other) {
                    let port = one.port.unwrap_or_default();
                    faults.push(format!(
                        "two holders of port {port}: {}, and {}",
                        told(one),
                        told(other)
                    ));
                }
            }
        }
        faults
    }

    /// Whether two containers publish one port, and the later one should have been refused.
    fn is_double_port(&self, one: &Holding, other: &Holding) -> bool {
        let (first, later) = if one.asked <= other.asked {
            (one, other)
        } else {
            (other, one)
        };
        // A container on two networks publishes it by one of them.
        let is_same = first.port.is_some()
            && first.port == later.port
            && first.at.container != later.at.container;
        // The reference refuses nobody, its rules are all that tells of its ports, and it takes no lock of ours.
        let is_told = first.who != Who::Reference
            || first.certain.is_some_and(|(from, _)| from < later.asked)
                && !self.flushed(first.asked, later.asked);
        is_same && later.who == Who::Ours && is_told
    }

    /// Whether somebody flushed rules in this time.
    fn flushed(&self, from: Time, until: Time) -> bool {
        self.flushes()
            .any(|flush| flush.end > from && flush.begin < until)
    }

    fn flushes(&self) -> impl Iterator<Item = &Record> {
        let is_flush = |record: &&Record| matches!(record.line, Line::Step(step) if matches!(step.op, Op::FlushNft | Op::FlushIptables));
        self.records.iter().filter(is_flush)
    }

    /// Whether everything that was flushed in this time has been put back since by `reconcile`.
    fn is_healed(&self, from: Time, until: Time) -> bool {
        let last = self
            .flushes()
            .filter(|flush| flush.end > from && flush.begin < until)
            .map(|flush| flush.end)
            .max();
        let heals = |record: &Record, flush: Time| {
            matches!(record.line, Line::Step(step) if step.op == Op::Reconcile)
                && matches!(record.answer, Answer::Done(_))
                && record.begin > flush
                && record.end <= until
        };
        last.is_none_or(|flush| self.records.iter().any(|record| heals(record, flush)))
    }

    /// Whether an ADD of the reference has led the port elsewhere, which refuses nobody.
    fn is_hijacked(&self, one: &Holding, until: Time) -> bool {
        let is_rival = |record: &Record| {
            matches!(record.line, Line::Step(step) if step.who == Who::Reference
                && matches!(step.op, Op::Add(at, port) if at.container != one.at.container && port == one.port))
                && record.begin < until
        };
        one.port.is_some() && self.records.iter().any(is_rival)
    }

    /// Whether somebody's port may be another's by now, so that what was flushed cannot be put back as it was: the reference has taken
    /// it, or it is of an ADD or a DEL that came to no end, beside a container that has it.
    fn is_any_port_lost(&self, until: Time) -> bool {
        let may_have = |one: &&Holding| one.asked < until && one.until >= until;
        let has_rival = |one: &Holding| {
            let is_doubtful = one.certain.is_none_or(|(_, certain)| certain < until);
            let is_rival =
                |other: &Holding| other.port == one.port && other.at.container != one.at.container;
            is_doubtful && one.port.is_some() && self.holdings.iter().filter(may_have).any(is_rival)
        };
        let mut ours = self.holdings.iter().filter(|one| one.who != Who::Reference);
        ours.any(|one| self.is_hijacked(one, until) || may_have(&one) && has_rival(one))
    }

    /// An answer of ours that cannot be right.
    fn wrong_answer(&self, record: &Record) -> Option<String> {
        let Line::Step(step) = record.line else {
            return None;
        };
        if step.who != Who::Ours {
            return None;
        }
        let (code, message) = match (&record.answer, step.op) {
            (Answer::Failed(code, message), _) => (code, message),
            // Of an address that nobody has told nobody could say that it was given twice, or lost.
            (Answer::Done(addresses), Op::Add(at, _)) if addresses.len() != at.net.addresses() => {
                return Some(format!(
                    "{step} succeeded, and told the addresses {addresses:?}"
                ));
            }
            _ => return None,
        };
        let is_wrong = match step.op {
            Op::Add(at, port) => !self.may_refuse(record, at, port),
            Op::Check(at) => self.should_pass(record, at),
            // It may be that no attachment is known, which it says.
            Op::Gc(Net::Tool) => !message.contains("--all"),
            Op::Status(net) => !self.may_be_full(net, None, record),
            Op::Reconcile => !self.is_any_port_lost(record.end),
            Op::Del(_) | Op::Gc(_) | Op::FlushNft | Op::FlushIptables | Op::Lose(_) => true,
        };
        is_wrong.then(|| format!("{step} failed without a reason, code {code}: {message}"))
    }

    /// Whether an ADD may be refused: what an attachment has already, whatever of it, a full pool, or a port that is taken.
    fn may_refuse(&self, record: &Record, at: Attachment, port: Option<u16>) -> bool {
        let overlaps = |one: &&Holding| one.asked < record.end && one.until > record.begin;
        let others = || {
            self.holdings
                .iter()
                .filter(overlaps)
                .filter(|one| one.asked != record.begin)
        };
        let is_known = others().any(|one| one.at == at);
        let is_taken = others()
            .any(|one| one.at.container != at.container && one.port.is_some() && one.port == port);
        is_known || is_taken || self.may_be_full(at.net, Some(at), record)
    }

    fn may_be_full(&self, net: Net, but: Option<Attachment>, record: &Record) -> bool {
        let holders: BTreeSet<Attachment> = self
            .holdings
            .iter()
            .filter(|one| one.at.net == net && Some(one.at) != but)
            .filter(|one| one.asked < record.end && one.until > record.begin)
            .map(|one| one.at)
            .collect();
        holders.len() >= net.capacity()
    }

    /// Whether CHECK must succeed: all the while the attachment lives, and nobody has taken its rules.
    fn should_pass(&self, record: &Record, at: Attachment) -> bool {
        let Some(one) = self.living(at, record.begin) else {
            return false;
        };
        let lives_on = one.certain.is_some_and(|(_, until)| until >= record.end);
        lives_on && !self.has_lost_rules(one, record.begin, record.end)
    }

    /// Whether rules of an attachment may be gone without a fault of ours.
    fn has_lost_rules(&self, one: &Holding, before: Time, until: Time) -> bool {
        // Nothing keeps what the reference had in netfilter.
        let is_lost = match one.who {
            Who::Reference => self.flushed(one.asked, until) || self.has_former_holder(one),
            _ => !self.is_healed(one.asked, before) || self.flushed(before, until),
        };
        is_lost || self.is_hijacked(one, until)
    }

    /// Whether somebody had the address before whose DEL had come to no good end, or was asked for again since. Rules of the reference
    /// name an address and nobody: what takes away those that the former holder has left cannot know that they are another's now.
    fn has_former_holder(&self, one: &Holding) -> bool {
        let shares = |other: &Holding| {
            let mut addresses = other.addresses.iter();
            addresses.any(|address| one.addresses.contains(address))
        };
        let is_removed_again = |other: &Holding| {
            self.records.iter().any(|record| {
                record.end > one.asked
                    && matches!(record.line, Line::Step(step) if step.op == Op::Del(other.at))
            })
        };
        self.holdings
            .iter()
            .filter(|other| other.at != one.at && other.asked < one.asked && shares(other))
            .any(|other| one.asked < other.until || is_removed_again(other))
    }

    /// Nothing that lives is lost.
    fn lost(&self, ending: &Ending) -> Vec<String> {
        let mut faults = Vec::new();
        let lives = |one: &&Holding| {
            one.certain
                .is_some_and(|(from, until)| from <= ending.looked && ending.looked < until)
        };
        for one in self.holdings.iter().filter(lives) {
            let Some(wrong) = ending.looked_at.get(&one.at) else {
                faults.push(format!("{} lives, and nobody has looked at it", told(one)));
                continue;
            };
            let is_rule = |what: &&String| what.starts_with("rules:");
            let excused = self.has_lost_rules(one, ending.looked, ending.looked);
            for what in wrong.iter().filter(|what| !(excused && is_rule(what))) {
                faults.push(format!("{} lives, and has lost: {what}", told(one)));
            }
        }
        faults
    }

    /// Nothing dead stays.
    fn leftovers(&self, ending: &Ending) -> Vec<String> {
        let is_excused = |line: &&String| self.is_of_the_reference(line);
        ending
            .leftovers
            .iter()
            .filter(|line| !is_excused(line))
            .map(|line| format!("left when nothing lives: {line}"))
            .collect()
    }

    /// Whether something may have been left by the reference, whose ADD leaves what it made when it fails, whose DEL leaves
    /// what is ours, and which knows no GC (docs/compatibility.md). It is where it made or removed one with that address or ID, or
    /// where it was killed, and the thing has one of its own names.
    fn is_of_the_reference(&self, line: &str) -> bool {
        let its: BTreeSet<Attachment> = self
            .records
            .iter()
            .filter_map(|record| match record.line {
                Line::Step(step) if step.who == Who::Reference => match step.op {
                    Op::Add(at, _) | Op::Del(at) if record.answer != Answer::Skipped => Some(at),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let names_it = |one: &Holding| {
            one.addresses
                .iter()
                .any(|address| line.contains(&address.to_string()))
        };
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
        let is_its_id = |word: &str| its.iter().any(|at| word == format!("c{}", at.container));
        let is_named = words.any(is_its_id)
            || self
                .holdings
                .iter()
                .any(|one| its.contains(&one.at) && names_it(one));
        !its.is_empty() && (is_named || line.contains("CNI-"))
    }
}

fn overlap(one: &Holding, other: &Holding) -> bool {
    let (Some((from, until)), Some((other_from, other_until))) = (one.certain, other.certain)
    else {
        return false;
    };
    one.at != other.at && from < other_until && other_from < until
}

fn told(one: &Holding) -> String {
    let since = one.certain.map_or(one.asked, |(from, _)| from);
    format!("{} (by {} since {since} µs)", one.at, one.who.name())
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
