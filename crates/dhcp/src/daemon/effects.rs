//! What clients decide, put into effect: sockets, interfaces, records, answers.

use std::mem;

use super::answer;
use super::holder::{Leaving, Left};
use super::interface::Interface;
use super::journal::{log, report, term, word};
use super::keeper::{Keeper, MEANWHILE};
use crate::machine::{Action, Change, Event, Lease, Loss, Term, Time};
use crate::rpc::server::Answer;

impl Keeper {
    /// Gives a lease back, or what is being asked for; there may be nothing.
    pub(super) fn give_back(&mut self, key: &str, now: Time) {
        if let Some(holder) = self.holders.get_mut(key)
            && holder.leaving.is_none()
        {
            holder.last = holder.client.lease().cloned();
            self.handle(key, Event::Release, now);
        }
    }

    /// Nothing is left to be done for a lease but what could not be sent.
    fn leave(&mut self, key: &str, now: Time) {
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        let (unsent, last) = (holder.unsent.take(), holder.last.take());
        let Some((outgoing, lease)) = unsent.zip(last.clone()) else {
            if last.is_some() {
                log(&format!("{key}: lease given back"));
            }
            return self.drop_holder(key, MEANWHILE);
        };
        log(&format!(
            "{key}: the lease is given back as soon as that can be sent"
        ));
        holder.leaving = Some(Leaving::new(outgoing, &lease, now));
        holder.close_all(&self.closer);
        self.refuse(key, MEANWHILE);
        self.keep(key, &lease);
    }

    pub(super) fn go_on_leaving(&mut self, key: &str, now: Time) {
        let holder = self.holders.get_mut(key);
        match holder.map(|holder| holder.leave(now, &self.closer)) {
            None | Some(Left::NotYet) => {}
            Some(Left::Sent) => {
                log(&format!("{key}: lease given back"));
                self.drop_holder(key, MEANWHILE);
            }
            Some(Left::Ended) => {
                log(&format!(
                    "{key}: the lease could not be given back before it ended"
                ));
                self.drop_holder(key, MEANWHILE);
            }
        }
    }

    /// Tells a lease's client what happened, and does what it wants.
    pub(super) fn handle(&mut self, key: &str, event: Event<'_>, now: Time) {
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        for action in holder.client.handle(now, event, &mut random) {
            self.act(key, action, now);
        }
    }

    fn act(&mut self, key: &str, action: Action, now: Time) {
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        let outcome = match action {
            Action::Listen => holder.listen(),
            Action::Close => {
                holder.close(&self.closer);
                Ok(())
            }
            Action::Send(outgoing) => {
                // It is sent again, and at once when the link comes up.
                if let Err(why) = holder.send(&outgoing, &self.closer) {
                    holder.complain(&why, now);
                    holder.unsent = Some(outgoing);
                } else {
                    holder.unsent = None;
                }
                Ok(())
            }
            Action::Probe(address) => holder.probe(address, now),
            Action::Bound { lease, change } => {
                self.bound(key, &lease, &change);
                Ok(())
            }
            Action::Lost { lease, loss } => {
                self.lost(key, &lease, &loss);
                Ok(())
            }
            Action::Ignored { from, why } => {
                let why = format!("an answer of {from} cannot be used: {why}");
                holder.complain(&why, now);
                Ok(())
            }
            Action::Failed(failure) => {
                log(&format!("{key}: {failure}"));
                self.drop_holder(key, &failure.to_string());
                Ok(())
            }
            Action::Done => {
                self.leave(key, now);
                Ok(())
            }
        };
        if let Err(why) = outcome {
            self.failed(key, &why, now);
        }
    }

    /// What could not be done is tried again when the client asks for it the next time, unless somebody waits who should know.
    fn failed(&mut self, key: &str, why: &str, now: Time) {
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        holder.complain(why, now);
        if !holder.is_told && !holder.waiting.is_empty() {
            self.refuse(key, why);
            self.give_back(key, now);
        }
    }

    /// Keeps a lease on disk.
    fn keep(&self, key: &str, lease: &Lease) {
        let (Some(store), Some(holder)) = (&self.store, self.holders.get(key)) else {
            return;
        };
        if let Err(error) = store.keep(holder, lease) {
            log(&format!(
                "{key}: cannot keep the lease on disk, so that it is lost when this daemon ends: {error}"
            ));
        }
    }

    fn bound(&mut self, key: &str, lease: &Lease, change: &Change) {
        self.keep(key, lease);
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        holder.end_probe(&self.closer);
        log(&format!(
            "{key}: lease {}: {}, {}",
            word(change),
            lease.address,
            term(lease)
        ));
        let stale = holder.stale.take();
        let from = match change {
            Change::New if holder.is_told => Some(stale.as_ref()),
            // What ADD told of it is not all that the server gave: others of the chain may have made the routes, and the
            // daemon before asked for less.
            Change::Changed { from } if is_adopted(from, lease) => None,
            Change::Changed { from } => Some(Some(from.as_ref())),
            _ => None,
        };
        if let Some(from) = from {
            report(key, from, lease);
            let changed = Interface::of(holder, |interface| interface.change(from, lease));
            if let Err(why) = changed {
                log(&format!(
                    "{key}: the interface could not be given {}: {why}; set it by hand, or make the container anew",
                    lease.address
                ));
            }
        }
        holder.is_told = true;
        let result = answer::result(lease, holder.wish.priority);
        let waiting = mem::take(&mut holder.waiting).into_iter();
        self.answers
            .extend(waiting.map(|waiting| (waiting, Ok(Answer::Lease(result.clone())))));
    }

    fn lost(&mut self, key: &str, lease: &Lease, loss: &Loss) {
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        log(&format!(
            "{key}: {} must not be used any more: {loss}; looking for another address",
            lease.address
        ));
        holder.stale = Some(lease.clone());
        self.withdraw(key);
    }

    /// Takes from the interface what must not be used any more; what cannot be reached just now is tried at the next turn.
    pub(super) fn withdraw(&mut self, key: &str) {
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        let Some(lease) = holder.stale.take() else {
            return;
        };
        if let Err(why) = Interface::of(holder, |interface| interface.withdraw(&lease)) {
            log(&format!(
                "{key}: {} could not be taken from the interface: {why}",
                lease.address
            ));
            holder.stale = Some(lease);
        }
    }
}

/// Whether a lease is one that another program held, with the same address.
fn is_adopted(from: &Lease, to: &Lease) -> bool {
    from.term == Term::Unknown && from.address == to.address
}

/// Numbers that nobody foresees, who does not see them travel.
fn random() -> u32 {
    let mut bytes = [0; 4];
    // It fails only before the kernel has gathered enough, early in a boot.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u32::from_ne_bytes(bytes)
}
