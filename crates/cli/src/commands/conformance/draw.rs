//! A report for people: section by section, what was asked, what came, and what the specification says.

use std::fmt::Write;

use linkspan_conformance::{Judged, Outcome, Report};

use crate::style::Style;

/// Columns before what belongs to a check.
const MARGIN: usize = 11;

/// The reports, one after another.
pub(super) fn text(style: Style, reports: &[Report]) -> String {
    let texts: Vec<_> = reports.iter().map(|report| of(style, report)).collect();
    texts.join("\n")
}

fn of(style: Style, report: &Report) -> String {
    let mut text = String::new();
    let versions = match report.versions.is_empty() {
        true => "no version".to_owned(),
        false => report.versions.join(", "),
    };
    let head = format!(
        "{}, {} plugin, speaks {versions}",
        report.plugin, report.kind
    );
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", style.bold(&style.behind_margin(&head, 0)));
    for (section, judged) in report.by_section() {
        let _ = writeln!(text, "\n{}", style.bold(section.title()));
        for one in judged {
            text.push_str(&line(style, one));
        }
    }
    let counts = report.counts();
    let conforms = match report.conforms() {
        true => style.good("conforms"),
        false => style.bad("does not conform"),
    };
    let mut more = format!("{} skipped", counts.skipped);
    for (count, words) in [
        (counts.excepted, "excepted"),
        (counts.unable, "could not be made"),
    ] {
        if count > 0 {
            let _ = write!(more, ", {count} {words}");
        }
    }
    let _ = writeln!(
        text,
        "\n{} {conforms}: {} passed, {} failed, {} warnings, {more}.",
        report.plugin, counts.passed, counts.failed, counts.warned
    );
    text
}

fn line(style: Style, judged: &Judged) -> String {
    let check = judged.check;
    let mark = match &judged.outcome {
        Outcome::Passed => style.good("✓"),
        Outcome::Failed(_) | Outcome::Unable(_) => style.bad("✗"),
        Outcome::Warned(_) => style.bold("!"),
        Outcome::Skipped(_) | Outcome::Excepted(..) => style.dim("–"),
    };
    let asks = style.behind_margin(check.asks, 4);
    let mut text = format!(
        "  {mark} {asks}  {}\n",
        style.dim(&format!("[{}]", check.id))
    );
    let mut labelled = |label: &str, words: &str| {
        let words = style.behind_margin(words, MARGIN);
        let _ = writeln!(text, "    {} {words}", style.dim(&format!("{label:>6}")));
    };
    if let Some(fault) = judged.outcome.fault() {
        labelled("asked:", &fault.asked);
        labelled("came:", &fault.came);
        labelled("wrong:", &fault.wrong);
        labelled("spec:", &format!("{} {}", check.level, check.says));
    }
    if let Some(why) = judged.outcome.why() {
        labelled("why:", why);
    }
    text
}
