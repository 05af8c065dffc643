//! `metrics`.

mod exposition;
mod families;

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use linkspan_events::Ring;

use super::events::unreadable;
use crate::args::Metrics;
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, object};

/// Who reads metrics is not root.
const MODE: u32 = 0o644;

/// Writes metrics to a file or to standard output.
pub(crate) fn metrics(ui: Ui, args: &Metrics) -> Result<(), Failure> {
    let ring = Ring::open_if_there().map_err(unreadable)?;
    let history = ring.map(|ring| ring.read()).transpose();
    let totals = history.map_err(unreadable)?.unwrap_or_default().totals;
    let text = families::text(&totals, &ui.look(&args.look.places()));
    let Some(file) = &args.output else {
        return match ui.json {
            true => ui.print_json(&object([("metrics", text.into())])),
            false => ui.print(&text),
        };
    };
    replace(file, &text).map_err(|error| unwritable(file, &error))?;
    let path = file.display().to_string();
    ui.done(
        &format!("metrics are in {path}"),
        object([("file", path.as_str().into())]),
    )
}

/// Puts a file in the place of the one that is there: whoever reads it meets the old one or the new one whole.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // The collector reads what ends in .prom, which this does not before it is complete.
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    let permissions = Permissions::from_mode(MODE);
    file.as_file().set_permissions(permissions)?;
    file.persist(path)?;
    Ok(())
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let words = format!("cannot write metrics to {}", path.display());
    let failure = Failure::new(Kind::Failed, words).because(error);
    match error.kind() {
        io::ErrorKind::NotFound => failure.advise(
            "Make the directory; it is the one that the node exporter was given as --collector.textfile.directory.",
        ),
        _ => failure,
    }
}
