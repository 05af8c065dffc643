//! What is compared: a network, and the calls that are made to it.

use std::time::Duration;

use linkspan_testkit::{Feature, Plugins, Sandbox, Setup, Tally};
use serde_json::{Value, json};

use crate::expected::{Difference, Era};
use crate::report::Report;
use crate::run::{Cast, run};

/// The versions that Debian's reference knows.
pub(crate) const VERSIONS: [&str; 6] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/// The version that a case uses when it does not ask for all.
const USUAL_VERSION: &str = "1.0.0";

/// The first version with CHECK, and with a prevResult for DEL.
pub(crate) const FIRST_WITH_CHECK: &str = "0.4.0";

/// Why a container has no interface after an ADD whose result an old version cannot express.
pub(crate) const UNDONE: &str =
    "the reference leaves what it has made when the version has no form for the result";

/// For everything that a test may do in one version; most take a second or two.
const DEADLINE: Duration = Duration::from_secs(60);

/// For a client that nobody answers, of both sides.
const PATIENCE: Duration = Duration::from_secs(20);

/// One thing that is done. Attachments are named by their container, and by their interface after a slash when it is
/// not `eth0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// ADD.
    Add(&'static str),
    /// ADD by the one who does the rest, in a handover.
    Join(&'static str),
    /// ADD for an attachment that is there.
    Again(&'static str),
    /// DEL of the first with the result of the second.
    DelWith(&'static str, &'static str),
    /// CHECK, with the result of the ADD.
    Check(&'static str),
    /// DEL, with the result of the ADD where the version has it.
    Del(&'static str),
    /// DEL without a namespace and without a result, as containerd calls it for a sandbox that has died.
    DelBare(&'static str),
    /// The container's namespace goes, and its interfaces with it.
    Lose(&'static str),
    /// What the container reaches: its gateways, and the world outside.
    Talk(&'static str),
    /// What comes of a connection between two containers.
    Meet(&'static str, &'static str),
    /// A container serves TCP and UDP at port 80 of its addresses.
    Serve(&'static str),
    /// What comes of a connection from `outside`, from the `host` or from a container to an address with a port, by TCP
    /// and by UDP.
    Reach(&'static str, &'static str),
    /// A line of shell on the host.
    Run(&'static str),
}

/// A network and what is done with it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) chain: Vec<Value>,
    pub(crate) args: &'static str,
    /// Which implementation of iptables the host's commands are; as installed when it is empty.
    pub(crate) iptables: &'static str,
    /// How much longer container IDs are than they have to be.
    pub(crate) longer: usize,
    pub(crate) steps: Vec<Step>,
    pub(crate) failure: Option<(u64, &'static str)>,
    pub(crate) differences: Vec<Difference>,
    versions: Vec<&'static str>,
}

impl Case {
    /// One plugin: ADD, CHECK, DEL and DEL once more.
    pub(crate) fn new(plugin: Value) -> Self {
        Self::chain(&json!([plugin]))
    }

    /// Several plugins, as in the `plugins` of a network list.
    pub(crate) fn chain(plugins: &Value) -> Self {
        Self {
            chain: plugins.as_array().cloned().unwrap_or_default(),
            args: "",
            iptables: "",
            longer: 0,
            steps: vec![
                Step::Add("a"),
                Step::Check("a"),
                Step::Del("a"),
                Step::Del("a"),
            ],
            failure: None,
            differences: Vec::new(),
            versions: vec![USUAL_VERSION],
        }
    }

    /// In every version that the reference knows.
    pub(crate) fn in_all_versions(mut self) -> Self {
        self.versions = VERSIONS.to_vec();
        self
    }

    /// In one version.
    pub(crate) fn version(self, version: &'static str) -> Self {
        self.versions(&[version])
    }

    /// In these versions.
    pub(crate) fn versions(mut self, versions: &[&'static str]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    /// `CNI_ARGS`.
    pub(crate) fn args(mut self, args: &'static str) -> Self {
        self.args = args;
        self
    }

    /// The commands of iptables are those of one implementation, `nft` or `legacy`.
    pub(crate) fn iptables(mut self, variant: &'static str) -> Self {
        self.iptables = variant;
        self
    }

    /// Container IDs of so many characters more.
    pub(crate) fn longer_ids(mut self, characters: usize) -> Self {
        self.longer = characters;
        self
    }

    /// Other steps than ADD, CHECK, DEL, DEL.
    pub(crate) fn steps(mut self, steps: &[Step]) -> Self {
        self.steps = steps.to_vec();
        self
    }

    /// A line of shell on the host, before all that was asked for until now.
    pub(crate) fn on_a_host_with(mut self, line: &'static str) -> Self {
        self.steps.insert(0, Step::Run(line));
        self
    }

    /// After each ADD the traffic is tried, too.
    pub(crate) fn and_traffic(mut self) -> Self {
        let talk = |step: &Step| match *step {
            Step::Add(attachment) => vec![*step, Step::Talk(attachment)],
            _ => vec![*step],
        };
        self.steps = self.steps.iter().flat_map(talk).collect();
        self
    }

    /// A step fails, with both; the first failure of ours has this code, and these words in its message.
    pub(crate) fn fails(mut self, code: u64, words: &'static str) -> Self {
        self.failure = Some((code, words));
        self
    }

    /// A difference that is meant to be, in all lines that contain `fact`. It is an error when it does not occur.
    pub(crate) fn differs(self, fact: &'static str, reason: &'static str) -> Self {
        self.difference(fact, reason, Era::Any, true)
    }

    /// A difference that chance may bring.
    pub(crate) fn may_differ(self, fact: &'static str, reason: &'static str) -> Self {
        self.difference(fact, reason, Era::Any, false)
    }

    /// A difference from Debian's reference which a newer one does not show.
    pub(crate) fn differs_from_debian(self, fact: &'static str, reason: &'static str) -> Self {
        self.difference(fact, reason, Era::Debian, true)
    }

    /// The reference fails, and ours does not.
    pub(crate) fn fails_with_reference(self, reason: &'static str) -> Self {
        self.differs("+ exit status = Some(0)", reason)
            .may_differ("", reason)
    }

    fn difference(
        mut self,
        fact: &'static str,
        reason: &'static str,
        era: Era,
        always: bool,
    ) -> Self {
        self.differences.push(Difference {
            fact,
            reason,
            era,
            always,
        });
        self
    }

    /// Runs the case with the reference and with ours.
    ///
    /// # Panics
    /// When they differ, with everything that both did.
    #[track_caller]
    pub(crate) fn compare(self) {
        self.compare_with(|reference, ours| (Cast::one(reference), Cast::one(ours)));
    }

    /// Runs the case with the reference alone, and then with the reference's ADD and all the rest by ours.
    ///
    /// # Panics
    /// As [`compare`](Self::compare) does.
    #[track_caller]
    pub(crate) fn hand_over_to_ours(self) {
        self.compare_with(|reference, ours| {
            (Cast::one(reference), Cast::handover(reference, ours))
        });
    }

    /// Runs the case with ours alone, and then with our ADD and all the rest by the reference.
    ///
    /// # Panics
    /// As [`compare`](Self::compare) does.
    #[track_caller]
    pub(crate) fn hand_over_to_reference(self) {
        self.compare_with(|reference, ours| (Cast::one(ours), Cast::handover(ours, reference)));
    }

    #[track_caller]
    fn compare_with(
        self,
        casts: impl for<'a> Fn(&'a Plugins, &'a Plugins) -> (Cast<'a>, Cast<'a>),
    ) {
        Setup::default().deadline(self.deadline()).sandbox(|host| {
            let (reference, ours) = (Plugins::reference(), ours());
            let (left, right) = casts(&reference, &ours);
            let differences = self.differences(&left, &right, host);
            assert!(differences.is_empty(), "{differences}");
        });
    }

    fn deadline(&self) -> Duration {
        let is_patient = |step: &&Step| matches!(step, Step::Reach(..));
        let reaches = self.steps.iter().filter(is_patient).count();
        let [versions, reaches] =
            [self.versions.len(), reaches].map(|count| u32::try_from(count).unwrap_or(1));
        (DEADLINE + PATIENCE * reaches) * versions
    }

    fn differences(&self, left: &Cast<'_>, right: &Cast<'_>, host: &Sandbox) -> String {
        let mut report = Report::new(self, left, right);
        for &version in &self.versions {
            let runs = [left, right].map(|cast| run(self, version, cast, host));
            report.compare(version, &runs[0], &runs[1]);
            Tally::of("compare")
                .add("calls and exchanges compared", runs[0].len())
                .write();
        }
        report.finish()
    }
}

/// Compares several cases one after the other in one sandbox, whose kernel has these features.
///
/// # Panics
/// When they differ in any of them.
#[track_caller]
pub(crate) fn compare_together(features: &[Feature], cases: &[(&str, Case)]) {
    let runs = u32::try_from(cases.len()).unwrap_or(1);
    let setup = Setup::default().needs(features).deadline(DEADLINE * runs);
    setup.sandbox(|host| {
        let (reference, ours) = (Plugins::reference(), ours());
        let (left, right) = (Cast::one(&reference), Cast::one(&ours));
        let mut text = String::new();
        for (name, case) in cases {
            let differences = case.differences(&left, &right, host);
            if !differences.is_empty() {
                text.extend(["##### ", name, "\n", &differences]);
            }
        }
        assert!(text.is_empty(), "{text}");
    });
}

/// Our plugins, as they were built for this test.
pub(crate) fn ours() -> Plugins {
    Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"))
}
