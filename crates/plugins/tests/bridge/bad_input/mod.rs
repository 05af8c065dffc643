//! What cannot be: the code and the words that it is refused with, and that nothing is left behind.
//!
//! `cargo test -p linkspan-plugins --test bridge bad_input -- --nocapture` prints every message, to be read with the eyes of a person who
//! meets it.

mod configuration;
mod environment;
mod ipam;
mod other_verbs;
mod state;

use linkspan_testkit::{Call, Netns, Outcome, Sandbox, Snapshot, needs};
use serde_json::Value;

use super::host::{Host, present};

// The codes of the specification.
const VERSION: u64 = 1;
const ENVIRONMENT: u64 = 4;
const IO: u64 = 5;
const DECODING: u64 = 6;
const CONFIG: u64 = 7;
const NETNS: u64 = 8;
const AGAIN: u64 = 11;
const NOT_AVAILABLE: u64 = 50;
/// The kernel's refusals, and whatever has no code of its own.
const INTERNAL: u64 = 999;

/// A host without a bridge and the namespace of one container, on which everything fails.
struct Bad<'a> {
    host: Host<'a>,
    netns: Netns,
    before: Snapshot,
    rows: usize,
    wrong: usize,
}

impl<'a> Bad<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("c1");
        let before = host.snapshot(&[&netns]);
        Self {
            host,
            netns,
            before,
            rows: 0,
            wrong: 0,
        }
    }

    /// Takes what the test has prepared for what is to come as what must not change.
    fn prepared(&mut self) {
        self.before = self.host.snapshot(&[&self.netns]);
    }

    /// ADD is refused with this code and each of these words.
    fn add(&mut self, config: &Value, code: u64, words: &[&str]) {
        let call = self.host.call("ADD", config, &self.netns);
        let version = config["cniVersion"].as_str().unwrap_or("1.1.0");
        self.refused(&config.to_string(), &call, version, code, words);
    }

    #[expect(
        clippy::print_stdout,
        reason = "the harness keeps it for those who want to read it"
    )]
    fn refused(&mut self, row: &str, call: &Call, version: &str, code: u64, words: &[&str]) {
        let before = present(&[&self.netns]);
        let outcome = call.run();
        let after = present(&[&self.netns]);
        let row: String = row.chars().take(400).collect();
        let mut wrong = problems(&outcome, version, code, words);
        for fact in before.symmetric_difference(&after) {
            wrong.push(format!("left behind or missing: {fact}"));
        }
        let json = outcome.json.unwrap_or_default();
        println!(
            "{row}\n   {} {}\n   {}",
            json["code"], json["msg"], json["details"]
        );
        for wrong in wrong {
            println!("   WRONG: {wrong}");
            self.wrong += 1;
        }
        self.rows += 1;
    }

    /// Every row was as it should be; there were at least so many; and nothing at all is left.
    #[track_caller]
    fn end(self, rows: usize) {
        assert_eq!(self.wrong, 0, "see above");
        assert!(self.rows >= rows, "{} rows", self.rows);
        let after = self.host.snapshot(&[&self.netns]);
        self.before
            .assert_same(&after, "after everything was refused");
    }
}

/// What is not as it should be.
fn problems(outcome: &Outcome, version: &str, code: u64, words: &[&str]) -> Vec<String> {
    let json = outcome.json.clone().unwrap_or_default();
    let text = |key: &str| json[key].as_str().unwrap_or_default();
    let message = format!("{}: {}", text("msg"), text("details"));
    let mut wrong = Vec::new();
    let mut require = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let status = outcome.output.status;
    require(status.code() == Some(1), format!("{status}, not 1"));
    require(
        json["code"] == code,
        format!("code {}, not {code}", json["code"]),
    );
    require(!text("msg").is_empty(), "no message".to_owned());
    require(
        !text("details").is_empty(),
        "what is to be done?".to_owned(),
    );
    require(
        text("cniVersion") == version,
        format!("cniVersion {}", json["cniVersion"]),
    );
    let stderr = &outcome.output.stderr;
    require(
        stderr.is_empty(),
        format!("said on standard error: {stderr}"),
    );
    for word in words {
        require(message.contains(word), format!("{word:?} is missing"));
    }
    wrong
}

fn bad(test: impl FnOnce(Bad<'_>)) {
    needs(&[]).sandbox(|sandbox| test(Bad::new(sandbox)));
}
