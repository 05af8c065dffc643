//! The types of a stream.

use std::collections::HashMap;
use std::sync::Arc;

use super::value::Value;
use super::{GobError, MAX_TYPES};

/// The number of a type in a stream.
pub(super) type Id = i64;

pub(super) const BOOL: Id = 1;
pub(super) const INT: Id = 2;
pub(super) const UINT: Id = 3;
pub(super) const FLOAT: Id = 4;
pub(super) const BYTES: Id = 5;
pub(super) const STRING: Id = 6;
pub(super) const COMPLEX: Id = 7;
pub(super) const INTERFACE: Id = 8;
/// The type of definitions.
pub(super) const WIRE_TYPE: Id = 16;
/// The first number that a stream may define.
pub(super) const FIRST_OF_STREAM: Id = 64;

// Go numbers the parts of a definition so, but for the last, which has no number that anybody sees.
const ARRAY_TYPE: Id = 17;
const COMMON_TYPE: Id = 18;
const SLICE_TYPE: Id = 19;
const STRUCT_TYPE: Id = 20;
const FIELD_TYPE: Id = 21;
const FIELD_TYPES: Id = 22;
const MAP_TYPE: Id = 23;
const ENCODER_TYPE: Id = 24;

/// What the values of a type look like.
#[derive(Clone, Debug)]
pub(super) enum Type {
    /// As many elements as the value says, of this type.
    List(Id),
    /// Pairs.
    Map(Id, Id),
    /// Fields: name and type.
    Struct(Arc<[(Arc<str>, Id)]>),
    /// Bytes that mean something to those who wrote them.
    Opaque,
}

/// The types that a stream has defined, and those in which definitions come.
#[derive(Debug)]
pub(super) struct Types {
    known: HashMap<Id, Type>,
    defined: usize,
}

impl Types {
    pub(super) fn new() -> Self {
        let fields = |fields: &[(&str, Id)]| {
            let named = fields.iter().map(|(name, id)| (Arc::from(*name), *id));
            Type::Struct(named.collect())
        };
        let common = ("CommonType", COMMON_TYPE);
        let definition = [
            ("ArrayT", ARRAY_TYPE),
            ("SliceT", SLICE_TYPE),
            ("StructT", STRUCT_TYPE),
            ("MapT", MAP_TYPE),
            ("GobEncoderT", ENCODER_TYPE),
            ("BinaryMarshalerT", ENCODER_TYPE),
            ("TextMarshalerT", ENCODER_TYPE),
        ];
        let known = HashMap::from([
            (WIRE_TYPE, fields(&definition)),
            (ARRAY_TYPE, fields(&[common, ("Elem", INT), ("Len", INT)])),
            (COMMON_TYPE, fields(&[("Name", STRING), ("Id", INT)])),
            (SLICE_TYPE, fields(&[common, ("Elem", INT)])),
            (STRUCT_TYPE, fields(&[common, ("Field", FIELD_TYPES)])),
            (FIELD_TYPE, fields(&[("Name", STRING), ("Id", INT)])),
            (FIELD_TYPES, Type::List(FIELD_TYPE)),
            (MAP_TYPE, fields(&[common, ("Key", INT), ("Elem", INT)])),
            (ENCODER_TYPE, fields(&[common])),
        ]);
        Self { known, defined: 0 }
    }

    pub(super) fn get(&self, id: Id) -> Result<&Type, GobError> {
        self.known.get(&id).ok_or(GobError::UnknownType(id))
    }

    /// Takes a definition, a value of [`WIRE_TYPE`].
    pub(super) fn define(&mut self, id: Id, definition: &Value) -> Result<(), GobError> {
        if id < FIRST_OF_STREAM || self.known.contains_key(&id) {
            return Err(GobError::BadType(id));
        }
        if self.defined >= MAX_TYPES {
            return Err(GobError::TooManyTypes);
        }
        let defined = read(definition).ok_or(GobError::BadType(id))?;
        self.known.insert(id, defined);
        self.defined += 1;
        Ok(())
    }
}

/// A definition has one part, which says of what kind the type is.
fn read(definition: &Value) -> Option<Type> {
    let Value::Fields(parts) = definition else {
        return None;
    };
    let [(kind, part)] = parts.as_slice() else {
        return None;
    };
    Some(match &**kind {
        "ArrayT" | "SliceT" => Type::List(part.number("Elem")?),
        "MapT" => Type::Map(part.number("Key")?, part.number("Elem")?),
        "StructT" => Type::Struct(
            part.list("Field")
                .iter()
                .map(|field| Some((Arc::from(field.text("Name")), field.number("Id")?)))
                .collect::<Option<_>>()?,
        ),
        _ => Type::Opaque,
    })
}
