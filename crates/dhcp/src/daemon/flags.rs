//! What the daemon is told on its command line: the reference's flags, written as Go's programs write them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::rpc::DEFAULT_SOCKET;

/// The daemon's flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    /// `-pidfile`: where the daemon's process ID is written.
    pub(super) pid_file: Option<PathBuf>,
    /// `-hostprefix`: where the host's root is, for a daemon that runs in a container.
    pub(super) host_prefix: String,
    /// `-socketpath`: where the daemon listens, below the prefix.
    pub(super) socket_path: String,
    /// `-broadcast`: servers are asked to answer by broadcast.
    pub(super) broadcast: bool,
    /// `-timeout`: for how long the answer to one message is awaited.
    pub(super) timeout: Duration,
    /// `-resendmax`: how far apart resends get at most.
    pub(super) resend_max: Duration,
    /// `-resendtimeout`: when an acquisition gives up.
    pub(super) resend_timeout: Duration,
}

impl Default for Flags {
    /// The reference's.
    fn default() -> Self {
        Self {
            pid_file: None,
            host_prefix: String::new(),
            socket_path: DEFAULT_SOCKET.to_owned(),
            broadcast: false,
            timeout: Duration::from_secs(10),
            resend_max: Duration::from_secs(62),
            resend_timeout: Duration::from_secs(208),
        }
    }
}

/// Why the daemon does not start with these arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongFlags {
    /// Somebody asked how to call it.
    #[error("help requested")]
    Help,
    /// There is no such flag.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// The last one lacks its value.
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    /// A value is none.
    #[error("invalid value {value:?} for flag -{flag}: {why}")]
    Value {
        /// The flag.
        flag: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// How the daemon is called.
pub(super) const USAGE: &str = "\
Usage of dhcp daemon:
  -pidfile PATH             write the process ID to this file; an absolute path
  -hostprefix PATH          where the host's root is, for a daemon in a container
  -socketpath PATH          where plugins find the daemon (default /run/cni/dhcp.sock)
  -broadcast                ask servers to answer by broadcast
  -timeout DURATION         how long the answer to one message is awaited (default 10s)
  -resendmax DURATION       how far apart resends get at most (default 1m2s)
  -resendtimeout DURATION   when an acquisition gives up (default 3m28s)
";

impl Flags {
    /// Reads the arguments after `daemon`: `-flag value`, `-flag=value`, with one dash or two. The first word that is no flag
    /// ends them, and the rest is not looked at, as the reference does it: there are command lines with `-broadcast true`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn parse(arguments: &[OsString]) -> Result<Self, WrongFlags> {
        let mut flags = Self::default();
        let mut arguments = arguments.iter().map(|one| one.to_string_lossy());
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument
                .strip_prefix('-')
                .filter(|rest| !["", "-"].contains(rest))
            else {
                break;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let mut text = || {
                let value = value.clone().or_else(|| arguments.next().map(String::from));
                value.ok_or_else(|| WrongFlags::NoValue(name.to_owned()))
            };
            match name {
                "h" | "help" => return Err(WrongFlags::Help),
                "pidfile" => {
                    flags.pid_file = Some(text()?)
                        .filter(|path| !path.is_empty())
                        .map(PathBuf::from)
                }
                "hostprefix" => flags.host_prefix = text()?,
                "socketpath" => flags.socket_path = text()?,
                "broadcast" => flags.broadcast = truth(name, value.as_deref())?,
                "timeout" => flags.timeout = duration(name, text()?)?,
                "resendmax" => flags.resend_max = duration(name, text()?)?,
                "resendtimeout" => flags.resend_timeout = duration(name, text()?)?,
                _ => return Err(WrongFlags::Unknown(name.to_owned())),
            }
        }
        if flags.socket_path.is_empty() {
            flags.socket_path = DEFAULT_SOCKET.to_owned();
        }
        Ok(flags)
    }

    /// Where the daemon listens.
    pub(super) fn socket(&self) -> PathBuf {
        PathBuf::from(format!("{}{}", self.host_prefix, self.socket_path))
    }
}

