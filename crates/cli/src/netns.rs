//! Network namespaces on the command line: named by a path, by the name that `ip netns` gave, or by a process.

use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

use linkspan_inspect::namespace::NAMED;

use crate::failure::Failure;

/// The paths that a text may mean, in the order in which they are looked for: the path that it is, as cnitool has it; if it is no
/// more than a name, the namespace of that name; if it is a number, that of the process.
///
/// # Errors
/// When it is relative to a directory that is not there.
pub(crate) fn candidates(given: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = vec![absolute(given)?];
    if let Some(name) = name(given) {
        let [folder, _] = NAMED;
        paths.push(Path::new(folder).join(name));
        if let Ok(pid) = name.parse::<u32>() {
            paths.push(format!("/proc/{pid}/ns/net").into());
        }
    }
    Ok(paths)
}

/// The path of the namespace that a text means: of the [`candidates`] the first at which something is. Where nothing is the text
/// is the path, for who knows better what may be there.
///
/// # Errors
/// When it is relative to a directory that is not there.
pub(crate) fn resolve(given: &Path) -> Result<PathBuf, Failure> {
    resolve_known(given, |_| false)
}

/// The same where some paths are known to have been meant before: these go before others that lead somewhere by now, but not
/// before a path that is there.
///
/// # Errors
/// When it is relative to a directory that is not there.
pub(crate) fn resolve_known(
    given: &Path,
    is_known: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Failure> {
    let mut paths = candidates(given)?;
    let chosen = match exists(&paths[0]) || paths.len() == 1 {
        true => 0,
        false => {
            let first = |is_it: &dyn Fn(&Path) -> bool| paths.iter().position(|path| is_it(path));
            first(&is_known).or_else(|| first(&exists)).unwrap_or(0)
        }
    };
    Ok(paths.swap_remove(chosen))
}

/// The text if it can be the name of a namespace.
fn name(given: &Path) -> Option<&str> {
    let text = given.to_str()?;
    let is_name = !text.is_empty() && !text.contains('/') && text != "." && text != "..";
    is_name.then_some(text)
}

/// Whether anything is there, be it a link to nowhere.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The absolute path without "." and "..", by its text alone: cnitool's container IDs depend on it.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let mut absolute = if path.is_absolute() {
        PathBuf::new()
    } else {
        env::current_dir().map_err(|error| {
            Failure::usage(format!(
                "{} is relative to a directory that is not there",
                path.display()
            ))
            .because(error)
        })?
    };
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                absolute.pop();
            }
            other => absolute.push(other),
        }
    }
    Ok(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_by_their_text() {
        let here = env::current_dir().unwrap();
        for (given, expected) in [
            ("/run/netns/c1", "/run/netns/c1".into()),
            ("/run//netns/./c1/", "/run/netns/c1".into()),
            ("/run/netns/../c1", "/run/c1".into()),
            ("/../../c1", "/c1".into()),
            ("c1", here.join("c1")),
            ("./a/../c1", here.join("c1")),
        ] {
            assert_eq!(absolute(Path::new(given)).unwrap(), expected, "{given}");
        }
    }

    #[test]
    fn a_namespace_may_be_a_path_a_name_or_a_process() {
        let here = env::current_dir().unwrap();
        let own = std::process::id().to_string();
        // Above every process there may be, by PID_MAX_LIMIT.
        let nobody = "4194305";
        for (given, expected) in [
            // A path that is there goes before all else; so does one with a slash, wherever it leads.
            ("src", here.join("src")),
            ("./c1", here.join("c1")),
            ("/run/netns/c1", "/run/netns/c1".into()),
            (own.as_str(), format!("/proc/{own}/ns/net").into()),
            // Nothing is there: the path that cnitool takes it for.
            (nobody, here.join(nobody)),
            ("no-such-name", here.join("no-such-name")),
        ] {
            assert_eq!(resolve(Path::new(given)).unwrap(), expected, "{given}");
        }
        for (given, known, expected) in [
            ("c9", "/run/netns/c9", "/run/netns/c9".into()),
            (
                nobody,
                "/proc/4194305/ns/net",
                "/proc/4194305/ns/net".into(),
            ),
            ("src", "/run/netns/src", here.join("src")),
        ] {
            let resolved = resolve_known(Path::new(given), |path| path == Path::new(known));
            assert_eq!(resolved.unwrap(), expected, "{given}");
        }
    }
}
