//! What is asked, a file for each theme.

mod add;
mod chain;
mod check;
mod configuration;
mod del;
mod delegation;
mod failing_ipam;
mod gc;
mod parallel;
mod protocol;
mod result;
mod runtime;
mod status;
mod variables;
mod versions;

use crate::check::{Check, Stop};
use crate::kind::Kind;

const ANY: &[Kind] = Kind::ALL;
const INTERFACE: &[Kind] = &[Kind::Interface];
const CHAINED: &[Kind] = &[Kind::Chained];
const IPAM: &[Kind] = &[Kind::Ipam];
/// Those that work on an interface.
const ON_LINKS: &[Kind] = &[Kind::Interface, Kind::Chained];

/// All checks, in the order in which they are made.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    const THEMES: &[&[Check]] = &[
        protocol::CHECKS,
        variables::CHECKS,
        configuration::CHECKS,
        versions::CHECKS,
        add::CHECKS,
        result::CHECKS,
        chain::CHECKS,
        check::CHECKS,
        del::CHECKS,
        gc::CHECKS,
        status::CHECKS,
        delegation::CHECKS,
        failing_ipam::CHECKS,
        parallel::CHECKS,
        runtime::CHECKS,
    ];
    THEMES.iter().flat_map(|theme| theme.iter())
}

/// Text of lines that say what is there and should not be, as much of it as can be read.
fn some_of(lines: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<_> = lines.iter().take(SHOWN).map(String::as_str).collect();
    match lines.len().checked_sub(SHOWN) {
        None | Some(0) => shown.join("; "),
        Some(more) => format!("{}; and {more} more", shown.join("; ")),
    }
}

/// The check says nothing of a plugin without this.
fn only_if(is_so: bool, otherwise: &str) -> Result<(), Stop> {
    match is_so {
        true => Ok(()),
        false => Err(Stop::skip(otherwise)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_words_and_stand_once() {
        let mut ids = BTreeSet::new();
        for check in checks() {
            let is_word =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            assert!(check.id.chars().all(is_word), "{}", check.id);
            assert!(ids.insert(check.id), "{} stands twice", check.id);
            assert!(!check.of.is_empty(), "{}", check.id);
            for text in [check.asks, check.says] {
                assert!(
                    !text.is_empty() && !text.ends_with('.') && !text.contains('\n'),
                    "{}: {text:?}",
                    check.id
                );
            }
        }
        assert!(ids.len() > 80, "{} are too few to be all", ids.len());
    }
}
