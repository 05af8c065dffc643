//! The directory in which an installation is prepared and tried.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use linkspan_runtime::{Cause, Error};
use rustix::fs::Access;
use tempfile::TempDir;

use super::super::bin_dir::{BINARY, NAMES, failed};
use super::look::{MODE, PROBE, absolute, plugin, supported};
use crate::failure::{Failure, Kind};

/// How its name begins beside the plugins, and how many random characters follow: nobody else's directory is named so.
const PREFIX: &str = ".linkspan-stage-";
const RANDOM: usize = 6;

/// Where a file can be tried that is not to be written beside the plugins. Links may be anywhere, also where nothing can be run.
const ELSEWHERE: [&str; 2] = ["/dev/shm", "/run"];

/// It is removed when dropped.
pub(super) struct Stage {
    directory: TempDir,
}

impl Stage {
    /// Beside the plugins, with a copy of the file, or a link to it where it is there.
    pub(super) fn beside(bin_dir: &Path, source: &Path, is_there: bool) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(RANDOM)
            .tempdir_in(bin_dir)
            .map_err(failed("write", bin_dir))?;
        let stage = Self { directory };
        let binary = stage.path(BINARY);
        let is_linked = is_there && fs::hard_link(bin_dir.join(BINARY), &binary).is_ok();
        if !is_linked {
            copy(source, &binary)?;
        }
        Ok(stage)
    }

    /// Makes a link for each of these names.
    pub(super) fn link(&self, names: &[&str]) -> Result<(), Failure> {
        names.iter().try_for_each(|name| {
            let link = self.path(name);
            fs::hard_link(self.path(BINARY), &link)
                .or_else(|_| symlink(BINARY, &link))
                .map_err(failed("write", &link))
        })
    }

    /// Where temporary files are, with links to the file: to see what it holds, and change nothing.
    pub(super) fn elsewhere(source: &Path) -> Result<Self, Failure> {
        let places = std::iter::once(std::env::temp_dir()).chain(ELSEWHERE.map(PathBuf::from));
        let source = absolute(source);
        let mut stages = places.map(|place| Self::below(&place, &source));
        let Some(stage) = stages.find_map(Result::ok) else {
            let words =
                "there is no directory for temporary files, in which the plugins could be tried";
            return Err(Failure::new(Kind::Failed, words).advise("Set TMPDIR."));
        };
        Ok(stage)
    }

    /// With links to the file, or to a copy where that itself cannot be run: what is installed is a copy, too.
    fn below(place: &Path, source: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
        let stage = Self { directory };
        let copy = stage.path("copy");
        let mut target = source;
        if rustix::fs::access(source, Access::EXEC_OK).is_err() {
            fs::copy(source, &copy)?;
            fs::set_permissions(&copy, Permissions::from_mode(MODE))?;
            // Neither may this place let it be run.
            rustix::fs::access(&copy, Access::EXEC_OK)?;
            target = &copy;
        }
        for name in NAMES.iter().chain([&BINARY]) {
            symlink(target, stage.path(name))?;
        }
        Ok(stage)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Tries which of these names the file answers to.
    pub(super) fn holds(
        &self,
        source: &Path,
        names: &[&'static str],
    ) -> Result<Vec<&'static str>, Failure> {
        // A plugin that is alone in its file answers by whatever name it is called.
        if supported(&plugin(BINARY)?, &self.path(BINARY)).is_ok() {
            let words = format!("{} is one plugin, not a file of many", source.display());
            return Err(Failure::new(Kind::Failed, words)
                .advise("Nothing was installed. Name Linkspan's linkspan-plugins with --from."));
        }
        let mut answering = Vec::new();
        for name in names.iter().copied() {
            match supported(&plugin(name)?, &self.path(name)) {
                Ok(_) => answering.push(name),
                // What cannot even be run has not said that it does not hold a plugin.
                Err(error) if name == PROBE || was_not_run(&error) => {
                    return Err(unusable(error, source, &self.path(name)));
                }
                Err(_) => {}
            }
        }
        Ok(answering)
    }
}

/// Copies the file, so that it is whole on the disk before its name is.
fn copy(source: &Path, binary: &Path) -> Result<(), Failure> {
    let copied = || {
        fs::copy(source, binary)?;
        let file = File::open(binary)?;
        if rustix::process::geteuid().is_root() {
            // A directory may give its own group to what is made in it. Who may not change that lets it be.
            let _ = fchown(&file, Some(0), Some(0));
        }
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.sync_all()
    };
    copied().map_err(failed("copy", source))
}

/// Removes what installations that were killed have left. Best effort: it is in nobody's way. Whoever calls this has the directory
/// for itself.
pub(in crate::commands) fn sweep(bin_dir: &Path) {
    for entry in fs::read_dir(bin_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_stage = random.is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if is_stage && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn was_not_run(error: &Error) -> bool {
    matches!(error, Error::Plugin(plugin) if matches!(plugin.cause, Cause::NotRun { .. }))
}

/// Why a file is not that of the plugins, as far as can be told; `tried` is gone when that is read.
fn unusable(error: Error, source: &Path, tried: &Path) -> Failure {
    let source_for = |advice: String| {
        let (tried, source) = (tried.to_string_lossy(), source.to_string_lossy());
        advice.replace(&*tried, &source)
    };
    let known = error.advice().filter(|_| was_not_run(&error));
    let advice = known.map(source_for).unwrap_or_else(|| {
        format!(
            "{} is not the file of Linkspan's plugins, or not for this machine.",
            source.display()
        )
    });
    Failure::from(error).advise(format!("{advice} Nothing was installed."))
}
