//! Which calls are shown, in which order, and what a container is called.

use std::time::{Duration, SystemTime};

use linkspan_events::Event;
use linkspan_inspect::containers::Names;

use crate::args::Events;

/// As few characters of an ID name a container.
const SHORTEST_ID: usize = 4;

/// How soon after one plugin of a chain the next one begins, on a machine that is busy.
const SOON: Duration = Duration::from_secs(10);

/// What is asked for.
pub(super) struct Selection {
    of: Option<String>,
    since: Option<SystemTime>,
    failed: bool,
}

impl Selection {
    pub(super) fn of(args: &Events) -> Self {
        let since = args.since.map(|since| {
            let time = SystemTime::now().checked_sub(since);
            time.unwrap_or(SystemTime::UNIX_EPOCH)
        });
        Self {
            of: args.of.clone(),
            since,
            failed: args.failed,
        }
    }

    pub(super) fn has(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.began >= since)
            && (!self.failed || event.error.is_some())
            && self.of.as_ref().is_none_or(|word| is_of(event, word))
    }
}

/// Whether a word names the event's network, container or plugin.
fn is_of(event: &Event, word: &str) -> bool {
    let pod = event.pod.split_once('/').map(|(_, name)| name);
    let names = [&event.network, &event.container, &event.plugin, &event.pod];
    names.iter().any(|name| *name == word)
        || pod == Some(word)
        || event.ipam.iter().any(|ipam| ipam.plugin == word)
        || (word.len() >= SHORTEST_ID && event.container.starts_with(word))
}

/// What people call the event's container.
pub(super) fn name(event: &Event, names: &Names) -> Option<String> {
    match event.pod.as_str() {
        "" => names.of(&event.container, &[]).map(|name| name.to_string()),
        pod => Some(pod.to_owned()),
    }
}

/// The same events with the plugins of each chain one after the other, where chains of several containers went on at once.
pub(super) fn grouped(events: Vec<Event>) -> Vec<Event> {
    let mut chains: Vec<Vec<Event>> = Vec::new();
    for event in events {
        // A chain that goes on is among the last.
        let chain = chains
            .iter_mut()
            .rev()
            .take(256)
            .find(|chain| goes_on(chain, &event));
        match chain {
            Some(chain) => chain.push(event),
            None => chains.push(vec![event]),
        }
    }
    chains.into_iter().flatten().collect()
}

fn goes_on(chain: &[Event], next: &Event) -> bool {
    let is_new = chain.iter().all(|event| event.plugin != next.plugin);
    is_new && chain.last().is_some_and(|last| continues(last, next))
}

/// Whether a call is that of the next plugin in the same chain.
pub(super) fn continues(last: &Event, next: &Event) -> bool {
    let key = |event: &Event| {
        let Event {
            command,
            network,
            container,
            ifname,
            caller,
            ..
        } = event.clone();
        (command, network, container, ifname, caller)
    };
    let end = last.began + last.took;
    let between = next.began.duration_since(end).unwrap_or_default();
    key(last) == key(next) && last.plugin != next.plugin && between < SOON
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// A call of one millisecond, so many milliseconds after the first.
    fn call(after: u64, command: &str, plugin: &str, container: &str) -> Event {
        Event {
            began: UNIX_EPOCH + Duration::from_millis(1_764_537_600_000 + after),
            took: Duration::from_millis(1),
            command: command.into(),
            plugin: plugin.into(),
            network: "mynet".into(),
            container: container.into(),
            ifname: "eth0".into(),
            pod: "default/web-1".into(),
            caller: 1,
            ipam: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn chains_of_several_containers_are_each_in_one_place() {
        let events = vec![
            call(0, "ADD", "bridge", "a"),
            call(1, "ADD", "bridge", "b"),
            call(2, "ADD", "portmap", "b"),
            call(3, "ADD", "portmap", "a"),
            call(4, "DEL", "portmap", "a"),
            call(5, "DEL", "bridge", "a"),
            // Another attempt, and another chain long after.
            call(6, "DEL", "portmap", "a"),
            call(7, "DEL", "bridge", "a"),
            call(60_000, "ADD", "portmap", "b"),
        ];
        let order = grouped(events).into_iter().map(|event| {
            let at = event.began.duration_since(UNIX_EPOCH).unwrap();
            at.as_millis() - 1_764_537_600_000
        });
        assert_eq!(Vec::from_iter(order), [0, 3, 1, 2, 4, 5, 6, 7, 60_000]);
    }

    #[test]
    fn a_word_names_a_network_a_container_a_pod_or_a_plugin() {
        let event = call(0, "ADD", "bridge", "3f2a9c01b2d4");
        for (word, expected) in [
            ("mynet", true),
            ("3f2a9c01b2d4", true),
            ("3f2a", true),
            ("3f2", false),
            ("bridge", true),
            ("default/web-1", true),
            ("web-1", true),
            ("web", false),
            ("eth0", false),
        ] {
            assert_eq!(is_of(&event, word), expected, "{word}");
        }
    }
}
