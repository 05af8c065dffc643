//! What one call, and the state after it, came to.

use std::collections::BTreeSet;

use linkspan_testkit::{Outcome, Snapshot};
use serde_json::Value;

/// One step of a run: what was done, what came back, and how the world looked afterwards, one fact to a line.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// What was done.
    pub(crate) title: String,
    /// What was called and what it answered, as it was, for people.
    pub(crate) transcript: String,
    /// The code and the message of the error, when the step failed.
    pub(crate) error: Option<(u64, String)>,
    /// Everything that is compared, but for the error.
    pub(crate) facts: BTreeSet<String>,
}

impl Record {
    /// A step that calls no plugin.
    pub(crate) fn of_facts(title: String, facts: impl IntoIterator<Item = String>) -> Self {
        Self {
            title,
            transcript: String::new(),
            error: None,
            facts: facts.into_iter().collect(),
        }
    }

    /// A call of a plugin.
    pub(crate) fn of_call(title: String, outcome: &Outcome, state: &Snapshot) -> Self {
        let output = &outcome.output;
        let mut facts = BTreeSet::from([format!("exit status = {:?}", output.status.code())]);
        let error = if output.ok() {
            match &outcome.json {
                Some(json) => flatten("result", json, state, &mut facts),
                None if output.stdout.is_empty() => {}
                None => drop(facts.insert(format!("output = {:?}", output.stdout))),
            }
            None
        } else {
            Some(error(outcome, &mut facts))
        };
        facts.extend(
            state
                .normalised()
                .lines()
                .filter(|line| is_compared(line))
                .map(|line| settled(&line)),
        );
        Self {
            title,
            transcript: output.to_string(),
            error,
            facts,
        }
    }
}

/// The reference writes no alias on its links, and does not always wait until a port forwards.
fn is_compared(line: &str) -> bool {
    let is_state_of_a_port = line.contains(" info_slave_data state = ")
        || (line.contains(" port ") && line.contains(" state = "));
    !line.contains(" ifalias = ") && !is_state_of_a_port
}

/// A route knows some time later that its interface has lost its carrier. Files of host-local are for
/// their owner alone (600) in the newer reference; Debian's are for everybody to read.
fn settled(line: &str) -> String {
    let line = line
        .replace("\"linkdown\",", "")
        .replace("\"linkdown\"", "");
    if line.starts_with("file /var/lib/cni/") {
        return line.replace(" = 644 ", " = 600 ");
    }
    line
}

/// The code and message of an error; its other keys are facts.
fn error(outcome: &Outcome, facts: &mut BTreeSet<String>) -> (u64, String) {
    let Some(json) = outcome.json.as_ref().filter(|json| json["msg"].is_string()) else {
        facts.insert("error = none in the form of the specification".to_owned());
        return (0, outcome.output.stdout.clone());
    };
    facts.insert(format!("error cniVersion = {}", json["cniVersion"]));
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    (
        json["code"].as_u64().unwrap_or_default(),
        format!("{}: {}", text("msg"), text("details")),
    )
}

/// Each leaf of a JSON value as a fact; the order of arrays counts, that of keys does not.
fn flatten(what: &str, value: &Value, state: &Snapshot, facts: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                flatten(&format!("{what} {key}"), value, state, facts);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (place, value) in items.iter().enumerate() {
                flatten(&format!("{what} {place}"), value, state, facts);
            }
        }
        leaf => drop(facts.insert(format!("{what} = {}", state.rename(&leaf.to_string())))),
    }
}
