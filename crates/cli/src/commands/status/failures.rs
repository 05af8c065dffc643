//! What failed lately, from the ring of events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_events::{Event, Ring};
use serde::Serialize;

/// What is older is not told.
const LATELY: Duration = Duration::from_secs(3600);

/// Failures of one kind.
#[derive(Serialize)]
pub(super) struct Failures {
    /// The network; empty where the call names none.
    pub(super) network: String,
    pub(super) plugin: String,
    pub(super) command: String,
    /// What was said the last time.
    pub(super) msg: String,
    pub(super) count: usize,
    /// When it was the last time, in seconds since 1970.
    pub(super) last: u64,
}

/// The failures of the last hour by network, plugin and command, those of the last first. None where the ring cannot be read, which
/// only root may.
pub(super) fn lately() -> Vec<Failures> {
    let read = || Ring::open_if_there().ok()??.read().ok();
    let events = read().unwrap_or_default().events;
    let since = SystemTime::now().checked_sub(LATELY);
    let mut failures: Vec<Failures> = Vec::new();
    for event in events
        .iter()
        .filter(|event| since.is_some_and(|since| event.began >= since))
    {
        note(&mut failures, event);
    }
    failures.sort_by_key(|one| std::cmp::Reverse(one.last));
    failures
}

fn note(failures: &mut Vec<Failures>, event: &Event) {
    // What STATUS answers now is told with the network.
    let Some(error) = event.error.as_ref().filter(|_| event.command != "STATUS") else {
        return;
    };
    let last = event
        .began
        .duration_since(UNIX_EPOCH)
        .map_or(0, |began| began.as_secs());
    let is_kind = |one: &&mut Failures| {
        (&one.network, &one.plugin, &one.command) == (&event.network, &event.plugin, &event.command)
    };
    match failures.iter_mut().find(is_kind) {
        Some(one) => {
            one.count += 1;
            one.last = one.last.max(last);
            one.msg.clone_from(&error.msg);
        }
        None => failures.push(Failures {
            network: event.network.clone(),
            plugin: event.plugin.clone(),
            command: event.command.clone(),
            msg: error.msg.clone(),
            count: 1,
            last,
        }),
    }
}
