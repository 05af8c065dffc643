//! `lint --fix`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use linkspan_lint::Document;
use linkspan_lint::fix::{fixed, write};

use super::{read, reports};
use crate::args::Lint;
use crate::failure::{Failure, Kind};

/// What was put right makes other rules speak; those of one file are through by then.
const ROUNDS: usize = 10;

/// A file that was changed, and how often.
pub(super) struct Fixed {
    /// The file.
    pub(super) path: PathBuf,
    /// How many findings were mended.
    pub(super) count: usize,
}

/// Changes the files, looks at them again, and so on until nothing is left that is certain.
pub(super) fn fix(args: &Lint) -> Result<Vec<Fixed>, Failure> {
    if args.files.iter().any(|path| path.as_os_str() == "-") {
        let words = "standard input cannot be put right";
        return Err(Failure::usage(words).advise("Give --fix files or directories."));
    }
    let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let documents = read(args)?;
        let mended = round(args, &documents, &mut counts)?;
        if mended == 0 {
            break;
        }
    }
    let fixed = counts.into_iter();
    Ok(fixed.map(|(path, count)| Fixed { path, count }).collect())
}

fn round(
    args: &Lint,
    documents: &[Document],
    counts: &mut BTreeMap<PathBuf, usize>,
) -> Result<usize, Failure> {
    let mut mended = 0;
    for report in reports(args, documents) {
        let source = &report.source;
        let mut of_file = documents
            .iter()
            .filter(|one| std::sync::Arc::ptr_eq(&one.source, source));
        let Some(path) = of_file.find_map(|document| document.path.clone()) else {
            continue;
        };
        let (after, count) = fixed(source.text(), &report.findings);
        // What is no text, or more than is read, cannot be written as it was read.
        if count == 0 || source.not_utf8().is_some() || source.is_cut() {
            continue;
        }
        write(&path, source.text().as_bytes(), after.as_bytes()).map_err(|error| {
            let words = format!("cannot put {} right", path.display());
            Failure::new(Kind::Failed, words).because(error)
        })?;
        *counts.entry(path).or_default() += count;
        mended += count;
    }
    Ok(mended)
}
