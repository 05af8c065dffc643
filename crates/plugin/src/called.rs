//! Which plugin an executable was started as.
//!
//! A file is the plugin that it is named after. Others who ship plugins rename theirs, so as not to overwrite those of the
//! host: a name that ends in a plugin's (`cnv-bridge`), or begins with one (`sbr-custom`), is that plugin too, and so is a
//! link to one. A name that begins with one and ends in another says nothing. A file of one plugin alone is that plugin, whatever
//! it is called.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use linkspan_spec::{Error, ErrorCode};

use crate::{Handler, Table, find};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// The file that the kernel was told to start, as far as it is known.
pub(crate) fn started() -> &'static Path {
    let path = linkspan_stub::started().unwrap_or_default();
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

/// The file that this was started as: where the kernel was given a descriptor, the one that `argv[0]` names. So a stub starts it,
/// which hands on its own path.
pub(crate) fn started_as(arguments: &[OsString]) -> &Path {
    match arguments.first() {
        Some(name) if started().starts_with("/dev/fd") => Path::new(name),
        _ => started(),
    }
}

/// The plugin that was started: by the file name of `argv[0]`, by the first argument, by the names of the files that the
/// link `started` leads to, or by a part of one of these names. With the words that come behind its name.
pub(crate) fn plugin<'a>(
    table: &Table,
    arguments: &'a [OsString],
    started: &Path,
) -> Option<(&'static dyn Handler, &'a [OsString])> {
    let words = arguments.get(1..).unwrap_or_default();
    let exact = |name: &OsStr| find(table, name.to_str()?);
    let own = own_name(arguments);
    if let Some(handler) = own.and_then(exact) {
        return Some((handler, words));
    }
    if let Some((name, words)) = words.split_first()
        && let Some(handler) = exact(name)
    {
        return Some((handler, words));
    }
    if let [only] = table {
        return Some((*only, words));
    }
    let links = links(started);
    let names = || {
        own.into_iter()
            .chain(links.iter().filter_map(|path| path.file_name()))
    };
    let handler = names()
        .find_map(exact)
        .or_else(|| names().find_map(|name| by_part(table, name.to_str()?)));
    handler.map(|handler| (handler, words))
}

/// The plugin that the file at `path`, a file of this table, is when it is started by that path.
pub(crate) fn by_path(table: &Table, path: &Path) -> Option<&'static dyn Handler> {
    plugin(table, &[path.as_os_str().to_owned()], path).map(|(handler, _)| handler)
}

fn own_name(arguments: &[OsString]) -> Option<&OsStr> {
    arguments.first().map(Path::new).and_then(Path::file_name)
}

/// Where a link leads, step by step.
fn links(path: &Path) -> Vec<PathBuf> {
    let next = |path: &PathBuf| {
        let target = std::fs::read_link(path).ok()?;
        Some(path.parent()?.join(target))
    };
    let all = std::iter::successors(Some(path.to_owned()), next);
    all.skip(1).take(MAX_LINKS).collect()
}

/// The plugin whose name is the last or the first part of this one; of several, the longest.
fn by_part(table: &Table, name: &str) -> Option<&'static dyn Handler> {
    const SEPARATORS: [char; 2] = ['-', '_'];
    let longest = |is_part: &dyn Fn(&str) -> bool| {
        let parts = table.iter().copied().filter(|one| is_part(one.name()));
        parts.max_by_key(|one| one.name().len())
    };
    let last = longest(&|part| {
        let rest = name.strip_suffix(part);
        rest.is_some_and(|rest| rest.ends_with(SEPARATORS))
    });
    let first = longest(&|part| {
        let rest = name.strip_prefix(part);
        rest.is_some_and(|rest| rest.starts_with(SEPARATORS))
    });
    match (last, first) {
        (Some(last), Some(first)) if last.name() != first.name() => None,
        (last, first) => last.or(first),
    }
}

/// What is told to a runtime that called a file by a name that says nothing.
pub(crate) fn unknown(table: &Table, arguments: &[OsString]) -> Error {
    let argument = arguments.get(1).map(OsString::as_os_str);
    let name = argument.or(own_name(arguments)).unwrap_or_default();
    let name = name.to_string_lossy();
    let plugins: Vec<&str> = table.iter().map(|handler| handler.name()).collect();
    Error::new(
        ErrorCode::PLUGIN_NOT_AVAILABLE,
        format!("{name:?} names none of the plugins in this file"),
    )
    .with_details(format!(
        "name the file as one of them ({}), or so that its name ends in \"-\" and a plugin's or begins with a plugin's and \
         \"-\", but not both; or make it a link to a file of such a name",
        plugins.join(", ")
    ))
}

#[cfg(test)]
mod tests;
