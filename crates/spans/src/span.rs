//! What took its time.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::SpanId;

/// Something that took its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Which of its trace it is.
    pub id: SpanId,
    /// The one that it is a part of, perhaps another process's; `None` for all of a trace.
    pub parent: Option<SpanId>,
    /// What was done. There are few names, of which tools make statistics; what it was done to stands in the attributes.
    pub name: Cow<'static, str>,
    /// How it is related to the span around it.
    pub kind: Kind,
    /// When it began: by the host's clock when collecting began, and from then on by the monotonic one.
    pub began: SystemTime,
    /// How long it took, by the monotonic clock.
    pub took: Duration,
    /// What else is to be known.
    pub attributes: Vec<(Cow<'static, str>, Value)>,
    /// What the kernel was asked for meanwhile, but for what was asked in spans inside.
    pub exchanges: Exchanges,
    /// Why it failed.
    pub fault: Option<Fault>,
}

impl Span {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }
}

/// How a span is related to the one around it, as OpenTelemetry has it; the numbers are OTLP's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It is a part of the same work.
    #[default]
    Internal = 1,
    /// It answers to somebody else's [`Client`](Self::Client).
    Server = 2,
    /// It waits for what somebody else does.
    Client = 3,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// A list of texts.
    Texts(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

/// Requests to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchanges {
    /// How many datagrams were sent.
    pub count: u64,
    /// From each send to its last answer, all together.
    pub took: Duration,
}

/// Why a span failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The error's code, where it has one.
    pub code: Option<u32>,
    /// What it says.
    pub message: String,
}
