//! A configuration's keys: declared once, with [`keys!`](crate::keys!), and read from there.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use linkspan_spec::{
    Command, Dns, Error, ErrorCode, IfName, MacAddr, PluginConfig, Route, decode, key,
};
use serde_json::{Map, Value};

use crate::common::{DnsKeys, RouteKeys};

/// A type that is read from a plugin's configuration.
///
/// Usually implemented by [`keys!`](crate::keys!). A plugin whose keys depend on each other wraps that
/// type in one of its own that cannot hold an invalid combination, and implements this by hand.
pub trait Configuration: Sized {
    /// Every key that is read.
    const KEYS: &'static [Key];

    /// Reads it, proving every invariant.
    ///
    /// # Errors
    /// [`ErrorCode::DECODING_FAILURE`] for a value of the wrong type,
    /// [`ErrorCode::INVALID_NETWORK_CONFIG`] for one that cannot be.
    fn read(config: &PluginConfig) -> Result<Self, Error>;

    /// Says what ADD would refuse: reads also what is otherwise judged when it is asked for ([`Deferred`]). For lint.
    ///
    /// # Errors
    /// Those of ADD's reading.
    fn judge(config: &PluginConfig) -> Result<(), Error> {
        Self::read(config).map(drop)
    }
}

/// The keys of a configuration that is read in two parts, the first of which has one key alone; for
/// [`Configuration::KEYS`].
///
/// # Panics
/// Where it is compiled, when `N` is not how many that makes.
pub const fn joined<const N: usize>(one: &[Key], others: &[Key]) -> [Key; N] {
    let mut all = [one[0]; N];
    let mut index = 0;
    while index < others.len() {
        all[1 + index] = others[index];
        index += 1;
    }
    all
}

/// The configuration of a plugin that has no keys of its own.
pub struct NoKeys;

impl Configuration for NoKeys {
    const KEYS: &'static [Key] = &[];

    fn read(_: &PluginConfig) -> Result<Self, Error> {
        Ok(Self)
    }
}

/// A configuration that is judged when it is asked for.
///
/// For plugins that need little or nothing of it to detach: a DEL that fails because of a value that
/// only ADD reads would be called again and again, and the container would never be gone.
#[derive(Clone, Debug)]
pub struct Deferred<C>(Result<C, Error>);

impl<C> Deferred<C> {
    /// The configuration.
    ///
    /// # Errors
    /// Those of its [`Configuration::read`].
    pub fn get(&self) -> Result<&C, Error> {
        self.0.as_ref().map_err(Clone::clone)
    }
}

impl<C: Configuration> Configuration for Deferred<C> {
    const KEYS: &'static [Key] = C::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        Ok(Self(C::read(config)))
    }

    fn judge(config: &PluginConfig) -> Result<(), Error> {
        C::judge(config)
    }
}

/// One declared key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its path from the top of the plugin's configuration, separated by dots.
    pub name: &'static str,
    /// Its type in words: `a string`, `a whole number`, ….
    pub kind: &'static str,
    /// What a value of it consists of.
    pub shape: Shape,
    /// Its default as it would stand in a configuration; `None`: nothing happens without it.
    pub default: Option<&'static str>,
    /// The unit of a number.
    pub unit: Option<&'static str>,
    /// The smallest and the largest number.
    pub range: Option<(i64, i64)>,
    /// The words for a number outside of it, in which `{}` is the number; `None`: those of all keys.
    pub outside: Option<&'static str>,
    /// What it means, line by line.
    pub meaning: &'static [&'static str],
    /// The commands that read it.
    pub commands: &'static [Command],
    /// Reads it from an object as the plugin does, and says what is wrong with it.
    pub judge: Judge,
}

/// How a key is read by itself; see [`Key::judge`].
pub type Judge = fn(&Key, &Map<String, Value>) -> Result<(), Error>;

/// The [`Judge`] of a key of this type.
///
/// # Errors
/// As [`Configuration::read`].
#[doc(hidden)]
pub fn judge<T: Field>(key: &Key, object: &Map<String, Value>) -> Result<(), Error> {
    T::field(key, object).map(drop)
}

