//! `ipam free`.

use std::path::Path;

use linkspan_inspect::audit::{Freed, Item, Report, free as free_all};
use linkspan_spec::Value;

use crate::args::IpamFree;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::privilege;
use crate::style::Style;
use crate::text::few;
use crate::ui::{Ui, object};

/// Bytes of a report that are read: a hundred thousand addresses.
const MAX_REPORT: u64 = 64 << 20;

/// Gives back what a report names.
pub(crate) fn free(ui: Ui, args: &IpamFree) -> Result<(), Failure> {
    if !args.dry_run {
        privilege::require("ipam free")?;
    }
    let report = read(&args.from_report)?;
    let host = ui.look(&args.look.places());
    if !args.dry_run && !ui.json {
        ui.print(&intention(ui.style(), &report))?;
    }
    let outcomes = free_all(&report.items, &host, args.dry_run);
    let failed: Vec<Failure> = outcomes.iter().filter_map(failure).collect();
    let count = outcomes
        .iter()
        .filter(|(_, freed)| *freed == Freed::Yes)
        .count();
    if ui.json {
        let told: Value = outcomes.iter().map(json).collect();
        ui.print_json(&object([
            ("dryRun", args.dry_run.into()),
            ("outcomes", told),
        ]))?;
    } else {
        for outcome in &outcomes {
            ui.print(&line(ui.style(), outcome, args.dry_run))?;
        }
        ui.print(&match args.dry_run {
            true => format!("{count} of {} would be given back\n", outcomes.len()),
            false => format!("{count} of {} were given back\n", outcomes.len()),
        })?;
    }
    match failed.len() {
        0 => Ok(()),
        count => Err(
            Failure::new(Kind::Failed, format!("{count} could not be given back"))
                .with_others(failed),
        ),
    }
}

/// What is about to be given back.
fn intention(style: Style, report: &Report) -> String {
    let named: Vec<_> = report.items.iter().map(|item| name(style, item)).collect();
    match named.is_empty() {
        true => "The report names nothing to give back.\n".to_owned(),
        false => format!(
            "Giving back what is still as the report says: {}\n",
            few(&named)
        ),
    }
}

fn read(path: &Path) -> Result<Report, Failure> {
    let words = format!("cannot read the report {}", path.display());
    let advice = "`linkspan ipam check --report FILE` writes one.";
    let text = file::read(path, MAX_REPORT).map_err(|error| {
        Failure::new(Kind::Failed, words.as_str())
            .because(error)
            .advise(advice)
    })?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        Failure::new(Kind::Failed, words.as_str())
            .because(error)
            .advise(advice)
    })?;
    match report.is_known() {
        true => Ok(report),
        false => Err(Failure::new(Kind::Failed, words)
            .because(format!(
                "its form is {}, and this program knows 1",
                report.format
            ))
            .advise("Use the linkspan that has written it, or have this one write another.")),
    }
}

fn name(style: Style, item: &Item) -> String {
    let what = match item.address {
        Some(address) => address.to_string(),
        None => item.file.display().to_string(),
    };
    let holder = super::holder(style, item).map(|holder| format!(" of {holder}"));
    format!("{what}{} in {}", holder.unwrap_or_default(), item.network)
}

fn line(style: Style, (item, freed): &(Item, Freed), dry_run: bool) -> String {
    let name = name(style, item);
    match freed {
        Freed::Yes if dry_run => format!("  {name}: would be given back, since {}\n", item.why),
        Freed::Yes => format!("{} {name}: given back\n", style.good("✓")),
        Freed::Already => format!("– {name}: is free already\n"),
        Freed::No(why) => format!("– {name}: left alone, since {why}\n"),
        Freed::Failed(problem) => format!("{} {name}: {problem}\n", style.bad("✗")),
    }
}

fn failure((item, freed): &(Item, Freed)) -> Option<Failure> {
    let Freed::Failed(problem) = freed else {
        return None;
    };
    let words = format!("{}: {}", item.file.display(), problem.what);
    Some(Failure::new(Kind::Failed, words).because(problem.why.join(": ")))
}

fn json((item, freed): &(Item, Freed)) -> Value {
    let (outcome, why) = match freed {
        Freed::Yes => ("freed", None),
        Freed::Already => ("already-free", None),
        Freed::No(why) => ("left-alone", Some(why.clone())),
        Freed::Failed(problem) => ("failed", Some(problem.to_string())),
    };
    object([
        ("file", item.file.to_string_lossy().into()),
        ("network", item.network.as_str().into()),
        (
            "address",
            item.address.map(|address| address.to_string()).into(),
        ),
        ("outcome", outcome.into()),
        ("why", why.into()),
    ])
}
