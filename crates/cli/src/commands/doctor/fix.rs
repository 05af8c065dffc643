//! `doctor --fix`.

use linkspan_inspect::checks::Report;
use linkspan_inspect::finding::Finding;
use linkspan_inspect::repair::{Outcome, Repair};
use linkspan_inspect::{Host, Problem};
use linkspan_spec::Value;

use super::look;
use crate::args::Doctor;
use crate::commands::confirm;
use crate::failure::{Failure, Kind};
use crate::privilege;
use crate::style::Style;
use crate::ui::{Ui, object};

/// Says what it will do, asks, does it, and looks again.
pub(super) fn fix(ui: Ui, args: &Doctor) -> Result<(), Failure> {
    if !args.dry_run {
        privilege::require("doctor --fix")?;
    }
    let (before, _) = look(ui, args);
    let repairs: Vec<(&Finding, &Repair)> = before
        .findings
        .iter()
        .flat_map(|found| found.repairs.iter().map(move |repair| (found, repair)))
        .collect();
    if args.dry_run || repairs.is_empty() {
        return tell(ui, args, &before, &repairs, Vec::new());
    }
    if !ui.json {
        ui.print(&plan(ui.style(), &repairs))?;
    }
    if !args.yes && !confirm::go_on(ui)? {
        ui.note("nothing was changed");
        return Ok(());
    }
    let host = Host::look(&args.look.places());
    let outcomes = repairs
        .iter()
        .map(|(_, repair)| repair.carry_out(&host))
        .collect();
    tell(ui, args, &before, &repairs, outcomes)
}

fn plan(style: Style, repairs: &[(&Finding, &Repair)]) -> String {
    let mut text = "This will:\n".to_owned();
    for (finding, repair) in repairs {
        text.push_str(&format!(
            "  {repair} {}\n",
            style.dim(&format!("[{}]", finding.check))
        ));
    }
    text
}

fn tell(
    ui: Ui,
    args: &Doctor,
    before: &Report,
    repairs: &[(&Finding, &Repair)],
    outcomes: Vec<Result<Outcome, Problem>>,
) -> Result<(), Failure> {
    let left = before.findings.iter();
    let left = left.filter(|found| found.repairs.is_empty()).count();
    if ui.json {
        let told = repairs.iter().enumerate();
        let told: Value = told
            .map(|(index, (finding, repair))| json(finding, repair, outcomes.get(index)))
            .collect();
        ui.print_json(&object([
            ("dryRun", args.dry_run.into()),
            ("repairs", told),
            ("left", left.into()),
        ]))?;
    } else {
        ui.print(&text(ui.style(), args, repairs, &outcomes, left))?;
    }
    let failed: Vec<Failure> = outcomes
        .into_iter()
        .filter_map(Result::err)
        .map(|problem| Failure::new(Kind::Failed, problem.what).because(problem.why.join(": ")))
        .collect();
    match failed.len() {
        0 => Ok(()),
        count => Err(
            Failure::new(Kind::Failed, format!("{count} could not be put right"))
                .with_others(failed),
        ),
    }
}

fn text(
    style: Style,
    args: &Doctor,
    repairs: &[(&Finding, &Repair)],
    outcomes: &[Result<Outcome, Problem>],
    left: usize,
) -> String {
    let mut text = String::new();
    if args.dry_run && !repairs.is_empty() {
        text.push_str(&plan(style, repairs).replacen("will", "would", 1));
    }
    for ((_, repair), outcome) in repairs.iter().zip(outcomes) {
        text.push_str(&match outcome {
            Ok(Outcome::Done) => format!("{} {repair}\n", style.good("✓")),
            Ok(Outcome::LeftAlone(why)) => format!("– {repair}: left alone, since {why}\n"),
            Err(problem) => format!("{} {problem}\n", style.bad("✗")),
        });
    }
    if repairs.is_empty() {
        text.push_str("Nothing is wrong that can be put right without a decision.\n");
    }
    let findings = match left {
        0 => return text,
        1 => "1 more finding is".to_owned(),
        many => format!("{many} more findings are"),
    };
    text.push_str(&format!(
        "{findings} for a person to decide: `linkspan doctor` tells what to do.\n"
    ));
    text
}

fn json(finding: &Finding, repair: &Repair, outcome: Option<&Result<Outcome, Problem>>) -> Value {
    let (word, why) = match outcome {
        None => ("planned", None),
        Some(Ok(Outcome::Done)) => ("done", None),
        Some(Ok(Outcome::LeftAlone(why))) => ("left-alone", Some(why.clone())),
        Some(Err(problem)) => ("failed", Some(problem.to_string())),
    };
    object([
        ("check", finding.check.into()),
        ("subject", finding.subject.as_str().into()),
        ("what", repair.to_string().into()),
        ("outcome", word.into()),
        ("why", why.into()),
    ])
}
