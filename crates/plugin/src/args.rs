//! CNI_ARGS: `KEY=VALUE` pairs separated by semicolons.

use linkspan_spec::{Error, ErrorCode};

/// The pairs of CNI_ARGS, as far as a plugin knows them.
///
/// Names are compared to the letter. A pair whose name the plugin does not know is an error unless
/// `IgnoreUnknown` is true (`1` or `true`), since CNI_ARGS reaches every plugin of a chain.
///
/// See [CONVENTIONS.md, CNI_ARGS](https://www.cni.dev/docs/conventions/#cni_args).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniArgs {
    pairs: Vec<(String, String)>,
}

impl CniArgs {
    /// Reads `text`, allowing the names in `known`, those that `plugin` knows.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_ENVIRONMENT`] for a pair that is none, an `IgnoreUnknown` that is neither
    /// true nor false, and names that nobody knows.
    pub fn parse(text: &str, plugin: &str, known: &[&str]) -> Result<Self, Error> {
        let mut args = Self::default();
        let mut unknown = Vec::new();
        let mut ignore_unknown = false;
        for pair in text.split(';').filter(|_| !text.is_empty()) {
            match pair.split('=').collect::<Vec<_>>()[..] {
                ["IgnoreUnknown", value] => ignore_unknown = parse_bool(value)?,
                [name, value] if known.contains(&name) => {
                    args.pairs.push((name.to_owned(), value.to_owned()));
                }
                [_, _] => unknown.push(pair),
                _ => return Err(invalid(format!("ARGS: invalid pair {pair:?}"))),
            }
        }
        if unknown.is_empty() || ignore_unknown {
            return Ok(args);
        }
        Err(invalid(format!("ARGS: unknown args {unknown:?}")).with_details(format!(
            "{plugin} knows {}; add IgnoreUnknown=1 to CNI_ARGS when others are meant for other plugins",
            known.join(", ")
        )))
    }

    /// The value of `name`, the last one when it was given several times; `None` when absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().rev().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

fn parse_bool(value: &str) -> Result<bool, Error> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(invalid(format!(
            "ARGS: error parsing value of pair \"IgnoreUnknown={value}\": neither true nor false"
        ))),
    }
}

fn invalid(msg: String) -> Error {
    Error::new(ErrorCode::INVALID_ENVIRONMENT, msg)
        .with_details("CNI_ARGS is a list of KEY=VALUE pairs separated by semicolons")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_kept_and_the_last_one_wins() {
        let args =
            CniArgs::parse("MAC=1;MAC=2;IgnoreUnknown=1;K8S_POD=x", "bridge", &["MAC"]).unwrap();
        assert_eq!(args.get("MAC"), Some("2"));
        assert_eq!(args.get("K8S_POD"), None);
        assert_eq!(
            CniArgs::parse("", "bridge", &[]).unwrap(),
            CniArgs::default()
        );
        assert_eq!(
            CniArgs::parse("MAC=", "bridge", &["MAC"])
                .unwrap()
                .get("MAC"),
            None
        );
    }

    #[test]
    fn what_nobody_knows_is_an_error() {
        for (text, part) in [
            ("IP=1.2.3.4", "unknown args [\"IP=1.2.3.4\"]"),
            ("MAC", "invalid pair \"MAC\""),
            ("MAC=a=b", "invalid pair \"MAC=a=b\""),
            ("MAC=a;", "invalid pair \"\""),
            ("IgnoreUnknown=maybe", "neither true nor false"),
            ("mac=a", "unknown args"),
        ] {
            let error = CniArgs::parse(text, "bridge", &["MAC"]).unwrap_err();
            assert!(error.msg.contains(part), "{text}: {error}");
            assert_eq!(error.code, ErrorCode::INVALID_ENVIRONMENT);
        }
    }
}
