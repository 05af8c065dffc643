//! `reconcile`.

use std::fmt;
use std::time::Duration;

use linkspan_kernel::RulesetEvents;
use linkspan_netfilter::{Record, reconcile as reconcile_all};
use linkspan_spec::{Error, Value};

use crate::args::Reconcile;
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, object};

/// How long the ruleset must not have changed: a firewall is reloaded in many steps.
const QUIET: Duration = Duration::from_millis(300);

/// Puts back what others removed, once or after every change.
pub(crate) fn reconcile(ui: Ui, args: &Reconcile) -> Result<(), Failure> {
    if !args.watch {
        let summary = once(ui)?;
        return ui.done(&summary.to_string());
    }
    // Heard of before it is looked, so that nothing is missed between the two.
    let events = RulesetEvents::open()
        .map_err(|error| Failure::new(Kind::Failed, "cannot watch the ruleset").because(error))?;
    loop {
        match once(ui) {
            Ok(summary) if summary.repaired > 0 => ui.done(&summary.to_string())?,
            Ok(_) => {}
            Err(failure) => ui.fail(&failure),
        }
        events.wait(QUIET).map_err(|error| {
            Failure::new(Kind::Failed, "cannot watch the ruleset").because(error)
        })?;
    }
}

/// What came of it.
struct Summary {
    attachments: usize,
    repaired: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.attachments, self.repaired) {
            (0, _) => f.write_str("no attachment has anything in netfilter"),
            (count, 0) => write!(f, "all {count} attachments are as they were made"),
            (count, repaired) => write!(f, "{repaired} of {count} attachments were repaired"),
        }
    }
}

fn once(ui: Ui) -> Result<Summary, Failure> {
    let outcomes = reconcile_all();
    let mut failed = 0;
    let mut repaired = 0;
    for (record, outcome) in &outcomes {
        match outcome {
            Ok(differences) if differences.is_empty() => {}
            Ok(differences) => {
                repaired += 1;
                tell(ui, record, differences)?;
            }
            Err(error) => {
                failed += 1;
                ui.fail(&unrepaired(record, error));
            }
        }
    }
    if failed > 0 {
        let words = format!(
            "{failed} of {} attachments could not be repaired",
            outcomes.len()
        );
        return Err(Failure::new(Kind::Failed, words));
    }
    Ok(Summary {
        attachments: outcomes.len(),
        repaired,
    })
}

/// What was missing of an attachment, and is there again.
fn tell(ui: Ui, record: &Record, differences: &[String]) -> Result<(), Failure> {
    let (owner, plugin) = (record.owner().to_string(), record.plugin());
    if ui.json {
        return ui.print_json(&object([
            ("attachment", owner.into()),
            ("plugin", plugin.into()),
            (
                "repaired",
                differences.iter().cloned().map(Value::from).collect(),
            ),
        ]));
    }
    let style = ui.style();
    let mut text = format!(
        "{} {} of {plugin}\n",
        style.good("repaired"),
        style.bold(&owner)
    );
    for difference in differences {
        text.push_str(&format!("  {}\n", style.dim(difference)));
    }
    ui.print(&text)
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
