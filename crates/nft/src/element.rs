//! Elements of sets and maps.

use std::fmt;
use std::time::Duration;

use linkspan_netlink::{Attribute, AttributeWriter, Attributes, Message};

use crate::family::HEADER_LEN;
use crate::set::{Data, Set, milliseconds};
use crate::uapi::{self, data, elem};
use crate::userdata;
use crate::value::Key;
use crate::verdict::Verdict;

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The key, or the first of a range of keys.
    pub key: Key,
    /// The last key of the range, itself included; only in sets with intervals.
    pub key_end: Option<Key>,
    /// What a map leads to.
    pub target: Option<Target>,
    /// Shown by `nft list`; at most [`MAX_COMMENT`](crate::MAX_COMMENT) bytes.
    pub comment: Option<String>,
    /// How long it lives, in sets with timeouts.
    pub timeout: Option<Duration>,
}

/// What an element of a map leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A value, or several concatenated.
    Values(Key),
    /// A verdict.
    Verdict(Verdict),
}

impl Element {
    /// An element of a plain set.
    pub fn new(key: impl Into<Key>) -> Self {
        Self {
            key: key.into(),
            key_end: None,
            target: None,
            comment: None,
            timeout: None,
        }
    }

    /// An element of a set with intervals, from `first` to `last` in every field.
    pub fn range(first: impl Into<Key>, last: impl Into<Key>) -> Self {
        let mut element = Self::new(first);
        element.key_end = Some(last.into());
        element
    }

    /// Leading to these values.
    #[must_use]
    pub fn to_values(mut self, values: impl Into<Key>) -> Self {
        self.target = Some(Target::Values(values.into()));
        self
    }

    /// Leading to this verdict.
    #[must_use]
    pub fn to_verdict(mut self, verdict: Verdict) -> Self {
        self.target = Some(Target::Verdict(verdict));
        self
    }

    /// With this comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Vanishing after this time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Writes what names it, and unless `only_key` all that belongs to it.
    pub(crate) fn write(&self, list: &mut AttributeWriter, only_key: bool) {
        list.nest(uapi::LIST_ELEM, |element| {
            element.nest(elem::KEY, |key| {
                key.bytes(data::VALUE, &self.key.to_bytes());
            });
            if let Some(end) = self.concatenated_end() {
                element.nest(elem::KEY_END, |key| {
                    key.bytes(data::VALUE, &end.to_bytes());
                });
            }
            if !only_key {
                self.write_rest(element);
            }
        });
        if let Some(end) = self.exclusive_end() {
            list.nest(uapi::LIST_ELEM, |element| {
                element
                    .nest(elem::KEY, |key| {
                        key.bytes(data::VALUE, &end);
                    })
                    .be32(elem::FLAGS, elem::F_INTERVAL_END);
            });
        }
    }

    fn write_rest(&self, element: &mut AttributeWriter) {
        match &self.target {
            None => {}
            Some(Target::Values(values)) => {
                element.nest(elem::DATA, |to| {
                    to.bytes(data::VALUE, &values.to_bytes());
                });
            }
            Some(Target::Verdict(verdict)) => {
                element.nest(elem::DATA, |to| verdict.write(to));
            }
        }
        if let Some(timeout) = self.timeout {
            element.be64(elem::TIMEOUT, milliseconds(timeout));
        }
        if let Some(comment) = &self.comment {
            element.bytes(elem::USERDATA, &userdata::comment(comment));
        }
    }

    /// The end of a range of concatenations: an attribute of the element.
    fn concatenated_end(&self) -> Option<&Key> {
        self.key_end
            .as_ref()
            .filter(|_| self.key.values().len() > 1)
    }

    /// The end of a range of single values: an element of its own, one past the last. A range up to
    /// the greatest value has none.
    fn exclusive_end(&self) -> Option<Vec<u8>> {
        match self.key_end.as_ref()?.values() {
            [last] => last.successor(),
            _ => None,
        }
    }

    /// An upper bound of the bytes that [`write`](Self::write) produces.
    pub(crate) fn encoded_len_bound(&self) -> usize {
        let key = 20 * self.key.values().len() + 16;
        let target = match &self.target {
            None => 0,
            Some(Target::Values(values)) => 20 * values.values().len() + 16,
            Some(Target::Verdict(verdict)) => 32 + verdict.chain().map_or(0, str::len),
        };
        2 * key + target + 64 + userdata::MAX_COMMENT
    }

    /// Reads an answer to [`Query::elements`](crate::Query::elements) or
    /// [`Query::element`](crate::Query::element) about `set`. Ends of intervals, which the kernel counts
    /// as elements, are left out, and so is what does not have the set's types.
    pub fn decode_all(message: &Message<'_>, set: &Set) -> Vec<Self> {
        if message.kind != uapi::message(uapi::msg::NEWSETELEM) {
            return Vec::new();
        }
        Attributes::new(message.attributes(HEADER_LEN))
            .get(elem::LIST_ELEMENTS)
            .into_iter()
            .flat_map(|list| list.nested())
            .filter_map(|element| Self::decode(&element, set))
            .collect()
    }

    fn decode(element: &Attribute<'_>, set: &Set) -> Option<Self> {
        let attributes = element.nested();
        let flags = attributes
            .get(elem::FLAGS)
            .and_then(|flags| flags.as_be32());
        if flags.unwrap_or_default() & elem::F_INTERVAL_END != 0 {
            return None;
        }
        let key = |kind| {
            let value = attributes.get(kind)?.nested().get(data::VALUE)?;
            Key::decode(value.payload, &set.key)
        };
        Some(Self {
            key: key(elem::KEY)?,
            key_end: key(elem::KEY_END),
            target: attributes
                .get(elem::DATA)
                .and_then(|to| decode_target(&to, set)),
            comment: attributes
                .get(elem::USERDATA)
                .and_then(|userdata| userdata::read_comment(userdata.payload)),
            timeout: attributes
                .get(elem::TIMEOUT)
                .and_then(|timeout| timeout.as_be64())
                .map(Duration::from_millis),
        })
    }
}

fn decode_target(attribute: &Attribute<'_>, set: &Set) -> Option<Target> {
    let attributes = attribute.nested();
    match set.data.as_ref()? {
        Data::Values(fields) => {
            let value = attributes.get(data::VALUE)?;
            Key::decode(value.payload, fields).map(Target::Values)
        }
        Data::Verdict => {
            let verdict = attributes.get(data::VERDICT)?;
            Verdict::decode(&verdict).map(Target::Verdict)
        }
    }
}

/// As in a list of `nft`, without comment and timeout.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)?;
        if let Some(end) = &self.key_end {
            write!(f, "-{end}")?;
        }
        match &self.target {
            None => Ok(()),
            Some(Target::Values(values)) => write!(f, " : {values}"),
            Some(Target::Verdict(verdict)) => write!(f, " : {verdict}"),
        }
    }
}
