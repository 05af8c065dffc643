//! The kernel parameters that this host's administrator allows.

use std::fs::File;
use std::io::{self, Read};

use linkspan_plugin::spec::{Error, ErrorCode};
use regex_lite::Regex;

/// Regular expressions, one a line; without this file everything is allowed.
const PATH: &str = "/etc/cni/tuning/allowlist.conf";

/// Bytes of it that are read at most.
const MAX_BYTES: u64 = 1 << 20;

/// Whether all of these names, as they stand in the configuration, are allowed.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when one is not, [`ErrorCode::IO_FAILURE`] when it cannot be told.
pub(super) fn allows<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Ok(());
    }
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::new(
            ErrorCode::IO_FAILURE,
            format!("cannot read {PATH}: {error}"),
        )
        .with_details("it says which kernel parameters may be set; without it all may be")),
        Ok(text) => names.try_for_each(|name| require(name, &text)),
    }
}

/// The list.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn read() -> io::Result<String> {
    let mut text = String::new();
    File::open(PATH)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Whether a line of the list matches the name somewhere: a line that is to match all of it says so, with
/// `^` and `$`.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when none does, or one is no regular expression.
pub fn require(name: &str, text: &str) -> Result<(), Error> {
    let lines = text.lines().map(str::trim);
    let allowed: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    for line in &allowed {
        let expression = Regex::new(line).map_err(|error| {
            Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                format!("{PATH} holds {line:?}, which is no regular expression: {error}"),
            )
        })?;
        if expression.is_match(name) {
            return Ok(());
        }
    }
    Err(Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!(
            "Sysctl {name} is not allowed. Only the following sysctls are allowed: {allowed:?}"
        ),
    )
    .with_details(format!(
        "{PATH} on this host lists what may be set; its administrator can add a line"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_matches_anywhere_unless_it_says_otherwise() {
        let list = "\n  ^net.ipv4.conf.IFNAME.[a-z_]*$  \n\nsomaxconn\n";
        for name in ["net.ipv4.conf.IFNAME.arp_filter", "net.core.somaxconn"] {
            assert_eq!(require(name, list), Ok(()), "{name}");
        }
        for name in ["net.ipv4.conf.eth0.arp_filter", "net.ipv4.ip_forward"] {
            let error = require(name, list).unwrap_err();
            assert!(error.msg.contains("is not allowed"), "{name}: {error}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing_and_a_wrong_line_is_named() {
        assert!(require("net.core.somaxconn", "").is_err());
        let error = require("net.core.somaxconn", "(").unwrap_err();
        assert!(error.msg.contains("\"(\""), "{error}");
    }
}
