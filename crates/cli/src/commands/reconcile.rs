//! `reconcile`.

use std::time::Duration;

use linkspan_kernel::RulesetEvents;
use linkspan_netfilter::{Record, reconcile as reconcile_all};
use linkspan_spec::{Error, Value};

use super::migrate::{to_backend, unread, unreadable};
use crate::args::Reconcile;
use crate::failure::{Failure, Kind};
use crate::privilege;
use crate::ui::{Ui, object};

/// How long the ruleset must not have changed: a firewall is reloaded in many steps.
const QUIET: Duration = Duration::from_millis(300);

/// Puts back what others removed, once or after every change.
pub(crate) fn reconcile(ui: Ui, args: &Reconcile) -> Result<(), Failure> {
    privilege::require("reconcile")?;
    if let Some(backend) = args.backend {
        return to_backend(ui, backend, args.dry_run);
    }
    if !args.watch {
        return once()?.tell(ui);
    }
    // Heard of before it is looked, so that nothing is missed between the two.
    let events = RulesetEvents::open()
        .map_err(|error| Failure::new(Kind::Failed, "cannot watch the ruleset").because(error))?;
    loop {
        let summary = match once() {
            Ok(summary) => summary,
            Err(failure) => {
                ui.fail(&failure);
                Summary::default()
            }
        };
        if !(summary.repaired.is_empty() && summary.failed.is_empty()) {
            let told = match ui.json {
                true => summary.tell_in_a_line(ui),
                false => summary.tell(ui),
            };
            told.unwrap_or_else(|failure| ui.fail(&failure));
        }
        events.wait(QUIET).map_err(|error| {
            Failure::new(Kind::Failed, "cannot watch the ruleset").because(error)
        })?;
    }
}

/// What came of it.
#[derive(Default)]
struct Summary {
    attachments: usize,
    repaired: Vec<Repaired>,
    failed: Vec<Failure>,
}

/// What was missing of an attachment, and is there again.
struct Repaired {
    attachment: String,
    plugin: String,
    differences: Vec<String>,
}

fn once() -> Result<Summary, Failure> {
    let outcomes = reconcile_all().map_err(unread)?;
    let unreadable = unreadable()?;
    let mut summary = Summary {
        attachments: outcomes.len() + unreadable.len(),
        repaired: Vec::new(),
        failed: unreadable,
    };
    for (record, outcome) in outcomes {
        match outcome {
            Ok(differences) if differences.is_empty() => {}
            Ok(differences) => summary.repaired.push(Repaired {
                attachment: record.owner().to_string(),
                plugin: record.plugin().to_string(),
                differences,
            }),
            Err(error) => summary.failed.push(unrepaired(&record, &error)),
        }
    }
    Ok(summary)
}

impl Summary {
    fn tell(self, ui: Ui) -> Result<(), Failure> {
        if !ui.json {
            for repaired in &self.repaired {
                ui.print(&repaired.text(ui))?;
            }
        }
        if self.failed.is_empty() {
            return ui.done(&self.words(), self.json());
        }
        if ui.json {
            ui.print_json(&self.json())?;
        }
        let (failed, all) = (self.failed.len(), self.attachments);
        let words = format!("{failed} of {all} attachments could not be repaired");
        Err(Failure::new(Kind::Failed, words).with_others(self.failed))
    }

    /// One JSON object in one line, as programs read what goes on and on (JSON Lines).
    fn tell_in_a_line(self, ui: Ui) -> Result<(), Failure> {
        ui.print(&format!("{}\n", self.json()))?;
        for failure in &self.failed {
            ui.fail(failure);
        }
        Ok(())
    }

    fn words(&self) -> String {
        match (self.attachments, self.repaired.len()) {
            (0, _) => "no attachment has anything in netfilter".to_owned(),
            (count, 0) => format!("all {count} attachments are as they were made"),
            (count, repaired) => format!("{repaired} of {count} attachments were repaired"),
        }
    }

    fn json(&self) -> Value {
        object([
            ("attachments", self.attachments.into()),
            (
                "repaired",
                self.repaired.iter().map(Repaired::json).collect(),
            ),
            ("failed", self.failed.len().into()),
        ])
    }
}

impl Repaired {
    fn text(&self, ui: Ui) -> String {
        let style = ui.style();
        let (attachment, plugin) = (style.bold(&self.attachment), &self.plugin);
        let mut text = format!("{} {attachment} of {plugin}\n", style.good("repaired"));
        for difference in &self.differences {
            text.push_str(&format!("  {}\n", style.dim(difference)));
        }
        text
    }

    fn json(&self) -> Value {
        object([
            ("attachment", self.attachment.as_str().into()),
            ("plugin", self.plugin.as_str().into()),
            ("differences", self.differences.clone().into()),
        ])
    }
}

fn unrepaired(record: &Record, error: &Error) -> Failure {
    let owner = record.owner();
    let words = format!("{owner} of {} cannot be repaired", record.plugin());
    let failure = Failure::new(Kind::Failed, words).because(&error.msg);
    if error.details.is_empty() {
        failure
    } else {
        failure.advise(error.details.as_str())
    }
}
