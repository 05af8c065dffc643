//! What is known to be otherwise, and why.

use std::collections::BTreeMap;

use crate::checks::checks;

/// A file of exceptions has no line that is wrong, but for this one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub struct ExceptionsError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub wrong: String,
}

/// Checks that a plugin need not pass, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions(BTreeMap<String, String>);

impl Exceptions {
    /// Reads them: in each line the name of a check, and behind it the reason; what stands behind `#` at the beginning of a line is for
    /// who reads the file.
    ///
    /// ```
    /// use linkspan_conformance::Exceptions;
    ///
    /// assert!(Exceptions::parse("# Of our plugin\ndel-twice  our daemon counts, see issue 7\n").is_ok());
    /// assert!(Exceptions::parse("del-twice\n").is_err());
    /// ```
    ///
    /// # Errors
    /// When a line has no reason, or names no check.
    pub fn parse(text: &str) -> Result<Self, ExceptionsError> {
        let mut exceptions = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |wrong: String| ExceptionsError {
                line: number + 1,
                wrong,
            };
            let (id, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if !checks().any(|check| check.id == id) {
                return Err(wrong(format!("there is no check {id:?}")));
            }
            if reason.trim().is_empty() {
                return Err(wrong(format!("no reason is given for {id}")));
            }
            if exceptions
                .insert(id.to_owned(), reason.trim().to_owned())
                .is_some()
            {
                return Err(wrong(format!("{id} stands twice")));
            }
        }
        Ok(Self(exceptions))
    }

    /// Why a check need not be passed.
    pub(crate) fn reason(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_check_and_a_reason() {
        let read = Exceptions::parse("\n# words\ndel-twice   for  a reason \n").unwrap();
        assert_eq!(read.reason("del-twice"), Some("for  a reason"));
        assert_eq!(read.reason("del"), None);
        for (text, why) in [
            ("del-twice", "line 1: no reason"),
            (
                "\nno-check because",
                "line 2: there is no check \"no-check\"",
            ),
            ("del a\ndel b", "line 2: del stands twice"),
        ] {
            let refused = Exceptions::parse(text).unwrap_err().to_string();
            assert!(refused.starts_with(why), "{refused}");
        }
    }
}
