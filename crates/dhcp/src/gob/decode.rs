//! Reading a stream.

use std::ops::Range;
use std::sync::Arc;

use super::types::{self, Id, Type, Types};
use super::value::Value;
use super::wire::{Reader, message_length};
use super::{GobError, MAX_DEFINITION, MAX_DEPTH, MAX_MESSAGE, MAX_VALUES};

/// One direction of a stream, as it is read.
#[derive(Debug)]
pub struct Decoder {
    types: Types,
    /// What came; as much of it as [`feed`](Self::feed) found read is gone.
    came: Vec<u8>,
    /// How much of that has been read.
    read: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A stream of which nothing has been read.
    pub fn new() -> Self {
        Self {
            types: Types::new(),
            came: Vec::new(),
            read: 0,
        }
    }

    /// Takes what came. No more than a message waits to become whole, as long as [`read`](Self::read) is asked in between.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.came.drain(..self.read);
        self.read = 0;
        self.came.extend_from_slice(bytes);
    }

    /// The next value, once it is there.
    ///
    /// # Errors
    /// When the stream is not gob within the limits; it is then good for nothing more.
    pub fn read(&mut self) -> Result<Option<Value>, GobError> {
        while let Some(message) = self.next_message()? {
            let length = message.len();
            let mut reader = Reader::new(&self.came[message]);
            let id = reader.int()?;
            let defined = id.checked_neg().filter(|defined| *defined > 0);
            if defined.is_some() && length > MAX_DEFINITION {
                return Err(GobError::TooLong(length as u64));
            }
            let value = match defined {
                Some(_) => self.value(types::WIRE_TYPE, &mut reader)?,
                None => self.top(id, &mut reader)?,
            };
            if reader.left() > 0 {
                return Err(GobError::Trailing(reader.left()));
            }
            match defined {
                Some(defined) => self.types.define(defined, &value)?,
                None => return Ok(Some(value)),
            }
        }
        Ok(None)
    }

    /// Where the next message is, if it is whole.
    fn next_message(&mut self) -> Result<Option<Range<usize>>, GobError> {
        let unread = &self.came[self.read..];
        let Some((prefix, stated)) = message_length(unread)? else {
            return Ok(None);
        };
        let length = usize::try_from(stated).ok();
        let Some(length) = length.filter(|length| *length <= MAX_MESSAGE) else {
            return Err(GobError::TooLong(stated));
        };
        if unread.len() - prefix < length {
            return Ok(None);
        }
        let start = self.read + prefix;
        self.read = start + length;
        Ok(Some(start..self.read))
    }

    /// The value of a message: before one that is no struct stands a zero.
    fn top(&self, id: Id, reader: &mut Reader<'_>) -> Result<Value, GobError> {
        let is_struct = matches!(self.types.get(id), Ok(Type::Struct(_)));
        if !is_struct && reader.uint()? != 0 {
            return Err(GobError::Malformed);
        }
        self.value(id, reader)
    }

    fn value(&self, id: Id, reader: &mut Reader<'_>) -> Result<Value, GobError> {
        let mut values = Values {
            types: &self.types,
            left: MAX_VALUES,
        };
        values.value(id, reader, MAX_DEPTH)
    }
}

/// The reading of one message.
struct Values<'a> {
    types: &'a Types,
    /// How many values may still come.
    left: usize,
}

impl Values<'_> {
    /// A value, in which others may be nested so deeply.
    fn value(&mut self, id: Id, from: &mut Reader<'_>, depth: usize) -> Result<Value, GobError> {
        self.left = self.left.checked_sub(1).ok_or(GobError::TooManyValues)?;
        let depth = depth.checked_sub(1).ok_or(GobError::TooDeep)?;
        Ok(match id {
            types::BOOL => Value::Bool(from.uint()? != 0),
            types::INT => Value::Int(from.int()?),
            types::UINT => Value::Uint(from.uint()?),
            types::BYTES => Value::Bytes(from.bytes()?.to_vec()),
            types::STRING => Value::Text(String::from_utf8_lossy(from.bytes()?).into_owned()),
            types::FLOAT => other(from.uint()?),
            types::COMPLEX => other((from.uint()?, from.uint()?)),
            types::INTERFACE => interface(from)?,
            _ => match self.types.get(id)?.clone() {
                Type::List(element) => self.list(element, from, depth)?,
                Type::Map(key, element) => self.map(key, element, from, depth)?,
                Type::Struct(fields) => self.fields(&fields, from, depth)?,
                Type::Opaque => other(from.bytes()?),
            },
        })
    }

    fn list(&mut self, id: Id, from: &mut Reader<'_>, depth: usize) -> Result<Value, GobError> {
        let length = from.length()?;
        let elements = (0..length).map(|_| self.value(id, from, depth));
        elements.collect::<Result<_, _>>().map(Value::List)
    }

    fn map(
        &mut self,
        key: Id,
        element: Id,
        from: &mut Reader<'_>,
        depth: usize,
    ) -> Result<Value, GobError> {
        for _ in 0..from.length()? {
            self.value(key, from, depth)?;
            self.value(element, from, depth)?;
        }
        Ok(Value::Other)
    }

    /// Before each field stands how many it comes after the one before; a zero ends them.
    fn fields(
        &mut self,
        fields: &[(Arc<str>, Id)],
        from: &mut Reader<'_>,
        depth: usize,
    ) -> Result<Value, GobError> {
        let mut values = Vec::new();
        let mut rest = fields.iter();
        loop {
            let Some(skipped) = from.uint()?.checked_sub(1) else {
                return Ok(Value::Fields(values));
            };
            let skipped = usize::try_from(skipped).map_err(|_large| GobError::Malformed)?;
            let (name, id) = rest.nth(skipped).ok_or(GobError::Malformed)?;
            values.push((Arc::clone(name), self.value(*id, from, depth)?));
        }
    }
}

fn other<T>(_: T) -> Value {
    Value::Other
}

/// The name of a type, nothing of it where there is no value; else its number, and the value with its length.
fn interface(from: &mut Reader<'_>) -> Result<Value, GobError> {
    if !from.bytes()?.is_empty() {
        from.int()?;
        from.bytes()?;
    }
    Ok(Value::Other)
}
