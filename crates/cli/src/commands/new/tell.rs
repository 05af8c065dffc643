//! What is told of a new network.

use std::fmt::Write;
use std::path::Path;

use linkspan_draft::FilePlace;
use linkspan_lint::{Finding, Severity};
use linkspan_spec::Value;

use super::Made;
use crate::commands::lint;
use crate::failure::Failure;
use crate::style::Style;
use crate::ui::{Ui, object};

/// Columns before the words of a line.
const MARGIN: usize = 11;

/// Tells what was made: the configuration where it is printed, otherwise what it is and what to do with it.
pub(super) fn told(ui: Ui, made: &Made) -> Result<(), Failure> {
    if ui.json {
        return ui.print_json(&json(ui, made)?);
    }
    ui.detail(|| made.explanation.clone());
    let Some(place) = &made.place else {
        ui.print(&made.text)?;
        for line in about(Style::of(std::io::stderr()), made).lines() {
            ui.note(line);
        }
        return Ok(());
    };
    if ui.is_quiet() {
        return ui.print(&format!("{}\n", made.draft.name));
    }
    let style = ui.style();
    let mut text = format!(
        "{} network {} is written to {}\n",
        style.good("✓"),
        made.draft.name,
        place.path.display()
    );
    text.push_str(&about(style, made));
    text.push_str("\nNext:\n");
    for step in &made.next {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {step}");
    }
    ui.print(&text)
}

/// What is shown before it is written.
pub(super) fn preview(style: Style, made: &Made, path: &Path) -> String {
    format!(
        "\n{}\n{}\n{}\nFile: {}\n",
        made.text,
        made.explanation,
        about(style, made),
        path.display()
    )
}

/// What was chosen and why, and what is to be known.
fn about(style: Style, made: &Made) -> String {
    let mut text = String::new();
    let mut line = |label: &str, words: &str| {
        let label = format!("{label:>10}");
        let _ = writeln!(
            text,
            "{} {}",
            style.dim(&label),
            style.behind_margin(words, MARGIN)
        );
    };
    for choice in &made.draft.choices {
        line(
            &format!("{}:", choice.what),
            &format!("{}: {}", choice.value, choice.why),
        );
    }
    if let Some(place) = &made.place {
        line("default:", &default(place));
    }
    for caution in &made.draft.cautions {
        line("note:", caution);
    }
    for finding in findings(made) {
        let label = match finding.severity {
            Severity::Note => "note:",
            _ => "warning:",
        };
        line(
            label,
            &format!("{} [{}]: {}", finding.message, finding.rule.id, finding.why),
        );
    }
    if !made.draft.missing_plugins.is_empty() {
        line(
            "missing:",
            &format!(
                "the plugins {} are not installed; `linkspan install` does that",
                made.draft.missing_plugins.join(", ")
            ),
        );
    }
    text
}

/// Which network runtimes take that know one alone.
fn default(place: &FilePlace) -> String {
    match &place.first {
        Some(first) => format!("containerd and CRI-O go on with the network of {first}, which comes first in the directory"),
        None => "containerd and CRI-O take this network for their default, since its file is the first of the directory".to_owned(),
    }
}

fn findings(made: &Made) -> impl Iterator<Item = &Finding> {
    made.report.iter().flat_map(|report| &report.findings)
}

fn json(ui: Ui, made: &Made) -> Result<Value, Failure> {
    let mut told = ui.value(&made.draft)?;
    let file = made
        .place
        .as_ref()
        .map(|place| place.path.to_string_lossy().into_owned());
    let is_default = made.place.as_ref().map(|place| place.first.is_none());
    let more = object([
        ("file", file.into()),
        ("isDefault", is_default.into()),
        ("findings", lint::findings_json(&made.report)),
        ("next", made.next.iter().map(String::as_str).collect()),
    ]);
    if let (Some(map), Value::Object(more)) = (told.as_object_mut(), more) {
        map.extend(more);
    }
    Ok(told)
}
