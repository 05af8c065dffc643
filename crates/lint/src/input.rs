//! The files that are looked at.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linkspan_spec::MAX_INPUT;

use crate::document::{Document, Form, Obstacle};
use crate::json::{self, Reading};
use crate::source::Source;
use crate::yaml;

/// Reads a file that was named: whatever its name, it is meant.
///
/// # Errors
/// When it cannot be read.
pub fn file(path: &Path) -> io::Result<Vec<Document>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    file.take(MAX_INPUT as u64 + 1).read_to_end(&mut bytes)?;
    let form = match extension(path) {
        Some("conflist") => Form::List,
        Some("conf") => Form::Single,
        _ => Form::Free,
    };
    Ok(documents(&path.to_string_lossy(), Some(path), &bytes, form))
}

/// Reads what somebody wrote to standard input.
pub fn text(name: &str, bytes: &[u8]) -> Vec<Document> {
    documents(name, None, bytes, Form::Free)
}

/// Reads a directory as a runtime does: lists, then single plugins, each by their names; behind a list the folder of its
/// network. Manifests come last, and files that no runtime reads.
///
/// # Errors
/// When it cannot be read. What is wrong with a file in it is told of the file.
pub fn directory(path: &Path) -> io::Result<Vec<Document>> {
    let names = names(path)?;
    let with = |form: Form| {
        let names = names.iter();
        names.filter(move |name| form_of(Path::new(name)) == Some(form))
    };
    let mut documents = Vec::new();
    for name in with(Form::List) {
        for mut list in entry(&path.join(name), Form::List) {
            let parts: Vec<Document> = folder(path, &list)
                .iter()
                .flat_map(|one| parts(one))
                .collect();
            list.is_continued = !parts.is_empty();
            documents.push(list);
            documents.extend(parts);
        }
    }
    for form in [Form::Single, Form::Free, Form::Ignored] {
        for name in with(form) {
            let found = entry(&path.join(name), form);
            // A file that no runtime reads may be anything.
            let is_one = |document: &Document| {
                form != Form::Ignored
                    || document
                        .plugins()
                        .iter()
                        .any(|plugin| plugin.kind.is_some())
            };
            documents.extend(found.into_iter().filter(is_one));
        }
    }
    Ok(documents)
}

/// The folder whose plugins continue a list.
fn folder(directory: &Path, list: &Document) -> Option<PathBuf> {
    let (name, _) = list.name()?;
    let is_closed = list.member("loadOnlyInlinedPlugins");
    let is_closed = is_closed.is_some_and(|member| match member.node.as_str() {
        Some(text) => text.eq_ignore_ascii_case("true"),
        None => member.node.to_json() == true,
    });
    let is_name = name.parse::<linkspan_spec::NetworkName>().is_ok();
    (is_name && !is_closed).then(|| directory.join(name))
}

fn parts(folder: &Path) -> Vec<Document> {
    let names = names(folder).unwrap_or_default().into_iter();
    let files = names.filter(|name| extension(Path::new(name)) == Some("conf"));
    files
        .flat_map(|name| entry(&folder.join(name), Form::Part))
        .collect()
}

/// The names of the files in a directory, sorted as runtimes sort them. Nothing else than files is opened: a pipe would be
/// waited for.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_file = fs::metadata(entry.path()).map_or(true, |meta| meta.is_file());
        if is_file {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn form_of(path: &Path) -> Option<Form> {
    match extension(path) {
        Some("conflist") => Some(Form::List),
        Some("conf" | "json") => Some(Form::Single),
        Some("yaml" | "yml") => Some(Form::Free),
        _ if is_put_aside(&path.to_string_lossy()) => None,
        _ => Some(Form::Ignored),
    }
}

/// Whether a file's name says that somebody or an installer has put it aside, or uses it for something else.
fn is_put_aside(name: &str) -> bool {
    const ENDS: [&str; 19] = [
        "~",
        ".bak",
        ".backup",
        ".cilium_bak",
        ".disabled",
        ".off",
        ".old",
        ".orig",
        ".save",
        ".swp",
        ".temp",
        ".template",
        ".tmp",
        ".tmpl",
        ".tpl",
        ".rpmnew",
        ".rpmsave",
        ".in",
        ".example",
    ];
    let name = name.to_ascii_lowercase();
    name.starts_with('.') || name.contains(".dpkg-") || ENDS.iter().any(|end| name.ends_with(end))
}

/// What stands behind the last dot; of `.conf` too, which runtimes read.
fn extension(path: &Path) -> Option<&str> {
    let (_, extension) = path.file_name()?.to_str()?.rsplit_once('.')?;
    Some(extension)
}

/// A file of a directory.
fn entry(path: &Path, form: Form) -> Vec<Document> {
    let name = path.to_string_lossy();
    let mut bytes = Vec::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(MAX_INPUT as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => documents(&name, Some(path), &bytes, form),
        Err(_) if form == Form::Ignored => Vec::new(),
        Err(error) => {
            let source = Arc::new(Source::new(name, b""));
            let obstacle = Obstacle::Unreadable(error.to_string());
            vec![Document::unread(source, Some(path.to_owned()), obstacle)]
        }
    }
}

pub(crate) fn documents(
    name: &str,
    path: Option<&Path>,
    bytes: &[u8],
    form: Form,
) -> Vec<Document> {
    let source = Arc::new(Source::new(name, bytes));
    let is_yaml = match path.and_then(extension) {
        Some("yaml" | "yml") => true,
        Some("conf" | "conflist") => false,
        Some("json") => is_object_of_kubernetes(source.text()),
        _ => is_manifest(source.text()) || is_object_of_kubernetes(source.text()),
    };
    match is_yaml {
        true => manifest(source, path),
        false => vec![Document::of_file(source, path.map(Path::to_owned), form)],
    }
}

/// Whether a text is a manifest and no JSON, by how it begins.
fn is_manifest(text: &str) -> bool {
    let begins = !text
        .trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t'])
        .starts_with(['{', '[']);
    begins && text.contains("kind:")
}

/// Whether a text is a manifest as JSON, as `kubectl get -o json` writes it, which is YAML as well.
fn is_object_of_kubernetes(text: &str) -> bool {
    if !text.trim_start().starts_with('{') || !text.contains("\"apiVersion\"") {
        return false;
    }
    let root = json::parse(text, Reading::Exact).root;
    root.is_some_and(|root| {
        let has = |key: &str| root.get(key).is_some();
        has("apiVersion") && has("kind") && !has("type") && !has("plugins")
    })
}

fn manifest(source: Arc<Source>, path: Option<&Path>) -> Vec<Document> {
    let path = || path.map(Path::to_owned);
    let manifest = yaml::read(&source);
    let mut documents = Vec::new();
    for found in manifest.found {
        let form = match found.is_list {
            Some(true) => Form::List,
            Some(false) => Form::Single,
            None => Form::Free,
        };
        let source = Arc::clone(&source);
        documents.push(Document {
            is_named_outside: found.is_named_outside,
            form,
            ..Document::embedded(source, path(), found.within, found.embedding)
        });
    }
    for (span, within) in manifest.not_strings {
        let document = Document::unread(Arc::clone(&source), path(), Obstacle::NotString(span));
        documents.push(Document {
            within: Some(within),
            ..document
        });
    }
    // What is filled in by somebody may become YAML only then.
    let is_template = source.text().contains("{{");
    if let Some((at, why)) = manifest.refused.filter(|_| !is_template) {
        documents.push(Document::unread(source, path(), Obstacle::Yaml(at, why)));
    }
    documents
}
