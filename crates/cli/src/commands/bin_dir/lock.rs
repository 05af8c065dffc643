//! One installation at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::ui::Ui;

/// Held by whoever changes a directory of plugins, until it is dropped or its process ends: a lock of the directory itself, so that
/// nothing is left of it.
pub(in crate::commands) struct Lock {
    _directory: File,
}

impl Lock {
    /// Waits for its turn. `None` where there are no locks.
    pub(in crate::commands) fn of(bin_dir: &Path, ui: Ui) -> Option<Self> {
        let directory = File::open(bin_dir).ok()?;
        match directory.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                ui.note(&format!(
                    "waiting until another `linkspan` has done with {}",
                    bin_dir.display()
                ));
                directory.lock().ok()?;
            }
            Err(TryLockError::Error(_)) => return None,
        }
        Some(Self {
            _directory: directory,
        })
    }
}
