//! The macro that declares a configuration.

/// Declares a configuration: each key once, with name, type, meaning, unit, range, default and the
/// commands that read it. Parsing, error messages, lint and the reference documentation come from it.
///
/// Of each key stand there, in this order and separated by commas, what is in parentheses only where it is wanted:
///
/// | | |
/// |---|---|
/// | `/// …` | what it means, in messages too |
/// | `"key" => field: Type` | its path from the top, by dots (`"ipam.range"`), and the field. `Option<T>` is absent without the key, [`Deferred<T>`](crate::config::Deferred) is judged when it is asked for |
/// | (`default = …`) | the value without the key, as in JSON: `5`, `"eth0"`, `["a"]`, `{ "k": 1 }`; what is no JSON does not compile. Without it, and not an `Option`, the key is required |
/// | (`unit = "…"`) | the unit of a number |
/// | (`range = 1..=9`) | the whole numbers between which a number must be |
/// | (`outside = "…"`) | the words for a number outside of its range, in which `{}` is the number: of an error that scripts know from elsewhere |
/// | `read by [Add, Check]` | the commands that read it, then `;` |
///
/// A key that nobody declared is left alone, as other readers of a configuration may have keys. Behind the name of the struct
/// `, strict = warn` has such a key told on standard error on ADD, and `, strict = deny` has ADD, CHECK and STATUS fail; DEL and GC
/// never do. Keys of the specification are known, `runtimeConfig` and `args` are never looked into, and an object below is
/// where its keys are declared.
///
/// ```
/// linkspan_plugin::keys! {
///     /// Neither a typing mistake nor a key of others goes unnoticed.
///     pub struct Strict, strict = deny {
///         /// Where to look first.
///         "servers" => servers: Vec<String>, default = ["192.0.2.1", "2001:db8::1"], read by [Add];
///         /// How much of the link it may use.
///         "share" => share: f64, default = 0.5, range = 0..=1, read by [Add];
///     }
/// }
/// use linkspan_plugin::{Configuration, spec::PluginConfig};
///
/// let config = Strict::read(&PluginConfig::parse(br#"{ "share": 0.25 }"#)?)?;
/// assert_eq!((config.servers.len(), config.share), (2, 0.25));
///
/// let error = Strict::judge(&PluginConfig::parse(br#"{ "shard": 0.25 }"#)?).expect_err("unknown");
/// assert_eq!(error.msg, r#"unknown key "shard" (0.25); did you mean "share"?"#);
/// # Ok::<(), linkspan_plugin::spec::Error>(())
/// ```
///
/// ```
/// linkspan_plugin::keys! {
///     /// The configuration of the sample plugin.
///     pub struct Config {
///         /// The link that carries the traffic.
///         "master" => master: String, read by [Add, Check];
///         /// The largest packet.
///         "mtu" => mtu: u32, default = 1500, unit = "bytes", range = 68..=65535, read by [Add];
///         /// The hardware address, chosen by the kernel when absent.
///         "runtimeConfig.mac" => mac: Option<linkspan_plugin::spec::MacAddr>, read by [Add];
///     }
/// }
/// use linkspan_plugin::{Configuration, spec::PluginConfig};
///
/// let json = br#"{ "name": "net", "type": "sample", "Master": "eth0" }"#;
/// let config = Config::read(&PluginConfig::parse(json)?)?;
/// assert_eq!((config.master.as_str(), config.mtu), ("eth0", 1500));
///
/// let json = br#"{ "name": "net", "type": "sample", "master": "eth0", "mtu": 5 }"#;
/// let error = Config::read(&PluginConfig::parse(json)?).err().expect("too small");
/// assert_eq!(error.msg, r#"invalid "mtu" 5: it must be from 68 to 65535"#);
/// # Ok::<(), linkspan_plugin::spec::Error>(())
/// ```
///
/// ```compile_fail,E0080
/// linkspan_plugin::keys! {
///     /// A default that no configuration could have.
///     pub struct Config {
///         /// The largest packet.
///         "mtu" => mtu: u32, default = 1_500, unit = "bytes", read by [Add];
///     }
/// }
/// ```
#[macro_export]
macro_rules! keys {
    (
        $(#[doc = $about:literal])*
        $visibility:vis struct $config:ident $(, strict = $strict:ident)? {$(
            $(#[doc = $meaning:literal])+
            $key:literal => $field:ident: $type:ty
            $(, default = $default:literal)?
            $(, default = [$($items:tt)*])?
            $(, default = {$($parts:tt)*})?
            $(, unit = $unit:literal)?
            $(, range = $range:expr)?
            $(, outside = $outside:literal)?
            , read by [$($command:ident),+];
        )*}
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        $visibility struct $config {$(
            $(#[doc = $meaning])+
            pub $field: $type,
        )*}

        impl $config {
            /// Reads the keys from a JSON object.
            ///
            /// # Errors
            /// As [`Configuration::read`]($crate::Configuration::read).
            $visibility fn from_object(
                object: &$crate::serde_json::Map<String, $crate::serde_json::Value>,
            ) -> Result<Self, $crate::spec::Error> {
                Ok(Self {$(
                    $field: $crate::config::Field::field(
                        &const { $crate::__key!(
                            $key, $type, [$($meaning),+], [$($command),+]
                            $(, default = stringify!($default))?
                            $(, default = stringify!([$($items)*]))?
                            $(, default = stringify!({$($parts)*}))?
                            $(, unit = $unit)? $(, range = $range)? $(, outside = $outside)?
                        ) },
                        object,
                    )?,
                )*})
            }
        }

        // Judged though nobody should read it.
        const _: &[$crate::config::Key] = <$config as $crate::Configuration>::KEYS;

        impl $crate::Configuration for $config {
            const KEYS: &'static [$crate::config::Key] = &[$(
                $crate::__key!(
                    $key, $type, [$($meaning),+], [$($command),+]
                    $(, default = stringify!($default))?
                            $(, default = stringify!([$($items)*]))?
                            $(, default = stringify!({$($parts)*}))?
                            $(, unit = $unit)? $(, range = $range)? $(, outside = $outside)?
                ),
            )*];
            $(const STRICT: $crate::config::Strict = $crate::__strict!($strict);)?

            fn read(config: &$crate::spec::PluginConfig) -> Result<Self, $crate::spec::Error> {
                Self::from_object(config.as_map())
            }

            fn judge(config: &$crate::spec::PluginConfig) -> Result<(), $crate::spec::Error> {
                $crate::config::judge_keys::<Self>(config)
            }
        }

        /// As an object inside another configuration.
        impl $crate::config::FromKey for $config {
            const KIND: &'static str = "an object";
            const SHAPE: $crate::config::Shape =
                $crate::config::Shape::Parts(<Self as $crate::Configuration>::KEYS);

            fn from_json(json: &$crate::serde_json::Value) -> Result<Self, $crate::config::Wrong> {
                let object = json
                    .as_object()
                    .ok_or_else(|| $crate::config::Wrong::Type("an object".to_owned()))?;
                Self::from_object(object).map_err($crate::config::Wrong::Part)
            }
        }
    };
    // What follows tells what is wrong with what is no declaration.
    (
        $(#[$about:meta])*
        $visibility:vis struct $config:ident $(, strict = $strict:ident)? { $($body:tt)* }
    ) => {
        $crate::__wrong_key! { $($body)* }
    };
    ($($anything:tt)*) => {
        compile_error!("keys! declares one struct: `/// Its meaning. pub struct Name { … }`, or `pub struct Name, strict = deny { … }`");
    };
}

/// Says what is wrong with the first key that is no declaration.
#[doc(hidden)]
#[macro_export]
macro_rules! __wrong_key {
    (
        $(#[doc = $meaning:literal])+
        $key:literal => $field:ident: $type:ty
        $(, default = $default:literal)?
        $(, default = [$($items:tt)*])?
        $(, default = {$($parts:tt)*})?
        $(, unit = $unit:literal)?
        $(, range = $range:expr)?
        $(, outside = $outside:literal)?
        , read by [$($command:ident),+];
        $($rest:tt)*
    ) => {
        $crate::__wrong_key! { $($rest)* }
    };
    ($key:literal $($rest:tt)*) => {
        compile_error!(concat!("the key ", stringify!($key), " has no `/// …` before it: what does it mean?"));
    };
    ($(#[doc = $meaning:literal])+ $key:literal => $field:ident: $($rest:tt)*) => {
        $crate::__wrong_end! { $key $($rest)* }
    };
    ($(#[doc = $meaning:literal])+ $key:literal $($rest:tt)*) => {
        compile_error!(concat!(
            "the key ", stringify!($key), " is declared as `\"key\" => field: Type, default = …, unit = \"…\", range = 1..=9, \
             outside = \"…\", read by [Add, Check];`: what may be left out stands in this order, and nothing else"
        ));
    };
    ($($anything:tt)*) => {
        compile_error!("a key is declared as `/// Its meaning. \"key\" => field: Type, read by [Add, Check];`");
    };
}

/// Looks behind the field of a key that is no declaration, token by token, for what ends it.
#[doc(hidden)]
#[macro_export]
macro_rules! __wrong_end {
    ($key:literal , read by [$($command:tt)*] $($rest:tt)*) => {
        compile_error!(concat!(
            "the key ", stringify!($key), " is declared as `\"key\" => field: Type, default = …, unit = \"…\", range = 1..=9, \
             outside = \"…\", read by [Add, Check];`: what may be left out stands in this order, nothing else, at least one command, \
             and `;` at the end"
        ));
    };
    ($key:literal $(; $($rest:tt)*)?) => {
        compile_error!(concat!("the key ", stringify!($key), " does not end in `, read by [Add, Check];`: which commands read it?"));
    };
    ($key:literal $token:tt $($rest:tt)*) => {
        $crate::__wrong_end! { $key $($rest)* }
    };
}

/// How strict a configuration is, by the word in [`keys!`](crate::keys!).
#[doc(hidden)]
#[macro_export]
macro_rules! __strict {
    (warn) => {
        $crate::config::Strict::Warn
    };
    (deny) => {
        $crate::config::Strict::Deny
    };
    ($other:ident) => {
        compile_error!(concat!(
            "`strict = ",
            stringify!($other),
            "` is neither `warn` nor `deny`"
        ))
    };
}

/// One [`Key`](crate::config::Key) as [`keys!`](crate::keys!) declares it.
#[doc(hidden)]
#[macro_export]
macro_rules! __key {
    (
        $key:expr, $type:ty, [$($meaning:expr),+], [$($command:ident),+]
        $(, default = $default:expr)? $(, unit = $unit:expr)? $(, range = $range:expr)?
        $(, outside = $outside:expr)?
    ) => {
        $crate::config::Key {
            name: $key,
            kind: <$type as $crate::config::Field>::KIND,
            shape: <$type as $crate::config::Field>::SHAPE,
            default: $crate::__optional!($($crate::config::declared(
                $default,
                concat!(
                    "the default of ", stringify!($key), " is written as in JSON: 1000 and not 1_000, 16 and not 0x10, \
                     \\\", \\\\, \\n, \\r and \\t alone in texts, no comma at the end of a list"
                ),
            ))?),
            unit: $crate::__optional!($($unit)?),
            range: $crate::__optional!($($crate::config::bounds(&($range)))?),
            outside: $crate::__optional!($($outside)?),
            meaning: &[$($meaning),+],
            commands: &[$($crate::spec::Command::$command),+],
            judge: $crate::config::judge::<$type>,
        }
    };
}

/// `Some` of its argument, `None` without one.
#[doc(hidden)]
#[macro_export]
macro_rules! __optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}
