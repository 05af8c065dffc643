//! What is in a directory of plugins: whose it is, and of which version.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan_inspect::system::{Fitness, Program};
use linkspan_inspect::{is_linkspan, linkspan_version};
use linkspan_runtime::{
    Command, Deadline, Error, Execute, NameError, PluginType, Process, Request, Runtime,
    VersionInfo,
};

use super::super::bin_dir::{BINARY, NAMES, identity};
use super::super::replaced::Replaced;
use crate::failure::Failure;

/// The plugin whose answer tells whether a file is that of the plugins.
pub(super) const PROBE: &str = "loopback";

/// How long a file may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The mode of the plugins' file.
pub(super) const MODE: u32 = 0o755;

/// What is at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A link to a file of Linkspan's that is gone.
    Lost,
    /// A link to Linkspan's file, or that file, which somebody has written into: `cp` does so at any of the names.
    Overwritten,
    /// Of a build of Linkspan's, with its version where it tells it.
    Linkspan(Option<String>),
    /// A CNI plugin of others.
    Plugin(Other),
    /// A directory, which nothing can replace.
    Directory,
    /// Something else, and how it can be told.
    Unknown(String),
}

/// A plugin of others. One that could not be asked says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Other {
    /// Whether it speaks of itself as the reference's plugins do.
    pub(super) is_reference: bool,
    /// What it says its version is.
    pub(super) version: Option<String>,
    /// The versions of CNI that it supports.
    pub(super) speaks: Vec<String>,
}

/// A name, and what is there.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) name: &'static str,
    pub(super) found: Found,
    /// Whether an installation would make the same.
    pub(super) is_settled: bool,
    /// Whether something of this name is kept already.
    pub(super) is_kept: bool,
}

/// Looks at every name in a directory; `source` is the file that is to be there.
pub(super) fn look(bin_dir: &Path, source: &Path) -> Vec<Seen> {
    let binary = bin_dir.join(BINARY);
    let mut builds = Builds::default();
    let is_same = is_same(source, &binary);
    let kept = Replaced::of(bin_dir).kept();
    let mut seen = vec![Seen {
        name: BINARY,
        found: builds.find(BINARY, &binary),
        is_settled: is_same,
        is_kept: kept.contains(&BINARY),
    }];
    let is_foreign = matches!(seen[0].found, Found::Unknown(_)) && identity(&binary).is_some();
    for name in NAMES.iter().copied() {
        let path = bin_dir.join(name);
        let is_link = identity(&path) == identity(&binary);
        if is_foreign && is_link {
            seen[0].found = Found::Overwritten;
        }
        seen.push(Seen {
            name,
            found: match is_foreign && is_link {
                true => Found::Overwritten,
                false => builds.find(name, &path),
            },
            is_settled: is_same
                && is_link
                && plugin(name).is_ok_and(|plugin| supported(&plugin, &path).is_ok()),
            is_kept: kept.contains(&name),
        });
    }
    seen
}

/// Asks a plugin which versions it supports.
pub(super) fn supported(plugin: &PluginType, path: &Path) -> Result<VersionInfo, Error> {
    let runtime = Runtime::builder().timeout(TIMEOUT).build();
    runtime.version_of(plugin, path)
}

/// The type of a plugin of this name.
pub(super) fn plugin(name: &str) -> Result<PluginType, Failure> {
    name.parse()
        .map_err(|error: NameError| Failure::usage(error.to_string()))
}

