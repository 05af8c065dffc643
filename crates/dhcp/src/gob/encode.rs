//! Writing a stream.

use super::types::{self, Id};
use super::value::Value;
use super::wire::{put_bytes, put_int, put_uint};

/// The type of what is sent.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// Bytes.
    Bytes,
    /// Text.
    Text,
    /// Elements of one type; with the name that Go has for it.
    List(&'static str, &'static Shape),
    /// A struct.
    Struct(&'static Struct),
}

/// A struct: what Go calls it, and its fields.
#[derive(Debug)]
pub struct Struct {
    /// Its name, for those who read the stream.
    pub name: &'static str,
    /// Its fields, in their order.
    pub fields: &'static [Field],
}

/// A field: its name, by which the reader finds it, and its type.
#[derive(Clone, Copy, Debug)]
pub struct Field(pub &'static str, pub Shape);

/// One direction of a stream, as it is written.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The types that were defined, by the names under which they were; the first has [`types::FIRST_OF_STREAM`].
    defined: Vec<&'static str>,
}

impl Encoder {
    /// A stream of which nothing has been written.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a value, before it those definitions of types that the stream lacks. Fields that the struct has not are left
    /// out, as is a value of another type than its shape has.
    pub fn write(&mut self, shape: &'static Struct, value: &Value, out: &mut Vec<u8>) {
        let id = self.id(Shape::Struct(shape), out);
        let mut body = Vec::new();
        put_int(&mut body, id);
        put_fields(shape, value, &mut body);
        put_bytes(out, &body);
    }

    /// The number of a type, which is defined on the way if need be.
    fn id(&mut self, shape: Shape, out: &mut Vec<u8>) -> Id {
        let name = match shape {
            Shape::Int => return types::INT,
            Shape::Uint => return types::UINT,
            Shape::Bytes => return types::BYTES,
            Shape::Text => return types::STRING,
            Shape::List(name, _) => name,
            Shape::Struct(shape) => shape.name,
        };
        if let Some(index) = self.defined.iter().position(|known| *known == name) {
            return types::FIRST_OF_STREAM + index as Id;
        }
        let id = types::FIRST_OF_STREAM + self.defined.len() as Id;
        self.defined.push(name);
        let mut inner = Vec::new();
        let mut body = Vec::new();
        put_int(&mut body, -id);
        match shape {
            Shape::List(_, element) => {
                let element = self.id(*element, &mut inner);
                put_part(&mut body, SLICE_PART, name, id);
                put_uint(&mut body, 1);
                put_int(&mut body, element);
            }
            Shape::Struct(shape) => {
                let ids: Vec<_> = shape
                    .fields
                    .iter()
                    .map(|Field(_, shape)| self.id(*shape, &mut inner))
                    .collect();
                put_part(&mut body, STRUCT_PART, name, id);
                put_field_types(&mut body, shape, &ids);
            }
            _ => {}
        }
        // The ends of the part and of the definition.
        body.extend_from_slice(&[0, 0]);
        put_bytes(out, &body);
        out.append(&mut inner);
        id
    }
}

/// The places of these kinds among the parts of a definition.
const SLICE_PART: u64 = 2;
const STRUCT_PART: u64 = 3;

/// Begins the part of a definition that says of what kind a type is, with the type's name and number.
fn put_part(out: &mut Vec<u8>, kind: u64, name: &str, id: Id) {
    put_uint(out, kind);
    put_uint(out, 1);
    put_uint(out, 1);
    put_bytes(out, name.as_bytes());
    put_uint(out, 1);
    put_int(out, id);
    put_uint(out, 0);
}

fn put_field_types(out: &mut Vec<u8>, shape: &Struct, ids: &[Id]) {
    if ids.is_empty() {
        return;
    }
    put_uint(out, 1);
    put_uint(out, ids.len() as u64);
    for (Field(name, _), id) in shape.fields.iter().zip(ids) {
        put_uint(out, 1);
        put_bytes(out, name.as_bytes());
        put_uint(out, 1);
        put_int(out, *id);
        put_uint(out, 0);
    }
}

fn put_fields(shape: &Struct, value: &Value, out: &mut Vec<u8>) {
    let mut last = 0;
    for (place, Field(name, shape)) in (1..).zip(shape.fields) {
        let Some(field) = value.field(name) else {
            continue;
        };
        let mut body = Vec::new();
        if put(*shape, field, &mut body) {
            put_uint(out, place - last);
            out.append(&mut body);
            last = place;
        }
    }
    put_uint(out, 0);
}

/// Writes the value; whether it is of the shape.
fn put(shape: Shape, value: &Value, out: &mut Vec<u8>) -> bool {
    match (shape, value) {
        (Shape::Int, Value::Int(number)) => put_int(out, *number),
        (Shape::Uint, Value::Uint(number)) => put_uint(out, *number),
        (Shape::Bytes, Value::Bytes(bytes)) => put_bytes(out, bytes),
        (Shape::Text, Value::Text(text)) => put_bytes(out, text.as_bytes()),
        (Shape::List(_, element), Value::List(values)) => {
            put_uint(out, values.len() as u64);
            return values.iter().all(|value| put(*element, value, out));
        }
        (Shape::Struct(shape), Value::Fields(_)) => put_fields(shape, value, out),
        _ => return false,
    }
    true
}