/// What a value consists of, for those who look into it: lint and documentation.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A value of this type, given in words, without parts that are declared.
    One(&'static str),
    /// A list of such values.
    Many(&'static Shape),
    /// An object of these keys, whose names begin inside it.
    Parts(&'static [Key]),
}

impl Key {
    /// The value in `config`, when there is one; `null` is none, as in the reference.
    ///
    /// Names are found as Go's JSON finds them: to the letter, else without regard to case.
    pub fn find<'a>(&self, config: &'a Map<String, Value>) -> Option<&'a Value> {
        let mut names = self.name.split('.');
        let mut value = key(config, names.next()?)?;
        for name in names {
            value = key(value.as_object()?, name)?;
        }
        Some(value).filter(|value| !value.is_null())
    }

    /// Reads the value, if there is one.
    ///
    /// # Errors
    /// As [`Configuration::read`].
    pub fn read<T: FromKey>(&self, config: &Map<String, Value>) -> Result<Option<T>, Error> {
        self.find(config).map(|json| self.take(json)).transpose()
    }

    /// The declared default, if there is one. It is written as JSON, so that documentation shows it as
    /// it would stand in a configuration.
    fn read_default<T: FromKey>(&self) -> Result<Option<T>, Error> {
        let Some(text) = self.default else {
            return Ok(None);
        };
        self.take(&serde_json::from_str(text).unwrap_or_default())
            .map(Some)
    }

    fn take<T: FromKey>(&self, json: &Value) -> Result<T, Error> {
        let outside = |number: i64| {
            let (least, most) = self.range?;
            let wrong = match self.outside {
                Some(words) => Wrong::Whole(words.replace("{}", &number.to_string())),
                None => Wrong::Value(format!("it must be from {least} to {most}")),
            };
            (!(least..=most).contains(&number)).then(|| self.invalid(json, &wrong))
        };
        // Before the type's own range, which says nothing to the author of a configuration.
        if let Some(error) = json.as_i64().and_then(outside) {
            return Err(error);
        }
        let value = T::from_json(json).map_err(|wrong| self.invalid(json, &wrong))?;
        value.number().and_then(outside).map_or(Ok(value), Err)
    }

    fn invalid(&self, json: &Value, wrong: &Wrong) -> Error {
        let Self { name, .. } = self;
        let found = excerpt(json);
        let error = match wrong {
            Wrong::Type(expected) => Error::new(
                ErrorCode::DECODING_FAILURE,
                format!("invalid {name:?}: expected {expected}, found {found}"),
            ),
            Wrong::Value(why) => Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                format!("invalid {name:?} {found}: {why}"),
            ),
            Wrong::Whole(words) => Error::new(ErrorCode::INVALID_NETWORK_CONFIG, words.as_str()),
            Wrong::Part(part) => Error::new(part.code, format!("invalid {name:?} {found}: {part}")),
        };
        let unit = self
            .unit
            .map(|unit| format!(" (in {unit})"))
            .unwrap_or_default();
        let meaning = self.meaning_in_one_line();
        error.with_details(match wrong {
            Wrong::Whole(_) => format!("{name:?} is {found}; {name}{unit}: {meaning}"),
            _ => format!("{name}{unit}: {meaning}"),
        })
    }

    fn meaning_in_one_line(&self) -> String {
        let lines: Vec<&str> = self.meaning.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }

    /// The error for a key that is not there and has no default.
    pub fn missing(&self, config: &Map<String, Value>) -> Error {
        let similar = config
            .keys()
            .find(|name| distance(name, self.name) <= 2)
            .map(|name| format!("; did you mean it by {name:?}?"))
            .unwrap_or_default();
        Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!(
                "missing {:?} in the network configuration{similar}",
                self.name
            ),
        )
        .with_details(format!("{}: {}", self.name, self.meaning_in_one_line()))
    }
}

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

/// The bounds of a declared range, for [`Key::range`].
#[doc(hidden)]
pub const fn bounds(range: &RangeInclusive<i64>) -> (i64, i64) {
    (*range.start(), *range.end())
}

/// A value as it is quoted in a message: not longer than a line.
fn excerpt(json: &Value) -> String {
    let text = json.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// How many letters must be changed to turn one name into the other, case aside (Levenshtein).
pub fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, letter) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
