//! Gob, in which Go's programs hand each other values (<https://pkg.go.dev/encoding/gob>): as much of it as an RPC needs.
//!
//! A stream describes its own types: before the first value of a type comes the type's definition, under a number that
//! holds for this stream alone. So [`Decoder`] reads whatever types a peer has, of whichever release it is, into
//! [`Value`]s, in which the reader finds fields by their names; [`Encoder`] writes values of the few [`Shape`]s that we
//! send.
//!
//! No I/O happens here, and everything that is read has a limit: the bytes of a message, the types of a stream, the
//! elements of a value, the depth of their nesting.

mod decode;
mod encode;
mod types;
mod value;
mod wire;

pub use decode::Decoder;
pub use encode::{Encoder, Field, Shape, Struct};
pub use value::Value;

/// The most bytes in one message: the largest [configuration](linkspan_spec::MAX_INPUT), and variables beside it.
pub const MAX_MESSAGE: usize = linkspan_spec::MAX_INPUT + (256 << 10);

/// The most bytes in the definition of a type.
pub const MAX_DEFINITION: usize = 64 << 10;

/// The most values in one message, each that is nested in another counted; a text is one, and so are bytes.
pub const MAX_VALUES: usize = 1 << 16;

/// The most types that one stream may define.
pub const MAX_TYPES: usize = 256;

/// How deeply values may be nested.
pub const MAX_DEPTH: usize = 32;

/// Why a stream was not understood. Nothing that comes after it can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GobError {
    /// A message says that it is longer than is read.
    #[error(
        "a message of {0} bytes; at most {MAX_MESSAGE} are read, {MAX_DEFINITION} where it defines a type"
    )]
    TooLong(u64),
    /// A message ends within a value, or a number is none.
    #[error("a message is cut off, or no gob")]
    Malformed,
    /// Bytes follow the value of a message.
    #[error("{0} bytes follow the value of a message")]
    Trailing(usize),
    /// A value has a type that was not defined before.
    #[error("a value of the type {0}, which has not been defined")]
    UnknownType(i64),
    /// A type is defined twice, or is none that could be.
    #[error("the definition of the type {0} is wrong or comes twice")]
    BadType(i64),
    /// More types than are kept.
    #[error("more than {MAX_TYPES} types")]
    TooManyTypes,
    /// A message holds more values than are read.
    #[error("a message of more than {MAX_VALUES} values")]
    TooManyValues,
    /// Values are nested more deeply than is followed.
    #[error("values nested more than {MAX_DEPTH} times")]
    TooDeep,
}

#[cfg(test)]
mod tests;
