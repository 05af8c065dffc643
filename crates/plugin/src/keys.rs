//! The macro that declares a configuration.

/// Declares a configuration: each key once, with name, type, meaning, unit, range, default and the
/// commands that read it. Parsing, error messages, lint and the reference documentation come from it.
///
/// A field of type `Option<T>` is absent without the key; one with `default = …` (written as in JSON)
/// has that value; one with neither is required. `outside = "…"` are the words for a number outside of its range, in
/// which `{}` is the number: of an error that scripts know from elsewhere.
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
#[macro_export]
macro_rules! keys {
    (
        $(#[doc = $about:literal])*
        $visibility:vis struct $config:ident {$(
            $(#[doc = $meaning:literal])+
            $key:literal => $field:ident: $type:ty
            $(, default = $default:literal)?
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
                            $(, default = $default)? $(, unit = $unit)? $(, range = $range)? $(, outside = $outside)?
                        ) },
                        object,
                    )?,
                )*})
            }
        }

        impl $crate::Configuration for $config {
            const KEYS: &'static [$crate::config::Key] = &[$(
                $crate::__key!(
                    $key, $type, [$($meaning),+], [$($command),+]
                    $(, default = $default)? $(, unit = $unit)? $(, range = $range)? $(, outside = $outside)?
                ),
            )*];

            fn read(config: &$crate::spec::PluginConfig) -> Result<Self, $crate::spec::Error> {
                Self::from_object(config.as_map())
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
}

/// One [`Key`](crate::config::Key) as [`keys!`](crate::keys!) declares it.
#[doc(hidden)]
#[macro_export]
macro_rules! __key {
    (
        $key:expr, $type:ty, [$($meaning:expr),+], [$($command:ident),+]
        $(, default = $default:literal)? $(, unit = $unit:expr)? $(, range = $range:expr)?
        $(, outside = $outside:expr)?
    ) => {
        $crate::config::Key {
            name: $key,
            kind: <$type as $crate::config::Field>::KIND,
            shape: <$type as $crate::config::Field>::SHAPE,
            default: $crate::__optional!($(stringify!($default))?),
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