/// Whether the installed file is what the source would become.
fn is_same(source: &Path, installed: &Path) -> bool {
    let is_whole = fs::symlink_metadata(installed).is_ok_and(|meta| {
        meta.is_file()
            && meta.permissions().mode() & 0o7777 == MODE
            && fs::metadata(source).is_ok_and(|source| source.len() == meta.len())
            && (meta.uid() == 0 || meta.uid() == rustix::process::geteuid().as_raw())
    });
    is_whole
        && match (fs::read(source), fs::read(installed)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
}

/// Which files are Linkspan's, and of which version: most names lead to the same one, which is read once.
#[derive(Default)]
struct Builds(HashMap<(u64, u64), Option<Found>>);

impl Builds {
    fn find(&mut self, name: &str, path: &Path) -> Found {
        match fs::symlink_metadata(path) {
            Err(error) if is_absence(&error) => return Found::Nothing,
            Err(error) => return Found::Unknown(error.to_string()),
            Ok(meta) if meta.is_dir() => return Found::Directory,
            Ok(meta) if meta.is_symlink() && leads_to_lost(path) => return Found::Lost,
            Ok(_) => {}
        }
        let ours = || is_linkspan(path).then(|| Found::Linkspan(linkspan_version(path)));
        let found = match identity(path) {
            Some(identity) => self.0.entry(identity).or_insert_with(ours).clone(),
            None => None,
        };
        found.unwrap_or_else(|| of_others(name, path))
    }
}

/// Whether nothing is at a path, be it that its directory is none.
fn is_absence(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::NotADirectory
}

/// Whether a link leads to where Linkspan's file has been.
fn leads_to_lost(path: &Path) -> bool {
    let target = fs::read_link(path).unwrap_or_default();
    target.file_name() == Some(BINARY.as_ref()) && identity(path).is_none()
}

/// Only a file that answers VERSION is taken for a CNI plugin.
fn of_others(name: &str, path: &Path) -> Found {
    if name == BINARY {
        return Found::Unknown("a file that is not Linkspan's".to_owned());
    }
    let answer = plugin(name).and_then(|plugin| {
        let info = supported(&plugin, path)?;
        Ok(Other::of(&plugin, path, info))
    });
    match answer {
        Ok(other) => Found::Plugin(other),
        Err(_) if runs_elsewhere(path) => Found::Plugin(Other::default()),
        Err(failure) => Found::Unknown(failure.behind().to_owned()),
    }
}

/// Whether nothing but its loader is missing here to a program: an image from scratch has none, and the plugins of the node around the
/// container may be linked dynamically, as those of Debian and Fedora are.
fn runs_elsewhere(path: &Path) -> bool {
    let program = Program::look(path.to_owned());
    program.is_some_and(|program| matches!(program.fitness, Fitness::NoInterpreter(_)))
}

impl Other {
    /// Asks one that supports these versions who it is: a plugin of the reference says it where no command is given, on standard error.
    fn of(plugin: &PluginType, path: &Path, info: VersionInfo) -> Self {
        let mut by_hand = Request::new(plugin, path, Command::Version);
        by_hand.env = vec![("CNI_COMMAND", "".into())];
        by_hand.deadline = Deadline::after(TIMEOUT);
        let said = Process.run(&by_hand).map(|output| output.stderr);
        let said = said.unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let told = reference_version(plugin.as_str(), &said);
        Self {
            is_reference: told.is_some(),
            version: told
                .filter(|version| *version != "unknown")
                .map(str::to_owned),
            speaks: info.supported_versions,
        }
    }
}

/// The version in the first line of what it says, `CNI bridge plugin v1.1.1` or `CNI bridge plugin version unknown`.
fn reference_version<'a>(name: &str, said: &'a str) -> Option<&'a str> {
    let rest = said.lines().next()?.strip_prefix("CNI ")?;
    let rest = rest.strip_prefix(name)?.strip_prefix(" plugin ")?;
    let version = rest.strip_prefix("version ").unwrap_or(rest);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b".-+~".contains(&byte);
    (!version.is_empty() && version.bytes().all(is_word)).then_some(version)
}

/// A path that can be followed from anywhere.
pub(super) fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_tells_its_version_in_its_first_line() {
        for (said, expected) in [
            (
                "CNI bridge plugin v1.1.1\nCNI protocol versions",
                Some("v1.1.1"),
            ),
            ("CNI bridge plugin version unknown\n", Some("unknown")),
            ("CNI bridge plugin v1.7.0-rc.1", Some("v1.7.0-rc.1")),
            ("CNI bridge plugin (Linkspan 0.1.0): connects", None),
            ("CNI ptp plugin v1.1.1", None),
            ("CNI bridge plugin ", None),
            ("{\"code\": 4}", None),
            ("", None),
        ] {
            assert_eq!(reference_version("bridge", said), expected, "{said:?}");
        }
    }
}
