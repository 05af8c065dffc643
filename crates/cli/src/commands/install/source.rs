//! The file that is installed.

use std::fs;
use std::path::{Path, PathBuf};

use linkspan_inspect::{is_linkspan, linkspan_version};

use super::super::bin_dir::{BINARY, NAMES};
use super::look::PROBE;
use crate::failure::{Failure, Kind};
use crate::target::plugin_dirs;

/// The plugins' file: the one that is named, or beside this program, as it is built, or where plugins are, as it is installed.
///
/// A directory stands for the file in it that holds all plugins, and so does a file of Linkspan's that does not: in the tarball most
/// names are stubs of one that does.
pub(super) fn find(from: Option<&Path>) -> Result<PathBuf, Failure> {
    let Some(path) = from else {
        return plugins_file().map_err(|failure| failure.advise("Name it with --from."));
    };
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => whole_in(path)
            .ok_or_else(|| no_file(path).because("no file in it holds Linkspan's plugins")),
        Ok(meta) if meta.is_file() && is_linkspan(path) && linkspan_version(path).is_none() => {
            let directory = path.parent().map(|parent| parent.join("."));
            let whole = directory.as_deref().and_then(whole_in);
            Ok(whole.unwrap_or_else(|| path.to_owned()))
        }
        Ok(meta) if meta.is_file() => Ok(path.to_owned()),
        Ok(_) => Err(no_file(path).because("it is no file")),
        Err(error) => Err(no_file(path).because(error)),
    }
}

/// The file in a directory that holds all plugins, whatever its name.
fn whole_in(directory: &Path) -> Option<PathBuf> {
    let names = [BINARY, PROBE].into_iter().chain(NAMES.iter().copied());
    let mut paths = names.map(|name| directory.join(name));
    paths.find(|path| linkspan_version(path).is_some())
}

/// The plugins' file: beside this program, as it is built, or where plugins are, as it is installed.
pub(in crate::commands) fn plugins_file() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(Kind::Failed, "cannot tell where this program is").because(error)
    })?;
    let beside = program.with_file_name(BINARY);
    let installed = plugin_dirs(None).into_iter().map(|dir| dir.join(BINARY));
    let places: Vec<_> = std::iter::once(beside).chain(installed).collect();
    match places.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => {
            let searched: Vec<_> = places
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let words = format!("the plugins' file is not there: {}", searched.join(", "));
            Err(Failure::new(Kind::Failed, words))
        }
    }
}

fn no_file(path: &Path) -> Failure {
    let words = format!("the plugins' file {} is not there", path.display());
    Failure::new(Kind::Failed, words).advise("Name it with --from.")
}
