//! What a plugin answered, and what it should have.

use std::process::ExitStatus;
use std::time::Duration;

use linkspan_spec::{ErrorCode, Map, Value};

use crate::check::{Fault, Stop};
use crate::words::shortened;

/// How much is shown of what a plugin printed, in characters.
const SHOWN: usize = 400;

/// What a plugin answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) asked: String,
    /// How it ended; `None` when it had to be killed.
    pub(crate) status: Option<ExitStatus>,
    /// Whether it printed without end.
    pub(crate) flooded: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) elapsed: Duration,
}

impl Answer {
    /// What came, in words.
    pub(crate) fn came(&self) -> String {
        let end = match self.status {
            _ if self.flooded => "output without end".to_owned(),
            None => format!("no end within {:.1?}", self.elapsed),
            Some(status) => status.to_string(),
        };
        let printed = |name: &str, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            match text.trim() {
                "" => format!("nothing on {name}"),
                text => format!("on {name} {}", shortened(text, SHOWN)),
            }
        };
        let mut came = format!("{end}, {}", printed("stdout", &self.stdout));
        if !self.stderr.is_empty() && self.stdout.is_empty() {
            came = format!("{came}, {}", printed("stderr", &self.stderr));
        }
        came
    }

    /// That it is wrong, and why.
    pub(crate) fn fault(&self, wrong: impl Into<String>) -> Stop {
        Stop::Fault(Box::new(Fault {
            asked: self.asked.clone(),
            came: self.came(),
            wrong: wrong.into(),
            mild: false,
        }))
    }

    /// Whether it told success.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.success()) && !self.flooded
    }

    /// That it ended by itself.
    pub(crate) fn ended(&self) -> Result<&Self, Stop> {
        match self.status {
            _ if self.flooded => Err(self.fault("it prints without end")),
            None => Err(self.fault("it does not end")),
            Some(status) if status.code().is_none() => {
                Err(self.fault("it crashed instead of answering"))
            }
            Some(_) => Ok(self),
        }
    }

    /// That it succeeded.
    pub(crate) fn success(&self) -> Result<&Self, Stop> {
        match self.ended()?.is_success() {
            true => Ok(self),
            false => Err(self.fault("it fails where it should succeed")),
        }
    }

    /// That it succeeded and printed one object and nothing else.
    pub(crate) fn object(&self) -> Result<Map, Stop> {
        self.success()?;
        match serde_json::from_slice(&self.stdout) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(self.fault("standard output is JSON, and no object")),
            Err(error) => {
                Err(self.fault(format!("standard output is not one JSON object: {error}")))
            }
        }
    }

    /// That it failed, with an error if it printed anything; the error's object.
    pub(crate) fn refusal(&self) -> Result<Option<Map>, Stop> {
        if self.ended()?.is_success() {
            return Err(self.fault("it tells success, by exit status 0"));
        }
        Ok(self.error().ok())
    }

    /// That it failed with this code, whose message has these words. That it fails is required; the error is what a plugin should tell.
    pub(crate) fn refused(&self, codes: &[ErrorCode], words: &[&str]) -> Result<(), Stop> {
        self.refusal()?;
        let error = self.error().map_err(Stop::mildly)?;
        let code = error.get("code").and_then(Value::as_u64);
        let is_wanted =
            |wanted: &ErrorCode| code == Some(u64::from(wanted.0)) || is_own(code, wanted);
        if !codes.is_empty() && !codes.iter().any(is_wanted) {
            let wanted: Vec<_> = codes.iter().map(ToString::to_string).collect();
            let wrong = format!("the error's code should be {}", wanted.join(" or "));
            return Err(self.fault(wrong).mildly());
        }
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        let told = format!("{} {}", text("msg"), text("details"));
        match words.iter().find(|word| !told.contains(**word)) {
            None => Ok(()),
            Some(word) => Err(self
                .fault(format!("the error's message should contain {word}"))
                .mildly()),
        }
    }

    /// The error that it printed, which has the form of one.
    pub(crate) fn error(&self) -> Result<Map, Stop> {
        if self.stdout.trim_ascii().is_empty() {
            return Err(self.fault("it prints no error on standard output"));
        }
        let value: Value = serde_json::from_slice(&self.stdout).map_err(|error| {
            self.fault(format!(
                "what it prints on standard output is not one JSON object: {error}"
            ))
        })?;
        let Value::Object(map) = value else {
            return Err(self.fault("the error is no JSON object"));
        };
        match map.get("code").and_then(Value::as_u64) {
            None => return Err(self.fault("the error has no code that is a number")),
            Some(0) => return Err(self.fault("the error has code 0")),
            Some(_) => {}
        }
        let has_text = |key: &str| {
            map.get(key)
                .and_then(Value::as_str)
                .is_some_and(|text| !text.is_empty())
        };
        if !has_text("msg") {
            return Err(self.fault("the error has no msg"));
        }
        match map.get("details") {
            Some(details) if !details.is_string() => {
                Err(self.fault("the error's details are no text"))
            }
            _ => Ok(map),
        }
    }
}

/// A code from 100 on is the plugin's own, which may say more than any of the specification's, where no other is asked for than
/// "invalid configuration".
fn is_own(code: Option<u64>, wanted: &ErrorCode) -> bool {
    *wanted == ErrorCode::INVALID_NETWORK_CONFIG
        && code.is_some_and(|code| code >= u64::from(ErrorCode::FIRST_OF_PLUGINS.0))
}
