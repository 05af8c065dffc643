//! How often plugins were called, how long that took, and how often it failed.

use std::collections::BTreeMap;
use std::time::Duration;

use linkspan_spec::{Command, ErrorCode, Map, Value, decode, key};

use crate::Event;

/// The upper bounds of durations that are counted together; a class more is for what took longer than the last.
pub const BOUNDS: [Duration; 12] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// How many kinds of calls are counted each by itself. Names of IPAM plugins are the configuration's, and may be many.
const MAX_KINDS: usize = 256;

/// How many codes of errors are counted each by itself for a kind of calls.
const MAX_CODES: usize = 32;

/// For all that is not counted by itself.
const OTHER: &str = "other";

/// Counts of calls, by plugin and command; an IPAM plugin's also where another plugin called it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    kinds: BTreeMap<(String, String), Calls>,
}

/// Calls of one plugin with one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How long they took together.
    pub took: Duration,
    /// How many took no longer than each of the [`BOUNDS`] and longer than the one before, and how many longer than the last.
    pub classes: [u64; BOUNDS.len() + 1],
    /// How many failed, by the error's code; `None` for all codes that are too many to be counted by themselves.
    pub failures: BTreeMap<Option<ErrorCode>, u64>,
}

impl Calls {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.classes
            .iter()
            .fold(0, |sum, &count| sum.saturating_add(count))
    }

    fn add(&mut self, took: Duration, code: Option<ErrorCode>) {
        self.took = self.took.saturating_add(took);
        let class = BOUNDS.iter().take_while(|&&bound| took > bound).count();
        increase(&mut self.classes[class]);
        if let Some(code) = code {
            let is_counted = self.failures.contains_key(&Some(code));
            let code = (is_counted || self.failures.len() < MAX_CODES).then_some(code);
            increase(self.failures.entry(code).or_default());
        }
    }
}

fn increase(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl Totals {
    /// Counts a call, and what it delegated.
    pub fn add(&mut self, event: &Event) {
        let code = event.error.as_ref().map(|error| error.code);
        self.of(&event.plugin, &event.command).add(event.took, code);
        for ipam in &event.ipam {
            self.of(&ipam.plugin, &ipam.command)
                .add(ipam.took, ipam.code);
        }
    }

    /// Plugin, command and counts, sorted.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &Calls)> {
        let kinds = self.kinds.iter();
        kinds.map(|((plugin, command), calls)| (plugin.as_str(), command.as_str(), calls))
    }

    fn of(&mut self, plugin: &str, command: &str) -> &mut Calls {
        let command = command.parse().map_or(OTHER, Command::as_str);
        let mut kind = (plugin.to_owned(), command.to_owned());
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&kind) {
            kind.0 = OTHER.to_owned();
        }
        self.kinds.entry(kind).or_default()
    }

    pub(crate) fn to_json(&self) -> Value {
        let kinds = self.kinds.iter();
        kinds
            .map(|((plugin, command), calls)| {
                let mut map = Map::new();
                map.insert("plugin".into(), plugin.as_str().into());
                map.insert("command".into(), command.as_str().into());
                calls.write(&mut map);
                Value::Object(map)
            })
            .collect()
    }

    /// What is no count is passed over.
    pub(crate) fn from_json(json: &Value) -> Self {
        let read = |json: &Value| {
            let map = json.as_object()?;
            let text = |name: &str| Some(key(map, name)?.as_str()?.to_owned());
            Some(((text("plugin")?, text("command")?), Calls::read(map)?))
        };
        let kinds = json.as_array().into_iter().flatten();
        Self {
            kinds: kinds.filter_map(read).collect(),
        }
    }
}

impl Calls {
    fn write(&self, map: &mut Map) {
        let took = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        map.insert("took".into(), took.into());
        map.insert("classes".into(), self.classes.to_vec().into());
        let failures = self.failures.iter();
        let failures = failures.map(|(code, &count)| {
            let code = code.map(|code| code.0);
            Value::from(vec![Value::from(code), count.into()])
        });
        map.insert("failures".into(), failures.collect());
    }