fn truth(flag: &str, value: Option<&str>) -> Result<bool, WrongFlags> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(value) => Err(WrongFlags::Value {
            flag: flag.to_owned(),
            value: value.to_owned(),
            why: "it is neither true nor false",
        }),
    }
}

fn duration(flag: &str, value: String) -> Result<Duration, WrongFlags> {
    parse_duration(&value).ok_or_else(|| WrongFlags::Value {
        flag: flag.to_owned(),
        value,
        why: "it is no duration, such as 10s, 1m30s or 500ms",
    })
}

/// A duration as Go writes it: a sign, and numbers, each with a unit, or 0. Below zero nothing is waited for either.
fn parse_duration(text: &str) -> Option<Duration> {
    if let Some(positive) = text
        .strip_prefix('-')
        .filter(|rest| !rest.starts_with(['+', '-']))
    {
        return parse_duration(positive).map(|_| Duration::ZERO);
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let mut rest = text;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit = &rest[end..];
        let length = unit
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(unit.len());
        seconds += number
            * match &unit[..length] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &unit[length..];
    }
    if text.is_empty() {
        None
    } else {
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Flags, WrongFlags> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Flags::parse(&arguments)
    }

    #[test]
    fn flags_are_written_as_for_the_reference() {
        let flags = parse(&[
            "-pidfile",
            "/run/dhcp.pid",
            "--hostprefix=/host",
            "-socketpath=/run/x.sock",
            "-broadcast",
            "-timeout",
            "1500ms",
            "-resendmax=1m2s",
            "--resendtimeout",
            "1h",
        ]);
        let wanted = Flags {
            pid_file: Some("/run/dhcp.pid".into()),
            host_prefix: "/host".to_owned(),
            socket_path: "/run/x.sock".to_owned(),
            broadcast: true,
            timeout: Duration::from_millis(1500),
            resend_max: Duration::from_secs(62),
            resend_timeout: Duration::from_secs(3600),
        };
        assert_eq!(
            flags.as_ref().map(Flags::socket),
            Ok("/host/run/x.sock".into())
        );
        assert_eq!(flags, Ok(wanted));
        let plain = parse(&["-socketpath", "", "-broadcast=false", "-pidfile="]);
        assert_eq!(plain, Ok(Flags::default()));
    }

    #[test]
    fn the_first_word_that_is_no_flag_ends_the_flags() {
        let broadcast = Flags {
            broadcast: true,
            ..Flags::default()
        };
        for arguments in [
            &["-broadcast", "true"][..],
            &["-broadcast", "false", "-nonsense"],
            &["-broadcast", "-", "-timeout"],
            &["-broadcast", "--", "-pidfile", "x"],
            &["-broadcast", "", "-x"],
        ] {
            assert_eq!(parse(arguments), Ok(broadcast.clone()), "{arguments:?}");
        }
    }

    #[test]
    fn less_than_no_time_is_none() {
        for (value, wanted) in [
            ("-5s", Some(Duration::ZERO)),
            ("-0", Some(Duration::ZERO)),
            ("-1h2m3.5s", Some(Duration::ZERO)),
            ("+5s", Some(Duration::from_secs(5))),
            ("-", None),
            ("+", None),
            ("--5s", None),
            ("-+5s", None),
            ("+-5s", None),
            ("-5", None),
        ] {
            let flags = parse(&["-timeout", value]);
            assert_eq!(flags.ok().map(|flags| flags.timeout), wanted, "{value}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (arguments, words) in [
            (&["-x"][..], "flag provided but not defined: -x"),
            (&["-timeout"], "flag needs an argument: -timeout"),
            (
                &["-timeout", "10"],
                "invalid value \"10\" for flag -timeout",
            ),
            (&["-timeout="], "invalid value \"\" for flag -timeout"),
            (
                &["-timeout", "-1"],
                "invalid value \"-1\" for flag -timeout",
            ),
            (
                &["-timeout", "1e9s"],
                "invalid value \"1e9s\" for flag -timeout",
            ),
            (&["-timeout", "99999999999999999999h"], "invalid value"),
            (&["-broadcast=maybe"], "neither true nor false"),
            (&["--help"], "help requested"),
        ] {
            let error = parse(arguments).unwrap_err().to_string();
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
    }
}
