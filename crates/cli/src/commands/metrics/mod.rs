//! `metrics`.

mod exposition;
mod families;

use std::io;
use std::path::Path;

use linkspan_events::Ring;

use super::events::unreadable;
use crate::args::Metrics;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::ui::{Ui, object};

/// Who reads metrics is not root.
const MODE: u32 = 0o644;

/// Writes metrics to a file or to standard output.
pub(crate) fn metrics(ui: Ui, args: &Metrics) -> Result<(), Failure> {
    let ring = Ring::open_if_there().map_err(unreadable)?;
    let history = ring.map(|ring| ring.read()).transpose();
    let totals = history.map_err(unreadable)?.unwrap_or_default().totals;
    let text = families::text(&totals, &ui.look(&args.look.places()));
    let Some(path) = &args.output else {
        return match ui.json {
            true => ui.print_json(&object([("metrics", text.into())])),
            false => ui.print(&text),
        };
    };
    file::replace(path, text.as_bytes(), MODE).map_err(|error| unwritable(path, &error))?;
    let path = path.display().to_string();
    ui.done(
        &format!("metrics are in {path}"),
        object([("file", path.as_str().into())]),
    )
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
