//! Values of any type.

use std::sync::Arc;

use super::encode::{Field, Struct};

/// A value. What a struct does not say is zero: a field that is not there is as one that is empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A signed number of any size.
    Int(i64),
    /// An unsigned number of any size.
    Uint(u64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text; what is no UTF-8 in it is replaced.
    Text(String),
    /// The elements of an array or a slice.
    List(Vec<Value>),
    /// The fields of a struct that are not zero, with their names, in their order.
    Fields(Vec<(Arc<str>, Value)>),
    /// Something else, which nothing here wants to know: a map, a floating-point number, what has an encoding of its own.
    Other,
}

impl Value {
    /// The struct of these fields, of which those that are `None` are zero.
    pub fn of<const N: usize>(shape: &Struct, values: [Option<Self>; N]) -> Self {
        let named = shape.fields.iter().zip(values);
        let given = named.filter_map(|(Field(name, _), value)| Some((Arc::from(*name), value?)));
        Self::Fields(given.collect())
    }

    /// The field of this name, if it is not zero.
    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Fields(fields) = self else {
            return None;
        };
        let found = fields.iter().find(|(known, _)| &**known == name);
        found.map(|(_, value)| value)
    }

    /// The text of the field of this name.
    pub fn text(&self, name: &str) -> &str {
        match self.field(name) {
            Some(Self::Text(text)) => text,
            _ => "",
        }
    }

    /// The bytes of the field of this name.
    pub fn bytes(&self, name: &str) -> &[u8] {
        match self.field(name) {
            Some(Self::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    /// The number in the field of this name, unless it is zero or too large.
    pub fn number<T: TryFrom<i64> + TryFrom<u64>>(&self, name: &str) -> Option<T> {
        match *self.field(name)? {
            Self::Int(number) => number.try_into().ok(),
            Self::Uint(number) => number.try_into().ok(),
            _ => None,
        }
    }

    /// The elements of the field of this name.
    pub fn list(&self, name: &str) -> &[Self] {
        match self.field(name) {
            Some(Self::List(elements)) => elements,
            _ => &[],
        }
    }
}
