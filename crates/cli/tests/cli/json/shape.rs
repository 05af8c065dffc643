//! The shapes of docs/json.md, and what is compared with them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// All shapes of the document, by their headings.
pub(super) struct Shapes {
    shapes: BTreeMap<String, Value>,
    /// The places of shapes at which something was seen.
    seen: RefCell<BTreeSet<String>>,
}

/// A shape somewhere in the document, such as `Error.others[]`.
struct At<'s> {
    shape: &'s Value,
    place: String,
}

impl Shapes {
    /// Reads a document: below each heading, the first block of JSON is the shape of what the heading names.
    pub(super) fn read(document: &str) -> Self {
        let mut shapes = BTreeMap::new();
        for part in document.split("\n### ").skip(1) {
            let (heading, rest) = part.split_once('\n').unwrap();
            let heading = heading.trim_matches('`');
            let block = rest
                .split("```json\n")
                .nth(1)
                .and_then(|rest| rest.split("```").next());
            let block = block.unwrap_or_else(|| panic!("{heading} has no block of JSON"));
            let shape =
                serde_json::from_str(block).unwrap_or_else(|error| panic!("{heading}: {error}"));
            assert!(
                shapes.insert(heading.to_owned(), shape).is_none(),
                "{heading} stands twice"
            );
        }
        Self {
            shapes,
            seen: RefCell::default(),
        }
    }

    /// The headings that are commands.
    pub(super) fn commands(&self) -> impl Iterator<Item = &str> {
        let names = self.shapes.keys().map(String::as_str);
        names.filter(|name| name.starts_with("linkspan "))
    }

    /// Compares a value with the shape below a heading.
    #[track_caller]
    pub(super) fn check(&self, heading: &str, value: &Value) {
        let faults = self.faults(&self.named(heading), value);
        assert!(faults.is_empty(), "{heading}: {faults:#?}\n{value:#}");
    }

    /// The places of the document at which nothing was ever seen: what stands there is not proven.
    pub(super) fn unseen(&self) -> Vec<String> {
        let mut places = Vec::new();
        for name in self.shapes.keys() {
            list(self.named(name), &mut places);
        }
        let seen = self.seen.borrow();
        places.retain(|place| !seen.contains(place));
        places
    }

    fn named(&self, name: &str) -> At<'_> {
        let shape = self.shapes.get(name);
        At {
            shape: shape.unwrap_or_else(|| panic!("docs/json.md has no heading `{name}`")),
            place: name.to_owned(),
        }
    }

    fn faults(&self, at: &At<'_>, value: &Value) -> Vec<String> {
        self.seen.borrow_mut().insert(at.place.clone());
        match (at.shape, value) {
            (Value::String(types), value) => self.of_types(types, at, value),
            (Value::Array(_), Value::Array(values)) => {
                let element = at.element();
                values
                    .iter()
                    .flat_map(|value| self.faults(&element, value))
                    .collect()
            }
            (Value::Object(keys), Value::Object(map)) => self.of_keys(keys, at, map),
            (shape, value) => vec![format!("{}: {value} is not {shape}", at.place)],
        }
    }

    /// Whether a value is of one of several types; if not, what is wrong with the last.
    fn of_types(&self, types: &str, at: &At<'_>, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        for name in types.split('|') {
            let is_it = match name {
                "string" => value.is_string(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                "any" => true,
                shape => {
                    faults = self.faults(&self.named(shape), value);
                    if faults.is_empty() {
                        return faults;
                    }
                    continue;
                }
            };
            if is_it {
                return Vec::new();
            }
            faults = vec![format!("{}: {value} is not {types}", at.place)];
        }
        faults
    }

    fn of_keys(
        &self,
        keys: &Map<String, Value>,
        at: &At<'_>,
        map: &Map<String, Value>,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, value) in map {
            let known = [key.as_str(), &format!("{key}?"), "*"];
            match known.iter().find(|key| keys.contains_key(**key)) {
                Some(known) => faults.extend(self.faults(&at.key(known), value)),
                None => faults.push(format!("{}: {key} is not in the document", at.place)),
            }
        }
        let missing = keys
            .keys()
            .filter(|key| *key != "*" && !key.ends_with('?') && !map.contains_key(*key));
        faults.extend(missing.map(|key| format!("{}: {key} is missing", at.place)));
        faults
    }
}

impl<'s> At<'s> {
    fn element(&self) -> Self {
        At {
            shape: &self.shape[0],
            place: format!("{}[]", self.place),
        }
    }

    fn key(&self, key: &str) -> Self {
        At {
            shape: &self.shape[key],
            place: format!("{}.{key}", self.place),
        }
    }
}

/// The places of a shape and all that is in it.
fn list(at: At<'_>, places: &mut Vec<String>) {
    match at.shape {
        Value::Array(_) => list(at.element(), places),
        Value::Object(keys) => keys.keys().for_each(|key| list(at.key(key), places)),
        _ => {}
    }
    places.push(at.place);
}

#[test]
fn what_is_not_documented_is_a_fault() {
    let shapes = Shapes::read(
        "\n### `A`\n```json\n{ \"a\": [\"B|null\"], \"b?\": \"string\" }\n```\n### `B`\n```json\n{ \"*\": \"integer\" }\n```\n",
    );
    let places = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        shapes.faults(&shapes.named("A"), &value)
    };
    assert_eq!(shapes.unseen(), ["A.a[]", "A.a", "A.b?", "A", "B.*", "B"]);
    for right in [r#"{"a":[]}"#, r#"{"a":[{"x":1},null],"b":""}"#] {
        assert_eq!(places(right), [""; 0]);
    }
    assert_eq!(shapes.unseen(), [""; 0]);
    for wrong in [
        "{}",
        "[]",
        r#"{"a":[],"c":1}"#,
        r#"{"a":[1]}"#,
        r#"{"a":[{"x":1.5}]}"#,
        r#"{"a":[],"b":null}"#,
    ] {
        assert_eq!(places(wrong).len(), 1, "{wrong}");
    }
}
