//! What an installation does, or would do, in words and as JSON.

use std::cmp::Ordering;

use linkspan_spec::Value;

use super::super::replaced::Replaced;
use super::Installation;
use super::look::{Found, Other};
use super::plan::{Deed, Plan, Step, compare};
use crate::failure::Failure;
use crate::ui::{Ui, object, table};

/// Tells what was done.
pub(super) fn tell(ui: Ui, installation: &Installation<'_>, plan: &Plan) -> Result<(), Failure> {
    if ui.json {
        return ui.print_json(&json(installation, plan, false));
    }
    ui.print(&actions(ui, plan))?;
    ui.print(&summary(installation, plan))?;
    match plan.is_settled() {
        true => ui.print(UNCHANGED),
        false => Ok(()),
    }
}

/// Tells what would be done, in the same words. Where that is refused there is no more to say than why.
pub(super) fn foretell(
    ui: Ui,
    installation: &Installation<'_>,
    plan: &Plan,
    is_refused: bool,
) -> Result<(), Failure> {
    if ui.json {
        return ui.print_json(&json(installation, plan, true));
    }
    ui.print(&actions(ui, plan))?;
    if is_refused {
        return Ok(());
    }
    ui.print(&summary(installation, plan))?;
    ui.print(UNCHANGED)
}

const UNCHANGED: &str = "Nothing was changed.\n";

/// A line for each name at which something is done.
fn actions(ui: Ui, plan: &Plan) -> String {
    match plan.is_settled() {
        true => String::new(),
        false => table(ui.style(), &rows(plan)),
    }
}

fn rows(plan: &Plan) -> Vec<Vec<String>> {
    let heading = ["ACTION", "PLUGIN", "BEFORE", "AFTER"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    let told = plan.steps.iter().filter(|step| step.deed != Deed::Leave);
    for step in told {
        let kept = match step.deed {
            Deed::Replace { keep: true } => ", kept",
            _ => "",
        };
        rows.push(vec![
            action(step, plan).to_owned(),
            step.name.to_owned(),
            format!("{}{kept}", before(&step.before)),
            after(step, plan),
        ]);
    }
    rows
}

/// The same word for what is done and what would be.
fn action(step: &Step, plan: &Plan) -> &'static str {
    match &step.deed {
        Deed::Create => "create",
        Deed::Leave => "leave",
        Deed::Refuse(_) => "refuse",
        Deed::Replace { .. } => match (&step.before, &plan.version) {
            (Found::Linkspan(Some(old)), Some(new)) => match compare(old, new) {
                Ordering::Less => "upgrade",
                Ordering::Greater => "downgrade",
                Ordering::Equal => "replace",
            },
            _ => "replace",
        },
    }
}

fn before(found: &Found) -> String {
    match found {
        Found::Nothing => "nothing".to_owned(),
        Found::Lost => "a link to nothing".to_owned(),
        Found::Overwritten => "Linkspan, overwritten".to_owned(),
        Found::Linkspan(version) => linkspan(version.as_deref()),
        Found::Plugin(other) => words_of_other(other),
        Found::Directory => "a directory".to_owned(),
        Found::Unknown(why) => format!("no plugin: {why}"),
    }
}

fn words_of_other(other: &Other) -> String {
    let versions = match (other.speaks.first(), other.speaks.last()) {
        (Some(first), Some(last)) if first != last => format!("CNI {first} to {last}"),
        _ => format!("CNI {}", other.speaks.join(" ")),
    };
    match (&other.version, other.is_reference) {
        (Some(version), _) => format!("reference {version}"),
        (None, true) => format!("reference, {versions}"),
        (None, false) if other.speaks.is_empty() => "another, which does not run here".to_owned(),
        (None, false) => format!("another, {versions}"),
    }
}

fn after(step: &Step, plan: &Plan) -> String {
    match step.deed {
        Deed::Refuse(_) => before(&step.before),
        _ => linkspan(plan.version.as_deref()),
    }
}

fn linkspan(version: Option<&str>) -> String {
    version.map_or_else(
        || "Linkspan".to_owned(),
        |version| format!("Linkspan {version}"),
    )
}

fn summary(installation: &Installation<'_>, plan: &Plan) -> String {
    let bin_dir = installation.bin_dir.display();
    let count = plan.plugins();
    let mut text = if plan.is_settled() {
        let version = plan
            .version
            .as_deref()
            .map(|version| format!(" of Linkspan {version}"));
        format!(
            "Already there: {count} plugins{} in {bin_dir}.\n",
            version.unwrap_or_default()
        )
    } else {
        format!(
            "{count} plugins in {bin_dir}, links to one file copied from {}.\n",
            installation.source.display()
        )
    };
    if let (Some(old), Some(new)) = (plan.downgraded(), &plan.version) {
        text += &format!("This is a step back, from Linkspan {old} to Linkspan {new}.\n");
    }
    if plan.kept().next().is_some() {
        text += &format!(
            "What they replace is kept in {}; `linkspan uninstall` puts it back.\n",
            Replaced::of(installation.bin_dir).directory().display()
        );
    }
    if !plan.missing.is_empty() {
        text += &format!(
            "Not in that file, and left as they are: {}.\n",
            plan.missing.join(", ")
        );
    }
    text
}

fn json(installation: &Installation<'_>, plan: &Plan, is_dry: bool) -> Value {
    let steps = plan.steps.iter().map(|step| {
        object([
            ("name", step.name.into()),
            ("action", action(step, plan).into()),
            ("before", before(&step.before).into()),
            ("after", after(step, plan).into()),
            ("kept", (step.deed == Deed::Replace { keep: true }).into()),
        ])
    });
    object([
        ("binDir", installation.bin_dir.to_string_lossy().into()),
        ("from", installation.source.to_string_lossy().into()),
        ("version", plan.version.clone().into()),
        ("dryRun", is_dry.into()),
        ("plugins", steps.collect()),
        ("notInIt", plan.missing.clone().into()),
    ])
}