    fn read(map: &Map) -> Option<Self> {
        let numbers = key(map, "classes")?.as_array()?.iter();
        let numbers: Vec<u64> = numbers.filter_map(Value::as_u64).collect();
        let failure = |json: &Value| {
            let [code, count] = json.as_array()?.as_slice() else {
                return None;
            };
            let code = match code {
                Value::Null => None,
                code => Some(ErrorCode(decode::unsigned(code).ok()?)),
            };
            Some((code, count.as_u64()?))
        };
        let failures = key(map, "failures")?.as_array()?.iter();
        Some(Self {
            took: Duration::from_micros(key(map, "took")?.as_u64()?),
            classes: numbers.try_into().ok()?,
            failures: failures.filter_map(failure).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use linkspan_spec::Error;

    use super::*;
    use crate::Delegated;

    fn call(plugin: &str, command: &str, took: u64, code: Option<u32>) -> Event {
        Event {
            began: UNIX_EPOCH,
            took: Duration::from_micros(took),
            command: command.into(),
            plugin: plugin.into(),
            network: String::new(),
            container: String::new(),
            ifname: String::new(),
            pod: String::new(),
            caller: 1,
            ipam: Vec::new(),
            error: code.map(|code| Error::new(ErrorCode(code), "failed")),
        }
    }

    fn totals(events: &[Event]) -> Totals {
        let mut totals = Totals::default();
        events.iter().for_each(|event| totals.add(event));
        totals
    }

    #[test]
    fn calls_are_counted_by_plugin_command_code_and_duration() {
        let delegating = Event {
            ipam: vec![Delegated {
                plugin: "host-local".into(),
                command: "ADD".into(),
                took: Duration::from_micros(400),
                code: Some(ErrorCode(11)),
            }],
            ..call("bridge", "ADD", 501, Some(11))
        };
        let totals = totals(&[
            delegating,
            call("bridge", "ADD", 500, None),
            call("bridge", "ADD", 31_000_000, Some(5)),
            call("bridge", "DEL", 0, None),
            call("bridge", "FLY", 1, Some(4)),
        ]);
        let kinds: Vec<_> = totals
            .all()
            .map(|(plugin, command, calls)| (plugin, command, calls.count()))
            .collect();
        assert_eq!(
            kinds,
            [
                ("bridge", "ADD", 3),
                ("bridge", "DEL", 1),
                ("bridge", "other", 1),
                ("host-local", "ADD", 1)
            ]
        );
        let (_, _, adds) = totals.all().next().unwrap();
        assert_eq!(adds.took, Duration::from_micros(31_001_001));
        let first_last = (adds.classes[0], adds.classes[1], adds.classes[12]);
        assert_eq!(first_last, (1, 1, 1));
        let failures = [(Some(ErrorCode(5)), 1), (Some(ErrorCode(11)), 1)];
        assert_eq!(adds.failures, failures.into());
        assert_eq!(Totals::from_json(&totals.to_json()), totals);
    }

    /// Names and codes that plugins of others invent do not make the counts grow without end.
    #[test]
    fn however_many_names_and_codes_there_are_the_counts_are_bounded_and_nothing_is_lost() {
        let named: Vec<_> = (0..1000)
            .map(|number| call(&format!("plugin{number:04}"), "ADD", 1, None))
            .collect();
        let coded: Vec<_> = (0..1000)
            .map(|code| call("plugin0000", "ADD", 1, Some(code)))
            .collect();
        let totals = totals(&[named, coded].concat());
        assert_eq!(totals.all().count(), MAX_KINDS + 1);
        assert_eq!(
            totals.all().map(|(.., calls)| calls.count()).sum::<u64>(),
            2000
        );
        let first = totals.all().find(|(plugin, ..)| *plugin == "plugin0000");
        let (.., calls) = first.unwrap();
        assert_eq!(calls.failures.len(), MAX_CODES + 1);
        assert_eq!(calls.failures.values().sum::<u64>(), 1000);
        assert_eq!(Totals::from_json(&totals.to_json()), totals);
    }

    #[test]
    fn what_is_no_count_is_passed_over() {
        let good = totals(&[call("bridge", "ADD", 1, None)]);
        let Value::Array(mut list) = good.to_json() else {
            panic!("a list")
        };
        let broken = |key: &str, value: Value| {
            let mut one = list[0].clone();
            one[key] = value;
            one
        };
        let all = [
            broken("took", "long".into()),
            broken("classes", vec![1, 2].into()),
            broken("plugin", Value::Null),
            broken("failures", 3.into()),
            Value::Null,
        ];
        list.extend(all);
        assert_eq!(Totals::from_json(&list.into()), good);
        assert_eq!(Totals::from_json(&Value::Null), Totals::default());
    }
}
