//! `lint`: what is wrong with configurations, where, and what mends it.

mod draw;
mod fix;
mod json;

use std::io::Read;
use std::path::Path;

use linkspan_lint::host::Facts;
use linkspan_lint::{
    Document, FileReport, Finding, RULES, Severity, input, lint as look_at, sarif,
};
use linkspan_spec::MAX_INPUT;

use crate::args::{Lint, LintFormat};
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, table};

/// The name by which standard input is spoken of.
const STANDARD_INPUT: &str = "<stdin>";

/// Looks at files with all rules, puts right what is wanted, and tells what there is.
pub(crate) fn lint(ui: Ui, args: &Lint) -> Result<(), Failure> {
    if args.list {
        return list(ui);
    }
    let fixed = match args.fix {
        true => fix::fix(args)?,
        false => Vec::new(),
    };
    let documents = read(args)?;
    ui.detail(|| format!("looked into {} configurations", documents.len()));
    if documents.is_empty() {
        ui.note("there is no network configuration in what was looked at");
    }
    let reports = reports(args, &documents);
    match (args.format, ui.json) {
        (LintFormat::Sarif, _) => ui.print_json(&sarif::log(&reports))?,
        (LintFormat::Text, false) => ui.print(&draw::text(ui.style(), &reports, &fixed))?,
        _ => ui.print_json(&json::json(&reports, &fixed))?,
    }
    verdict(&reports, args.strict)
}

/// Findings as JSON, for commands that lint what they make.
pub(crate) fn findings_json(reports: &[FileReport]) -> linkspan_spec::Value {
    json::findings(reports)
}

/// Reads what was named.
fn read(args: &Lint) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    let usual = match args.files.is_empty() {
        true => args.look.places().config_dirs,
        false => Vec::new(),
    };
    for path in usual.iter().filter(|path| path.exists()) {
        documents.extend(input::directory(path).map_err(unreadable(path))?);
    }
    for path in &args.files {
        let found = match (path.as_os_str() == "-", path.is_dir()) {
            (true, _) => Ok(input::text(STANDARD_INPUT, &standard_input()?)),
            (false, true) => input::directory(path),
            (false, false) => input::file(path),
        };
        documents.extend(found.map_err(unreadable(path))?);
    }
    Ok(documents)
}

fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let input = std::io::stdin().lock();
    input
        .take(MAX_INPUT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::new(Kind::Network, "cannot read standard input").because(error)
        })?;
    Ok(bytes)
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let words = format!("cannot read {}", path.display());
    move |error| Failure::new(Kind::Network, words).because(error)
}

fn reports(args: &Lint, documents: &[Document]) -> Vec<FileReport> {
    let facts = (!args.no_host).then(|| Facts::gather(&args.look.places(), documents));
    look_at(documents, facts.as_ref())
}

fn verdict(reports: &[FileReport], strict: bool) -> Result<(), Failure> {
    let [errors, warnings, _] = count(reports);
    let words = match (errors, warnings) {
        (0, 0) => return Ok(()),
        (0, _) if !strict => return Ok(()),
        (0, 1) => "1 warning was found".to_owned(),
        (0, many) => format!("{many} warnings were found"),
        (1, _) => "1 error was found".to_owned(),
        (many, _) => format!("{many} errors were found"),
    };
    Err(Failure::new(Kind::Failed, words))
}

/// How many errors, warnings and notes there are.
fn count(reports: &[FileReport]) -> [usize; 3] {
    [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let findings = findings(reports);
        findings
            .filter(|(_, finding)| finding.severity == severity)
            .count()
    })
}

fn findings<'a>(reports: &'a [FileReport]) -> impl Iterator<Item = (&'a FileReport, &'a Finding)> {
    let of = |report: &'a FileReport| report.findings.iter().map(move |finding| (report, finding));
    reports.iter().flat_map(of)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn list(ui: Ui) -> Result<(), Failure> {
    if ui.json {
        return ui.print_json(&json::rules());
    }
    let heading = ["RULE", "SEVERITY", "WHAT IT FINDS"]
        .map(str::to_owned)
        .to_vec();
    let rules = RULES.iter().map(|rule| {
        [rule.id, word(rule.severity), rule.about]
            .map(str::to_owned)
            .to_vec()
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rules).collect();
    ui.print(&table(ui.style(), &rows))
}
