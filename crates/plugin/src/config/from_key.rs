//! The types that a key can have.

use std::fmt::Display;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_spec::{Dns, Error, IfName, MacAddr, Route, decode};
use serde_json::{Map, Value};

use super::{Deferred, Key, Shape};
use crate::Configuration;
use crate::common::{DnsKeys, RouteKeys};

/// Why a value was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is of another type than this one, given in words.
    Type(String),
    /// It is of the right type and cannot be, for this reason.
    Value(String),
    /// It cannot be, and these words are the whole message: scripts know them from elsewhere.
    Whole(String),
    /// What is wrong is a part of it.
    Part(Error),
}

impl Wrong {
    /// The text of a newtype was refused.
    pub fn value(reason: impl Display) -> Self {
        Self::Value(reason.to_string())
    }
}

/// A type that a key can have.
pub trait FromKey: Sized {
    /// The type in words.
    const KIND: &'static str;

    /// What a value consists of.
    const SHAPE: Shape = Shape::One(Self::KIND);

    /// Takes it from JSON.
    ///
    /// # Errors
    /// Why it cannot be.
    fn from_json(json: &Value) -> Result<Self, Wrong>;

    /// The number that a range is compared with.
    fn number(&self) -> Option<i64> {
        None
    }
}

/// How a field of a configuration takes its key.
#[doc(hidden)]
pub trait Field: Sized {
    /// The key's type in words.
    const KIND: &'static str;
    /// What a value of the key consists of.
    const SHAPE: Shape;

    /// The value, else the default, else nothing where that is allowed.
    fn field(key: &Key, object: &Map<String, Value>) -> Result<Self, Error>;

    /// What is wrong with it, at once.
    fn judge_field(key: &Key, object: &Map<String, Value>) -> Result<(), Error> {
        Self::field(key, object).map(drop)
    }
}

impl<T: FromKey> Field for T {
    const KIND: &'static str = T::KIND;
    const SHAPE: Shape = T::SHAPE;

    fn field(key: &Key, object: &Map<String, Value>) -> Result<Self, Error> {
        match key.read(object)? {
            Some(value) => Ok(value),
            None => key.read_default()?.ok_or_else(|| key.missing(object)),
        }
    }
}

impl<T: FromKey> Field for Option<T> {
    const KIND: &'static str = T::KIND;
    const SHAPE: Shape = T::SHAPE;

    fn field(key: &Key, object: &Map<String, Value>) -> Result<Self, Error> {
        key.read(object)
    }
}

impl<T: Field> Field for Deferred<T> {
    const KIND: &'static str = T::KIND;
    const SHAPE: Shape = T::SHAPE;

    fn field(key: &Key, object: &Map<String, Value>) -> Result<Self, Error> {
        Ok(Self(T::field(key, object)))
    }

    fn judge_field(key: &Key, object: &Map<String, Value>) -> Result<(), Error> {
        T::judge_field(key, object)
    }
}

fn wrong_type<T: FromKey>() -> Wrong {
    Wrong::Type(T::KIND.to_owned())
}

impl FromKey for bool {
    const KIND: &'static str = "true or false";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        json.as_bool().ok_or_else(wrong_type::<Self>)
    }
}

impl FromKey for String {
    const KIND: &'static str = "a string";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        json.as_str()
            .map(str::to_owned)
            .ok_or_else(wrong_type::<Self>)
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl FromKey for $number {
            const KIND: &'static str = "a whole number";

            fn from_json(json: &Value) -> Result<Self, Wrong> {
                let number = json.as_i64().ok_or_else(wrong_type::<Self>)?;
                Self::try_from(number).map_err(|_| {
                    Wrong::Value(format!("it must be from {} to {}", Self::MIN, Self::MAX))
                })
            }

            fn number(&self) -> Option<i64> {
                i64::try_from(*self).ok()
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, i32, i64);

impl FromKey for u64 {
    const KIND: &'static str = "a whole number";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        match json.as_u64() {
            Some(number) => Ok(number),
            None if json.is_i64() => Err(Wrong::Value("it must not be negative".to_owned())),
            None => Err(wrong_type::<Self>()),
        }
    }

    fn number(&self) -> Option<i64> {
        i64::try_from(*self).ok()
    }
}

impl FromKey for f64 {
    const KIND: &'static str = "a number";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        let number = json.as_f64().ok_or_else(wrong_type::<Self>)?;
        match number.is_finite() {
            true => Ok(number),
            false => Err(Wrong::Value("it is too large".to_owned())),
        }
    }
}

macro_rules! from_text {
    ($($text:ty: $kind:literal),* $(,)?) => {$(
        impl FromKey for $text {
            const KIND: &'static str = $kind;

            fn from_json(json: &Value) -> Result<Self, Wrong> {
                json.as_str().ok_or_else(wrong_type::<Self>)?.parse().map_err(Wrong::value)
            }
        }
    )*};
}

from_text! {
    IfName: "the name of an interface",
    MacAddr: "a MAC address",
    IpAddr: "an IP address",
}

impl<T: FromKey> FromKey for Vec<T> {
    const KIND: &'static str = "a list";
    const SHAPE: Shape = Shape::Many(&T::SHAPE);

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        let items = json.as_array().ok_or_else(wrong_type::<Self>)?;
        let read = |(index, item): (usize, &Value)| {
            T::from_json(item).map_err(|wrong| match wrong {
                Wrong::Type(expected) => Wrong::Type(format!("{expected} at position {index}")),
                Wrong::Value(why) => Wrong::Value(format!("at position {index}: {why}")),
                Wrong::Whole(words) => Wrong::Whole(words),
                Wrong::Part(part) => {
                    let msg = format!("at position {index}: {}", part.msg);
                    Wrong::Part(part.with_msg(msg))
                }
            })
        };
        items.iter().enumerate().map(read).collect()
    }
}

impl FromKey for Map<String, Value> {
    const KIND: &'static str = "an object";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        json.as_object().cloned().ok_or_else(wrong_type::<Self>)
    }
}

impl FromKey for IpNet {
    const KIND: &'static str = "an IP address with a prefix length";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        let text = json.as_str().ok_or_else(wrong_type::<Self>)?;
        decode::cidr(json).map_err(|_unsaid| Wrong::Whole(format!("invalid CIDR address: {text}")))
    }
}

impl FromKey for Route {
    const KIND: &'static str = "a route with dst and gw";
    const SHAPE: Shape = Shape::Parts(RouteKeys::KEYS);

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        Self::from_json(json).map_err(Wrong::value)
    }
}

impl FromKey for Dns {
    const KIND: &'static str = "an object with nameservers, domain, search and options";
    const SHAPE: Shape = Shape::Parts(DnsKeys::KEYS);

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        Self::from_json(json).map_err(|error| Wrong::Part(error.into()))
    }
}
