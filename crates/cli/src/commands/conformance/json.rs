//! A report for programs: see docs/json.md.

use linkspan_conformance::{Fault, Judged, Report};
use linkspan_spec::Value;

use crate::ui::object;

/// The reports.
pub(super) fn json(reports: &[Report]) -> Value {
    let reports: Vec<_> = reports.iter().map(of_report).collect();
    object([("plugins", reports.into())])
}

fn of_report(report: &Report) -> Value {
    let counts = report.counts();
    object([
        ("plugin", report.plugin.as_str().into()),
        ("kind", report.kind.as_str().into()),
        ("versions", report.versions.clone().into()),
        ("conforms", report.conforms().into()),
        ("passed", counts.passed.into()),
        ("failed", counts.failed.into()),
        ("warned", counts.warned.into()),
        ("excepted", counts.excepted.into()),
        ("skipped", counts.skipped.into()),
        ("unable", counts.unable.into()),
        ("needlessExceptions", report.needless.clone().into()),
        ("checks", report.judged.iter().map(of_check).collect()),
    ])
}

fn of_check(judged: &Judged) -> Value {
    let fault = judged.outcome.fault();
    let text = |of: fn(&Fault) -> &str| Value::from(fault.map(of));
    object([
        ("check", judged.check.id.into()),
        ("section", judged.check.section.title().into()),
        ("level", judged.check.level.as_str().into()),
        ("outcome", judged.outcome.as_str().into()),
        ("asked", text(|fault| &fault.asked)),
        ("came", text(|fault| &fault.came)),
        ("wrong", text(|fault| &fault.wrong)),
        ("why", judged.outcome.why().into()),
        (
            "milliseconds",
            (judged.elapsed.as_micros() as f64 / 1000.0).into(),
        ),
    ])
}

/// All checks.
pub(super) fn checks() -> Value {
    let checks = linkspan_conformance::checks().map(|check| {
        let of: Vec<_> = check.of.iter().map(|kind| kind.as_str()).collect();
        object([
            ("check", check.id.into()),
            ("section", check.section.title().into()),
            ("url", check.section.url().into()),
            ("level", check.level.as_str().into()),
            ("since", check.since.as_str().into()),
            ("of", of.into()),
            ("asks", check.asks.into()),
            ("says", check.says.into()),
        ])
    });
    object([("checks", checks.collect())])
}
