//! `doctor`: what is wrong on this host, and what mends it.

mod fix;

use std::fmt::Write;

use linkspan_inspect::System;
use linkspan_inspect::checks::{CHECKS, Check, Report};
use linkspan_inspect::finding::{Finding, Mend, Severity};
use linkspan_spec::Value;

use crate::args::Doctor;
use crate::failure::{Failure, Kind};
use crate::style::Style;
use crate::ui::{Ui, object, table};

/// Makes the checks, tells what they find, and puts right what is wanted.
pub(crate) fn doctor(ui: Ui, args: &Doctor) -> Result<(), Failure> {
    if args.list {
        return list(ui);
    }
    require_known(&args.check)?;
    if args.fix {
        return fix::fix(ui, args);
    }
    let (report, sight) = look(ui, args);
    match ui.json {
        true => ui.print_json(&json(ui, &report)?)?,
        false => ui.print(&text(ui.style(), &report, args.all, sight))?,
    }
    verdict(&report)
}

/// How much of the host was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    All,
    Part,
}

/// Looks at the host and makes the checks.
fn look(ui: Ui, args: &Doctor) -> (Report, Sight) {
    let places = args.look.places();
    let host = ui.look(&places);
    let sight = match host.blind_spots.is_empty() {
        true => Sight::All,
        false => Sight::Part,
    };
    let system = System::look(&host, &places);
    (Report::of(&host, &system, &args.check), sight)
}

fn require_known(wanted: &[String]) -> Result<(), Failure> {
    let is_unknown = |id: &&String| !CHECKS.iter().any(|check| check.id == id.as_str());
    match wanted.iter().find(is_unknown) {
        None => Ok(()),
        Some(id) => Err(Failure::usage(format!("there is no check {id:?}"))
            .advise("`linkspan doctor --list` lists them.")),
    }
}

fn verdict(report: &Report) -> Result<(), Failure> {
    let errors = count(report, Severity::Error);
    match errors {
        0 => Ok(()),
        1 => Err(Failure::new(Kind::Failed, "1 error was found")),
        many => Err(Failure::new(
            Kind::Failed,
            format!("{many} errors were found"),
        )),
    }
}

fn count(report: &Report, severity: Severity) -> usize {
    let findings = report.findings.iter();
    findings.filter(|found| found.severity == severity).count()
}

/// The severities, the worst first, as headings.
const SEVERITIES: [(Severity, &str, &str); 3] = [
    (Severity::Error, "error", "errors"),
    (Severity::Warning, "warning", "warnings"),
    (Severity::Note, "note", "notes"),
];

fn text(style: Style, report: &Report, all: bool, sight: Sight) -> String {
    let mut text = String::new();
    for (severity, _, _) in SEVERITIES {
        let findings = report.findings.iter();
        for finding in findings.filter(|found| found.severity == severity) {
            write_finding(&mut text, style, finding);
        }
    }
    if all {
        for check in report.passed() {
            let _ = writeln!(
                text,
                "{} {} {}",
                style.good("✓"),
                check.title,
                style.dim(check.id)
            );
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &summary(report, sight)
}

/// Columns before the words of a finding.
const MARGIN: usize = 9;

fn write_finding(text: &mut String, style: Style, finding: &Finding) {
    let label = match finding.severity {
        Severity::Error => style.bad("error:  "),
        Severity::Warning => style.bold("warning:"),
        Severity::Note => style.dim("note:   "),
    };
    let mut line = |label: String, words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label} {}", style.behind_margin(words, MARGIN));
    };
    line(
        label,
        &format!(
            "{} {}",
            finding.what,
            style.dim(&format!("[{}]", finding.check))
        ),
    );
    if let Some(why) = &finding.why {
        line(style.dim("    why:"), &style.dim(why));
    }
    match &finding.mend {
        Mend::Run(command) => line(style.good("    fix:"), command),
        Mend::Do(advice) => line(style.good("   next:"), advice),
    }
}

fn summary(report: &Report, sight: Sight) -> String {
    let counts: Vec<String> = SEVERITIES
        .iter()
        .filter_map(|(severity, one, many)| match count(report, *severity) {
            0 => None,
            1 => Some(format!("1 {one}")),
            number => Some(format!("{number} {many}")),
        })
        .collect();
    let (made, passed) = (report.checked.len(), report.passed().count());
    let mut text = match (counts.is_empty(), sight) {
        (true, Sight::All) => "Nothing is wrong".to_owned(),
        (true, Sight::Part) => "Nothing is wrong with what is seen".to_owned(),
        (false, _) => counts.join(", "),
    };
    let _ = writeln!(text, ": {passed} of {made} checks passed.");
    let fixable = report.findings.iter();
    let fixable = fixable.filter(|found| !found.repairs.is_empty()).count();
    if fixable > 0 {
        let _ = writeln!(
            text,
            "`linkspan doctor --fix` puts {fixable} of them right by itself."
        );
    }
    text
}

fn json(ui: Ui, report: &Report) -> Result<Value, Failure> {
    let mut told = ui.value(report)?;
    let passed: Value = report.passed().map(|check| check.id).collect();
    if let Some(map) = told.as_object_mut() {
        map.insert("passed".into(), passed);
    }
    Ok(told)
}

fn list(ui: Ui) -> Result<(), Failure> {
    if ui.json {
        let check = |check: &Check| {
            object([
                ("id", check.id.into()),
                ("title", check.title.into()),
                ("looksAt", check.looks_at.into()),
            ])
        };
        let checks: Value = CHECKS.iter().map(check).collect();
        return ui.print_json(&object([("checks", checks)]));
    }
    let mut rows = vec![vec!["CHECK".to_owned(), "WHAT SHOULD BE SO".to_owned()]];
    let row = |check: &Check| vec![check.id.to_owned(), check.title.to_owned()];
    rows.extend(CHECKS.iter().map(row));
    ui.print(&table(ui.style(), &rows))
}
