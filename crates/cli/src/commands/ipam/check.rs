//! `ipam check`.

use std::path::Path;

use linkspan_inspect::audit::{Item, Kind as Wrong, Report};

use super::holder;
use crate::args::IpamCheck;
use crate::draw::age;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::style::Style;
use crate::ui::{Ui, table};

/// Who is attached is nobody's business.
const MODE: u32 = 0o600;

/// Tells what is wrong with the pools, and writes it down where that is wanted.
pub(crate) fn check(ui: Ui, args: &IpamCheck) -> Result<(), Failure> {
    let host = ui.look(&args.look.places());
    let mut report = Report::of(&host);
    if let Some(network) = &args.network {
        report.retain(network);
    }
    if let Some(path) = &args.report {
        write(path, &report)?;
    }
    match ui.json {
        true => ui.print_json(&ui.value(&report)?)?,
        false => ui.print(&text(ui.style(), &report))?,
    }
    match report.items.is_empty() {
        true => Ok(()),
        false => Err(found(&report, args.report.as_deref())),
    }
}

fn found(report: &Report, path: Option<&Path>) -> Failure {
    let count = report.items.len();
    let words = match count {
        1 => "1 address is not as it should be".to_owned(),
        count => format!("{count} addresses are not as they should be"),
    };
    let failure = Failure::new(Kind::Failed, words);
    let freed = report
        .items
        .iter()
        .filter(|item| item.kind.is_freed())
        .count();
    match (freed, path) {
        (0, _) => failure,
        (_, Some(path)) => failure.advise(format!("`linkspan ipam free --from-report {}` gives back {freed} of them.", path.display())),
        (_, None) => failure.advise(format!(
            "`linkspan ipam check --report FILE` writes them down, and `linkspan ipam free --from-report FILE` gives back {freed} of them."
        )),
    }
}

fn text(style: Style, report: &Report) -> String {
    let mut text = match (report.items.is_empty(), report.blind_spots.is_empty()) {
        (true, true) => "Nothing is wrong with the pools.\n".to_owned(),
        (true, false) => "Nothing is wrong with what is seen of the pools.\n".to_owned(),
        (false, _) => String::new(),
    };
    for kind in Wrong::ALL {
        let items: Vec<_> = report
            .items
            .iter()
            .filter(|item| item.kind == kind)
            .collect();
        if items.is_empty() {
            continue;
        }
        text.push_str(&format!(
            "{} {}\n",
            style.bold(&format!("{} {}:", items.len(), kind.words())),
            kind.next()
        ));
        text.push_str(&rows(style, &items));
        text.push('\n');
    }
    for blind in &report.blind_spots {
        text.push_str(&format!("not looked at: {blind}\n"));
    }
    text
}

fn rows(style: Style, items: &[&Item]) -> String {
    let mut rows = vec![
        [
            "  ADDRESS",
            "NETWORK",
            "CONTAINER",
            "INTERFACE",
            "SINCE",
            "WHY",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(items.iter().map(|item| {
        let address = item.address.map(|address| address.to_string());
        let file = || {
            item.file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        vec![
            format!("  {}", address.unwrap_or_else(file)),
            item.network.clone(),
            holder(style, item).unwrap_or_default(),
            item.ifname.clone().unwrap_or_default(),
            item.since.map(age).unwrap_or_default(),
            item.why.clone(),
        ]
    }));
    table(style, &rows)
}

fn write(path: &Path, report: &Report) -> Result<(), Failure> {
    let write = || {
        let mut text = serde_json::to_vec_pretty(report)?;
        text.push(b'\n');
        file::replace(path, &text, MODE)
    };
    write().map_err(|error| {
        Failure::new(
            Kind::Failed,
            format!("cannot write the report {}", path.display()),
        )
        .because(error)
        .advise("Name a file in a directory that is there and can be written to; `--json` prints the report.")
    })
}
