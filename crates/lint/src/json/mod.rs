//! JSON as it stands in a text: every key and value with its place, keys that are there twice included.

mod fault;
mod mend;
mod template;

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use linkspan_plugin::serde_json::{Map, Number, Value as Json};
use linkspan_spec::decode::{self, DecodeError};

pub use fault::Fault;

use crate::source::Span;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it is, quotes and brackets included.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, which is as good as no value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// An object.
    Object(Vec<Member>),
    /// What a template leaves to whoever fills it in: nothing is known of it.
    Unknown,
}

/// A key of an object with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The key.
    pub key: String,
    /// Where the key is, quotes included.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl Member {
    /// Whether it holds words for people, or is what others hang on to a configuration.
    pub fn is_aside(&self) -> bool {
        let key = self.key.as_str();
        key.starts_with(['_', '$', '#', '/'])
            || key.contains('/')
            || ["comment", "description", "documentation"]
                .iter()
                .any(|word| key.eq_ignore_ascii_case(word))
    }

    /// Key and value.
    pub fn span(&self) -> Span {
        Span::new(self.key_span.start, self.node.span.end)
    }
}

impl Node {
    /// The members of an object; none of anything else.
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// What a key of an object has, as plugins find it: the last of the very key, otherwise the last that differs only in the
    /// case of its letters. A `null` is none.
    pub fn member(&self, key: &str) -> Option<&Member> {
        let members = || self.members().iter().rev();
        let found = members()
            .find(|member| member.key == key)
            .or_else(|| members().find(|member| member.key.eq_ignore_ascii_case(key)));
        found.filter(|member| member.node.value != Value::Null)
    }

    /// The value of a key; see [`member`](Self::member).
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.member(key).map(|member| &member.node)
    }

    /// The member at a path such as `ipam.ranges[0][1].subnet`. Of one that leads to an item of a list, the item is
    /// [`at`](Self::at).
    pub fn member_at(&self, path: &str) -> Option<&Member> {
        let (parent, key) = match path.rsplit_once('.') {
            Some((parent, key)) => (self.at(parent)?, key),
            None => (self, path),
        };
        parent.member(key)
    }

    /// The value at a path such as `ipam.ranges[0][1].subnet`; at an empty one, this.
    pub fn at(&self, path: &str) -> Option<&Node> {
        let mut node = self;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let (key, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
            if !key.is_empty() {
                node = node.get(key)?;
            }
            for index in indexes.split(['[', ']']).filter(|index| !index.is_empty()) {
                node = node.items().get(index.parse::<usize>().ok()?)?;
            }
        }
        Some(node)
    }

    /// Whether anything in it is left to whoever fills in the template.
    pub fn has_unknown(&self) -> bool {
        match &self.value {
            Value::Unknown => true,
            Value::List(items) => items.iter().any(Self::has_unknown),
            Value::Object(members) => members.iter().any(|member| member.node.has_unknown()),
            _ => false,
        }
    }

    /// The value as plugins get it, without what is not known.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null | Value::Unknown => Json::Null,
            Value::Bool(switch) => Json::Bool(*switch),
            Value::Number(number) => Json::Number(number.clone()),
            Value::String(text) => Json::String(text.clone()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Object(_) => Json::Object(self.to_map()),
        }
    }

    /// The object as plugins get it; an empty one of anything else.
    pub fn to_map(&self) -> Map<String, Json> {
        let members = self.members().iter();
        let known = members.filter(|member| member.node.value != Value::Unknown);
        known
            .map(|member| (member.key.clone(), member.node.to_json()))
            .collect()
    }

    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
            Value::Unknown => "a placeholder",
        }
    }

    /// Moves every place in it.
    pub(crate) fn relocate(&mut self, place: &impl Fn(Span) -> Span) {
        self.span = place(self.span);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.relocate(place)),
            Value::Object(members) => members.iter_mut().for_each(|member| {
                member.key_span = place(member.key_span);
                member.node.relocate(place);
            }),
            _ => {}
        }
    }

    fn of(value: &ast::Value<'_>) -> Self {
        let span = span(value.range());
        let value = match value {
            ast::Value::StringLit(text) => Value::String(text.value.to_string()),
            ast::Value::NumberLit(number) => {
                number.value.parse().map_or(Value::Null, Value::Number)
            }
            ast::Value::BooleanLit(switch) => Value::Bool(switch.value),
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::Array(list) => Value::List(list.elements.iter().map(Self::of).collect()),
            ast::Value::Object(object) => {
                Value::Object(object.properties.iter().map(Member::of).collect())
            }
        };
        Self { span, value }
    }
}

impl Member {
    fn of(property: &ast::ObjectProp<'_>) -> Self {
        Self {
            key: property.name.as_str().to_owned(),
            key_span: span(property.name.range()),
            node: Node::of(&property.value),
        }
    }
}

fn span(range: Range) -> Span {
    Span::new(range.start, range.end)
}

/// What a text holds.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The value; also of a text that is not JSON, where what is meant is certain.
    pub root: Option<Node>,
    /// Where the text is not JSON.
    pub faults: Vec<Fault>,
}

/// How a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As plugins read it.
    Exact,
    /// As a template: placeholders stand for values that nobody knows yet.
    Template,
}

/// Reads JSON. What is refused is what plugins refuse, told by as many faults as are certain to be meant otherwise.
pub fn parse(text: &str, reading: Reading) -> Parsed {
    let original = text;
    let (mut text, unknown) = match reading {
        Reading::Exact => (text.to_owned(), Vec::new()),
        Reading::Template => template::filled(text),
    };
    let mut faults = Vec::new();
    let root = loop {
        let refusal = match decode::value(text.as_bytes()) {
            Ok(_) => break tree(&text),
            Err(refusal) => refusal,
        };
        let fault = fault::find(&text, &refusal);
        let mended = mend::mend(&text, &fault).filter(|_| faults.len() < MAX_FAULTS);
        faults.push(fault);
        match mended {
            Some(mended) => text = mended,
            None => break None,
        }
    };
    let is_program = |span: &Span| original[span.range()].starts_with("{{");
    if !faults.is_empty() && unknown.iter().any(is_program) {
        // What a template of Helm becomes cannot be told.
        return Parsed::default();
    }
    let root = root.map(|mut root| {
        template::forget(&mut root, &unknown);
        root
    });
    Parsed { root, faults }
}

/// As many faults as are told of one text.
const MAX_FAULTS: usize = 20;

fn tree(text: &str) -> Option<Node> {
    let parsed = jsonc_parser::parse_to_ast(text, &Default::default(), &STRICT);
    parsed.ok()?.value.as_ref().map(Node::of)
}

/// JSON, and nothing that others allow beside it.
const STRICT: jsonc_parser::ParseOptions = jsonc_parser::ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The words of a refusal, without a place.
fn words(refusal: &DecodeError) -> String {
    match refusal {
        DecodeError::Syntax { reason } => {
            let words = reason.split(" at line ").next();
            words.unwrap_or(reason).to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
