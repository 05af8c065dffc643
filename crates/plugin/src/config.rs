//! A configuration's keys: declared once, with [`keys!`](crate::keys!), and read from there.

use std::fmt::Display;
use std::ops::RangeInclusive;

use linkspan_spec::{Command, Error, ErrorCode, PluginConfig, key};
use serde_json::{Map, Value};

mod default;
mod from_key;
mod strict;

#[doc(hidden)]
pub use default::declared;
pub use from_key::{Field, FromKey, Wrong};
pub(crate) use strict::look;

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

    /// What is done about keys that are not among [`KEYS`](Self::KEYS).
    const STRICT: Strict = Strict::No;

    /// Says what ADD would refuse: reads also what is otherwise judged when it is asked for ([`Deferred`]). For lint.
    ///
    /// # Errors
    /// Those of ADD's reading.
    fn judge(config: &PluginConfig) -> Result<(), Error> {
        Self::read(config)?;
        judge_strictly::<Self>(config)
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

/// What is done about keys that a plugin does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strict {
    /// Nothing: somebody else may read them.
    No,
    /// ADD tells them on standard error.
    Warn,
    /// ADD, CHECK and STATUS fail. DEL and GC never do, for nothing in a configuration may keep a container from being
    /// detached.
    Deny,
}

/// The configuration of a plugin that has no keys of its own.
pub struct NoKeys;

impl Configuration for NoKeys {
    const KEYS: &'static [Key] = &[];

    fn read(_: &PluginConfig) -> Result<Self, Error> {
        Ok(Self)
    }
}

/// A configuration that is judged when it is asked for, or the value of one key in [`keys!`](crate::keys!).
///
/// For plugins that need little or nothing of it to detach: a DEL that fails because of a value that
/// only ADD reads would be called again and again, and the container would never be gone.
///
/// ```
/// use linkspan_plugin::{Configuration, config::Deferred, spec::PluginConfig};
///
/// linkspan_plugin::keys! {
///     /// The configuration of a sample.
///     pub struct Config {
///         /// How many there may be; DEL does not ask.
///         "most" => most: Deferred<u8>, read by [Add];
///     }
/// }
/// let wrong = PluginConfig::parse(br#"{ "most": "many" }"#)?;
/// let config = Config::read(&wrong)?;
/// assert_eq!(config.most.get().expect_err("no number").msg, r#"invalid "most": expected a whole number, found "many""#);
/// // Lint and `linkspan explain` ask at once.
/// assert!(Config::judge(&wrong).is_err());
/// # Ok::<(), linkspan_plugin::spec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Deferred<C>(Result<C, Error>);

impl<C> Deferred<C> {
    /// The configuration, or the value.
    ///
    /// # Errors
    /// Why it cannot be, as [`Configuration::read`] tells it.
    pub fn get(&self) -> Result<&C, Error> {
        self.0.as_ref().map_err(Clone::clone)
    }
}

impl<C: Configuration> Configuration for Deferred<C> {
    const KEYS: &'static [Key] = C::KEYS;
    const STRICT: Strict = C::STRICT;

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
    T::judge_field(key, object)
}

/// [`Configuration::judge`] of a configuration that is its keys and nothing else.
///
/// # Errors
/// As there.
#[doc(hidden)]
pub fn judge_keys<C: Configuration>(config: &PluginConfig) -> Result<(), Error> {
    let mut keys = C::KEYS.iter();
    keys.try_for_each(|key| (key.judge)(key, config.as_map()))?;
    judge_strictly::<C>(config)
}

/// Refuses keys that are not declared, where that is wanted.
fn judge_strictly<C: Configuration>(config: &PluginConfig) -> Result<(), Error> {
    match C::STRICT {
        Strict::Deny => strict::refuse(C::KEYS, config.as_map()),
        Strict::No | Strict::Warn => Ok(()),
    }
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
            (!(least..=most).contains(&number)).then(|| self.outside(json, &number))
        };
        let outside_as_float = |number: f64| {
            let (least, most) = self.range?;
            let is_inside = number >= least as f64 && number <= most as f64;
            (!is_inside).then(|| self.outside(json, &number))
        };
        // Before the type's own range, which says nothing to the author of a configuration.
        let error = match json {
            Value::Number(number) if number.is_f64() => number.as_f64().and_then(outside_as_float),
            _ => json.as_i64().and_then(outside),
        };
        if let Some(error) = error {
            return Err(error);
        }
        let value = T::from_json(json).map_err(|wrong| self.invalid(json, &wrong))?;
        value.number().and_then(outside).map_or(Ok(value), Err)
    }

    fn outside(&self, json: &Value, number: &dyn Display) -> Error {
        let (least, most) = self.range.unwrap_or((i64::MIN, i64::MAX));
        let wrong = match self.outside {
            Some(words) => Wrong::Whole(words.replace("{}", &number.to_string())),
            None => Wrong::Value(format!("it must be from {least} to {most}")),
        };
        self.invalid(json, &wrong)
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
