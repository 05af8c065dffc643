//! Which build of Linkspan's plugins a file holds.

use std::fs;
use std::path::Path;

use super::is_linkspan;

/// What stands before the version in every build, and the byte behind it.
const BEFORE: &[u8] = b"Linkspan ";
const BEHIND: u8 = b'\n';

/// Longer than any version.
const MAX_LENGTH: usize = 40;

/// The version of the build of Linkspan's plugins that is in a file, whole; `None` where there is none, or it does not tell.
///
/// It is read, and not asked for: a plugin that only runs elsewhere has one as well.
pub fn linkspan_version(path: &Path) -> Option<String> {
    is_linkspan(path)
        .then(|| fs::read(path).ok())
        .flatten()
        .and_then(|bytes| version_in(&bytes))
}

fn version_in(bytes: &[u8]) -> Option<String> {
    let places = bytes.windows(BEFORE.len()).enumerate();
    let mut behind = places
        .filter(|(_, window)| window[0] == BEFORE[0] && *window == BEFORE)
        .map(|(at, _)| &bytes[at + BEFORE.len()..]);
    behind.find_map(|rest| {
        let end = rest.iter().take(MAX_LENGTH).position(|b| *b == BEHIND)?;
        let version = std::str::from_utf8(&rest[..end]).ok()?;
        let is_one = version.starts_with(|c: char| c.is_ascii_digit())
            && version.contains('.')
            && version
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte));
        is_one.then(|| version.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_behind_the_name() {
        for (bytes, expected) in [
            ("\0Linkspan 7.1.0\n\0", Some("7.1.0")),
            (
                "Linkspan is\nLinkspan 1.2.3-rc.1+7\nmore",
                Some("1.2.3-rc.1+7"),
            ),
            ("Linkspan 7.1.0", None),
            ("Linkspan 1\n", None),
            ("Linkspan 7.1.0 and more\n", None),
            ("Linkspan ", None),
            ("", None),
        ] {
            let version = version_in(bytes.as_bytes());
            assert_eq!(version.as_deref(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_linkspans_has_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let words = "Linkspan 7.1.0\n";
        fs::write(file.path(), words).unwrap();
        assert_eq!(linkspan_version(file.path()), None);
        fs::write(file.path(), format!("CNI plugins in one file.{words}")).unwrap();
        assert_eq!(linkspan_version(file.path()).as_deref(), Some("7.1.0"));
    }
}
