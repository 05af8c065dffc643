//! What is left after the containers were detached.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use linkspan_spec::Value;

use super::look::{Element, State};
use crate::failure::{Failure, Kind};
use crate::ui::object;

/// What was not there before, and what is not there any more.
pub(super) struct Left {
    /// Interfaces in the machine's namespace that stay on purpose.
    pub(super) bridges: Vec<String>,
    /// Tables of nftables that stay, without an element.
    pub(super) tables: Vec<String>,
    /// Files that stay on purpose.
    pub(super) files: Vec<PathBuf>,
    /// What should not be so.
    wrong: Vec<String>,
}

impl Left {
    pub(super) fn between(before: &State, after: &State) -> Self {
        let mut left = Self {
            bridges: Vec::new(),
            tables: after.tables.difference(&before.tables).cloned().collect(),
            files: Vec::new(),
            wrong: Vec::new(),
        };
        left.compare_interfaces(before, after);
        let elements = after.elements.iter();
        let new = elements.filter(|element| !before.elements.contains(element));
        left.wrong.extend(new.map(|element| {
            let Element {
                table, set, key, ..
            } = element;
            format!("nftables element {key} of set {table} {set} is left")
        }));
        let files = after.files.difference(&before.files);
        for file in files.filter(|file| !tells_of_calls(file)) {
            if stays(file) {
                left.files.push(file.clone());
            } else {
                left.wrong.push(format!("file {} is left", file.display()));
            }
        }
        left
    }

    fn compare_interfaces(&mut self, before: &State, after: &State) {
        let names = |state: &State| -> BTreeSet<(&'static str, String, bool)> {
            let interfaces = state.interfaces.iter();
            interfaces
                .map(|one| (one.place, one.link.name.clone(), one.link.is_kind("bridge")))
                .collect()
        };
        let (before, after) = (names(before), names(after));
        for (place, name, is_bridge) in after.difference(&before) {
            if *place == "host" && *is_bridge {
                self.bridges.push(name.clone());
            } else {
                self.wrong
                    .push(format!("interface {name} of {place} is left"));
            }
        }
        for (place, name, _) in before.difference(&after) {
            self.wrong
                .push(format!("interface {name} of {place} is gone"));
        }
    }

    pub(super) fn interfaces_text(&self) -> String {
        match self.bridges.join(", ") {
            empty if empty.is_empty() => "nothing".to_owned(),
            bridges => {
                format!("the bridge {bridges}, for the next container; in c1 and c2 only lo")
            }
        }
    }

    pub(super) fn tables_text(&self) -> String {
        match self.tables.join(", ") {
            empty if empty.is_empty() => "nothing".to_owned(),
            tables => format!("no element; the table {tables} stays"),
        }
    }

    /// The files by directory.
    pub(super) fn files_text(&self) -> String {
        let mut directories: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in &self.files {
            let text =
                |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
            let directory = text(file.parent().map(Path::as_os_str));
            let names = directories.entry(directory).or_default();
            names.push(text(file.file_name()));
        }
        let directories = directories.iter();
        let texts: Vec<_> = directories
            .map(|(directory, names)| format!("{} in {directory}", names.join(", ")))
            .collect();
        match texts.join("; ") {
            empty if empty.is_empty() => "nothing".to_owned(),
            texts => texts,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let files = self.files.iter();
        let files = files.map(|file| Value::from(file.to_string_lossy()));
        object([
            ("interfaces", self.bridges.clone().into()),
            ("nftables", self.tables.clone().into()),
            ("files", files.collect()),
        ])
    }

    /// Fails when anything is as it should not be.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(
            Kind::Failed,
            "after DEL the machine is not as it was before ADD",
        );
        Err(self.wrong.iter().fold(failure, Failure::because))
    }
}

/// Whether plugins tell there of their calls, which is nothing of an attachment.
fn tells_of_calls(file: &Path) -> bool {
    let folder = file.parent();
    file.starts_with("/run/cni/linkspan") && folder.is_some_and(|folder| folder.ends_with("events"))
}

/// Files that the reference's format keeps: what is locked, and which address was given last.
fn stays(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name == "lock" || name.ends_with(".lock") || name.starts_with("last_reserved_ip.")
}
