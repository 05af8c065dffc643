//! `reconcile --backend`: what running attachments have, set up by another backend.

use std::path::PathBuf;

use linkspan_netfilter::{
    Backend, Migration, Moved, Record, migrate, plan_migration, unreadable_records,
};
use linkspan_spec::{Error, Value};

use crate::failure::{Failure, Kind};
use crate::ui::{Ui, object};

/// Moves all attachments, or tells what would become of them.
pub(super) fn to_backend(ui: Ui, to: Backend, dry_run: bool) -> Result<(), Failure> {
    let plan = plan_migration(to).map_err(unread)?;
    if !ui.json {
        ui.print(&words_of(&plan, to))?;
    }
    let moved = match dry_run {
        true => plan,
        false => carry_out(to)?,
    };
    if dry_run && !ui.json {
        return ui.print("Nothing was changed.\n");
    }
    let told = object([
        ("backend", to.to_string().into()),
        ("dryRun", dry_run.into()),
        ("attachments", json_of(&moved)),
    ]);
    ui.done(
        &format!("{to} has what attachments want of netfilter"),
        told,
    )
}

/// Moves all attachments; an error when any could not be, which stays as it was.
pub(super) fn carry_out(to: Backend) -> Result<Vec<(Record, Moved)>, Failure> {
    let migrated: Vec<Migration> = migrate(to).map_err(|error| {
        because(
            Failure::new(Kind::Failed, format!("cannot use {to}")),
            &error,
        )
    })?;
    let (mut moved, mut failed) = (Vec::new(), unreadable()?);
    for (record, outcome) in migrated {
        match outcome {
            Ok(outcome) => moved.push((record, outcome)),
            Err(error) => {
                let (owner, plugin) = (record.owner(), record.plugin());
                let words = format!("{owner} of {plugin} cannot be moved to {to}");
                failed.push(because(Failure::new(Kind::Failed, words), &error));
            }
        }
    }
    if failed.is_empty() {
        return Ok(moved);
    }
    let (count, all) = (failed.len(), failed.len() + moved.len());
    let words = format!("{count} of {all} attachments could not be moved to {to}");
    Err(Failure::new(Kind::Failed, words)
        .with_others(failed)
        .advise("They are as they were. Mend what is said and repeat the command."))
}

pub(super) fn because(failure: Failure, error: &Error) -> Failure {
    let failure = failure.because(&error.msg);
    match error.details.is_empty() {
        true => failure,
        false => failure.advise(error.details.as_str()),
    }
}

/// What will be done, a line for each attachment.
pub(super) fn words_of(plan: &[(Record, Moved)], to: Backend) -> String {
    if plan.is_empty() {
        return "No attachment has anything in netfilter.\n".to_owned();
    }
    let line = |(record, moved): &(Record, Moved)| {
        let (owner, plugin) = (record.owner(), record.plugin());
        let parts: Vec<String> = record.parts.iter().map(ToString::to_string).collect();
        let fate = match moved {
            Moved::Moved => format!("from {} to {to}", record.backend),
            Moved::Already => format!("by {to} already, or by nf_tables alone"),
            Moved::Removed => "removed, since the container is gone".to_owned(),
            Moved::Firewalld => "left to firewalld".to_owned(),
        };
        format!("{owner} of {plugin}, {}: {fate}\n", parts.join(", "))
    };
    plan.iter().map(line).collect()
}

pub(super) fn json_of(moved: &[(Record, Moved)]) -> Value {
    let one = |(record, moved): &(Record, Moved)| {
        let outcome = match moved {
            Moved::Moved => "moved",
            Moved::Already => "already",
            Moved::Removed => "removed",
            Moved::Firewalld => "firewalld",
        };
        object([
            ("attachment", record.owner().to_string().into()),
            ("plugin", record.plugin().into()),
            ("outcome", outcome.into()),
        ])
    };
    moved.iter().map(one).collect()
}

/// What attachments have could not be read.
pub(super) fn unread(error: Error) -> Failure {
    Failure::new(Kind::Failed, "cannot read what attachments have").because(error)
}

/// The records that are there and cannot be read.
pub(super) fn unreadable() -> Result<Vec<Failure>, Failure> {
    let failure = |path: PathBuf| {
        let words = format!("the record {} cannot be read", path.display());
        Failure::new(Kind::Failed, words).advise(
            "Whose it is stands in its name: network, container, interface, plugin. Detach that container and attach it \
             again; if there is none, GC of the network removes what is left.",
        )
    };
    let files = unreadable_records().map_err(unread)?;
    Ok(files.into_iter().map(failure).collect())
}
