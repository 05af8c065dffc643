//! What `uninstall` does about files, in words, and why it would not.

use std::path::Path;

use super::super::bin_dir::{Intent, obstacles};
use super::{Fate, Replaced};
use crate::failure::{Failure, Kind};

/// What becomes of the files in a directory of plugins.
pub(in crate::commands) struct Files {
    /// Of each name at which there is something.
    pub(in crate::commands) fates: Vec<(&'static str, Fate)>,
    /// Names of which something is kept.
    kept: Vec<&'static str>,
}

impl Files {
    pub(in crate::commands) fn of(replaced: &Replaced<'_>) -> Self {
        Self {
            fates: replaced.fates(),
            kept: replaced.kept(),
        }
    }

    /// The names of a fate.
    pub(in crate::commands) fn names(&self, fate: Fate) -> Vec<&'static str> {
        let of_fate = self.fates.iter().filter(|(_, of)| *of == fate);
        of_fate.map(|(name, _)| *name).collect()
    }

    /// Names of which something is kept that does not come back, since a newer file is in its place.
    pub(in crate::commands) fn without_place(&self) -> Vec<&'static str> {
        let names = self.names(Fate::LeftAlone).into_iter();
        names.filter(|name| self.kept.contains(name)).collect()
    }

    pub(in crate::commands) fn is_nothing_to_do(&self) -> bool {
        self.fates.iter().all(|(_, fate)| *fate == Fate::LeftAlone)
    }

    /// What will be done.
    pub(in crate::commands) fn intention(&self, replaced: &Replaced<'_>, bin_dir: &Path) -> String {
        let bin_dir = bin_dir.display();
        let kept = replaced.directory();
        let kept = kept.display();
        let lines = [
            (
                self.names(Fate::PutBack),
                format!("Put back in {bin_dir}, from {kept}"),
            ),
            (self.names(Fate::Removed), format!("Remove from {bin_dir}")),
            (
                self.names(Fate::LeftAlone),
                format!("Leave alone in {bin_dir}, since it is not Linkspan's"),
            ),
            (
                self.without_place(),
                format!("Leave in {kept}, since something else is in its place"),
            ),
        ];
        let lines = lines.into_iter().filter(|(names, _)| !names.is_empty());
        let mut text: String = lines
            .map(|(names, words)| format!("{words}: {}\n", names.join(", ")))
            .collect();
        if self.is_nothing_to_do() {
            text.insert_str(0, &format!("Nothing of Linkspan's is in {bin_dir}.\n"));
        }
        text
    }

    /// Refuses what cannot be done, before anything is.
    pub(in crate::commands) fn refuse_obstacles(
        &self,
        replaced: &Replaced<'_>,
        bin_dir: &Path,
    ) -> Result<(), Failure> {
        let changed = self
            .fates
            .iter()
            .filter(|(_, fate)| *fate != Fate::LeftAlone);
        let changed: Vec<_> = changed.map(|(name, _)| *name).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let mut found = obstacles(
            bin_dir,
            &Intent {
                changed,
                installed: None,
            },
        );
        found.extend(replaced.obstacle(&self.names(Fate::PutBack)));
        if found.is_empty() {
            return Ok(());
        }
        let words = format!("nothing can be put back in {}", bin_dir.display());
        let failure = found
            .iter()
            .fold(Failure::new(Kind::Failed, words), Failure::because);
        Err(failure.advise("Nothing was changed. Mend that, and repeat the command."))
    }
}
