//! Why a command failed, in words for a person and as JSON for a program.

use std::error::Error as _;
use std::fmt::Write;

use linkspan_runtime::{Cause, Error};
use linkspan_spec::{ErrorCode, Map, Value, Version};

use crate::style::Style;

/// What exit status a failure has; the list that people see is in the help of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It failed.
    Failed = 1,
    /// The command line or a variable cannot be understood.
    Usage = 2,
    /// The network is not there, or its configuration cannot be used.
    Network = 3,
    /// It may work later.
    Temporary = 4,
    /// Only root may do it.
    Privilege = 5,
}

/// Columns of the labels before the words of a failure.
const MARGIN: usize = 9;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    code: ErrorCode,
    /// What failed, and what lies behind it, each behind the one before.
    chain: Vec<String>,
    /// What a plugin printed on standard error.
    stderr: String,
    advice: Option<String>,
    /// What else failed.
    others: Vec<Failure>,
}

impl Failure {
    /// A failure of this program itself.
    pub(crate) fn new(kind: Kind, words: impl Into<String>) -> Self {
        let code = match kind {
            Kind::Usage => ErrorCode::INVALID_ENVIRONMENT,
            Kind::Network => ErrorCode::INVALID_NETWORK_CONFIG,
            Kind::Temporary => ErrorCode::TRY_AGAIN_LATER,
            Kind::Failed | Kind::Privilege => ErrorCode::IO_FAILURE,
        };
        Self {
            kind,
            code,
            chain: vec![words.into()],
            stderr: String::new(),
            advice: None,
            others: Vec::new(),
        }
    }

    /// A command line or a variable that cannot be understood.
    pub(crate) fn usage(words: impl Into<String>) -> Self {
        Self::new(Kind::Usage, words)
    }

    /// What the command line's parser has to say.
    pub(crate) fn of_command_line(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let (words, usage) = text.trim().split_once("\n\n").unwrap_or((text.trim(), ""));
        let words = words.strip_prefix("error: ").unwrap_or(words);
        Self::usage(words).advise(usage.trim())
    }

    /// The same failure with others beside it.
    pub(crate) fn with_others(mut self, others: Vec<Self>) -> Self {
        self.others.extend(others);
        self
    }

    /// The same failure with what lies behind it.
    pub(crate) fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.chain.push(cause.to_string());
        self
    }

    /// The same failure with what to do.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What to do, when it is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// What lies behind all else.
    pub(crate) fn behind(&self) -> &str {
        self.chain.last().map_or("", String::as_str)
    }

    /// For a person: what failed, why, what the plugin has logged, what to do.
    pub(crate) fn text(&self, style: Style) -> String {
        let mut text = String::new();
        self.write(&mut text, style);
        text
    }

    fn write(&self, text: &mut String, style: Style) {
        let mut line = |label: String, words: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{label} {}", style.behind_margin(words, MARGIN));
        };
        let mut chain = self.chain.iter();
        if let Some(first) = chain.next() {
            line(style.bad("error:"), first);
        }
        for behind in chain {
            line(style.dim("  cause:"), behind);
        }
        for logged in self.stderr.lines() {
            line(style.dim("    log:"), logged);
        }
        if let Some(advice) = &self.advice {
            line(style.good("   next:"), advice);
        }
        for other in &self.others {
            other.write(text, style);
        }
    }

    /// For a program: the specification's error, and more.
    pub(crate) fn json(&self) -> Value {
        let mut chain = self.chain.iter();
        let msg = chain.next().cloned().unwrap_or_default();
        let details = chain.map(String::as_str).collect::<Vec<_>>().join(": ");
        let error = linkspan_spec::Error::new(self.code, msg).with_details(details);
        let mut value = error.to_json(Version::LATEST);
        let mut more = Map::new();
        if let Some(advice) = &self.advice {
            more.insert("next".into(), advice.as_str().into());
        }
        if !self.stderr.is_empty() {
            more.insert("log".into(), self.stderr.as_str().into());
        }
        if !self.others.is_empty() {
            more.insert(
                "others".into(),
                self.others.iter().map(Self::json).collect(),
            );
        }
        if let Some(map) = value.as_object_mut() {
            map.extend(more);
        }
        value
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Several { first, others } = error {
            return Self::from(*first).with_others(others.into_iter().map(Self::from).collect());
        }
        if let Error::Undone(undone) = error {
            let del = undone.del.err().map(Self::from);
            return Self::from(undone.add).with_others(del.into_iter().collect());
        }
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(behind) = source {
            chain.push(behind.to_string());
            source = behind.source();
        }
        Self {
            kind: kind(&error),
            code: error.code(),
            chain,
            advice: error.advice(),
            stderr: match &error {
                Error::Plugin(plugin) if !matches!(plugin.cause, Cause::Silent { .. }) => {
                    plugin.stderr.trim_end().to_owned()
                }
                _ => String::new(),
            },
            others: Vec::new(),
        }
    }
}

impl From<linkspan_kernel::Error> for Failure {
    fn from(error: linkspan_kernel::Error) -> Self {
        Self::new(Kind::Failed, error.to_string())
    }
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::NetworkNotFound { .. }
        | Error::Configuration { .. }
        | Error::Unreadable { .. }
        | Error::NoPlugins { .. }
        | Error::FileName { .. }
        | Error::Network { .. } => Kind::Network,
        error if error.code() == ErrorCode::TRY_AGAIN_LATER => Kind::Temporary,
        _ => Kind::Failed,
    }
}
