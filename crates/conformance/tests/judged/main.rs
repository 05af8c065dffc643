//! A plugin in another language, which does as the specification says, and the same with one thing wrong each time: what is wrong is
//! noticed by the checks that are meant for it, and by no others (cni#540).
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use linkspan_conformance::{Check, Exceptions, Judged, Observer, Report, Subject, judge};
use linkspan_testkit::Setup;
use serde_json::{Value, json};

const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judged/plugin.sh");

/// What is wrong, and which checks notice it. What breaks a promise that others stand on is noticed by several.
const WRONG: &[(&str, &[&str])] = &[
    ("version-answer", &["version", "version-echo"]),
    ("version-no-echo", &["version-echo"]),
    (
        "stdout-of-error",
        &[
            "command-unknown",
            "container-id-malformed",
            "config-name-missing",
            "version-unknown",
            "add-name-taken",
            "error-form",
        ],
    ),
    (
        "error-without-code",
        &[
            "command-unknown",
            "container-id-malformed",
            "config-name-missing",
            "version-unknown",
            "add-name-taken",
            "error-form",
        ],
    ),
    (
        "exit-status",
        &[
            "command-unknown",
            "container-id-malformed",
            "config-name-missing",
            "version-unknown",
            "add-name-taken",
            "add-twice",
            "check-address-gone",
            "check-prevresult",
            "error-form",
        ],
    ),
    ("any-version", &["version-unknown"]),
    ("container-id", &["container-id-malformed"]),
    (
        "del-unknown",
        &["del-twice", "del-unknown", "del-without-netns"],
    ),
    (
        "del-needs-netns",
        &["del-without-netns", "del-namespace-gone"],
    ),
    ("del-prints", &["stdout-of-others"]),
    ("keeps-address", &["del-leaves-nothing", "gc-frees"]),
    (
        "leaves-link",
        &["result-all-interfaces", "del-leaves-nothing", "gc-frees"],
    ),
    ("check-passes", &["check-address-gone", "check-prevresult"]),
    ("gc-all", &["gc-keeps"]),
    ("gc-none", &["gc-frees"]),
    ("replaces", &["add-name-taken", "add-twice"]),
    ("same-address", &["add-two-containers"]),
    ("stdout-noise", &["stdout-of-add", "result-1.0.0"]),
    ("lies-about-address", &["result-addresses", "gc-keeps"]),
    ("lies-about-mac", &["result-mac"]),
    ("sandbox", &["result-sandbox"]),
    ("old-form", &["result-1.0.0"]),
    ("index", &["result-1.0.0", "result-addresses"]),
    ("hides-interface", &["result-all-interfaces"]),
    ("lies-about-route", &["result-routes"]),
];

/// The same of one that asks an IPAM plugin for its addresses.
const DELEGATING: &[(&str, &[&str])] = &[
    (
        "ipam-trusted",
        &[
            "ipam-error",
            "ipam-crash",
            "ipam-error-exit",
            "ipam-failed-add",
        ],
    ),
    ("ipam-del", &["ipam-failed-add"]),
    ("ipam-not-released", &["ipam-released"]),
    ("ipam-section", &["ipam-configuration", "ipam-gc"]),
    ("ipam-variables", &["ipam-environment"]),
    ("ipam-stderr", &["ipam-stderr"]),
    ("ipam-check", &["ipam-check"]),
    ("ipam-kept", &["ipam-del", "ipam-del-always"]),
    ("ipam-gc", &["ipam-gc"]),
    ("ipam-status", &["ipam-status"]),
];

/// Twice a test's usual time for each: a shell starts programs for whatever it does.
const DEADLINE: Duration = Duration::from_secs(400);

struct Silent;

impl Observer for Silent {
    fn begins(&mut self, _: &'static Check) {}
    fn ends(&mut self, _: &Judged) -> bool {
        true
    }
}

fn alone(wrong: &str) -> Value {
    json!({ "type": "plugin.sh", "wrong": wrong })
}

fn delegating(wrong: &str) -> Value {
    json!({ "type": "plugin.sh", "wrong": wrong, "ipam": { "type": "sample-ipam", "addresses": [] } })
}

fn judged(config: &Value, only: &[String]) -> Report {
    let subject = Subject::new(Path::new(PLUGIN), config.as_object()).unwrap();
    judge(&subject, only, &Exceptions::default(), &mut Silent).unwrap()
}

/// The checks that a report tells something of.
fn noticed(report: &Report) -> BTreeSet<&'static str> {
    let told = |judged: &&Judged| judged.outcome.fault().is_some();
    let told = report.judged.iter().filter(told);
    told.map(|judged| judged.check.id).collect()
}

/// That each of some wrongs is noticed as its table says, by all checks that the table names.
fn notices(table: &[(&str, &[&str])], some: std::ops::Range<usize>, config: fn(&str) -> Value) {
    Setup::default().deadline(DEADLINE).sandbox(|_| {
        let meant: BTreeSet<_> = table.iter().flat_map(|(_, checks)| checks.iter()).collect();
        let only: Vec<_> = meant.iter().map(|check| (**check).to_owned()).collect();
        for (wrong, checks) in &table[some] {
            let report = judged(&config(wrong), &only);
            let expected: BTreeSet<_> = checks.iter().copied().collect();
            assert_eq!(noticed(&report), expected, "{wrong}: {report:#?}");
        }
    });
}

#[test]
fn what_is_wrong_with_the_protocol_is_noticed() {
    notices(WRONG, 0..12, alone);
}

#[test]
fn what_is_wrong_with_results_is_noticed() {
    notices(WRONG, 12..WRONG.len(), alone);
}

#[test]
fn what_is_wrong_with_delegation_is_noticed() {
    notices(DELEGATING, 0..DELEGATING.len(), delegating);
}

#[test]
fn a_plugin_in_another_language_conforms() {
    Setup::default().deadline(DEADLINE).sandbox(|_| {
        // It makes its interface with what another plugin made unseen.
        let report = judged(&delegating(""), &[]);
        assert!(report.conforms(), "{report:#?}");
        assert_eq!(
            noticed(&report),
            BTreeSet::from(["chain-behind"]),
            "{report:#?}"
        );
        assert!(report.counts().passed > 100, "{report:#?}");
        // What it does alone, and not where others give the address.
        let only = [
            "add-two-containers",
            "at-a-time",
            "sigkill",
            "del-leaves-nothing",
            "result-ipam-only",
        ];
        let report = judged(&alone(""), &only.map(str::to_owned));
        assert!(noticed(&report).is_empty(), "{report:#?}");
        assert_eq!(report.counts().passed, 4);
    });
}

#[test]
fn exceptions_let_a_check_pass_and_are_told_when_they_are_not_needed() {
    Setup::default().sandbox(|_| {
        let config = alone("del-unknown");
        let subject = Subject::new(Path::new(PLUGIN), config.as_object()).unwrap();
        let exceptions =
            Exceptions::parse("del-twice it counts\ndel-unknown it counts\ndel it counts\n")
                .unwrap();
        let only = ["del", "del-twice", "del-unknown"].map(str::to_owned);
        let report = judge(&subject, &only, &exceptions, &mut Silent).unwrap();
        assert!(report.conforms(), "{report:#?}");
        assert_eq!(report.counts().excepted, 2);
        assert_eq!(report.needless, ["del"]);
    });
}
