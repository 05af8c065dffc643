//! `uninstall`.

use linkspan_netfilter::{Backend, HandedOver, Moved, Record, hand_over, plan_migration};
use linkspan_spec::Value;

use super::migrate::{because, carry_out, json_of, unread, words_of};
use super::replaced::{Fate, Replaced};
use crate::args::Uninstall;
use crate::failure::{Failure, Kind};
use crate::privilege;
use crate::ui::{Ui, object};

type Fates = Vec<(&'static str, Fate)>;

/// Leaves the host to the plugins that were there before, with its containers running.
pub(crate) fn uninstall(ui: Ui, args: &Uninstall) -> Result<(), Failure> {
    privilege::require("uninstall")?;
    let replaced = Replaced::of(&args.bin_dir);
    let fates = replaced.fates();
    let plan = plan_migration(Backend::Iptables).map_err(unread)?;
    if !ui.json {
        ui.print(&intention(&replaced, &fates, &plan, args))?;
    }
    if !args.force {
        refuse_orphans(&fates, &plan)?;
    }
    if args.dry_run {
        return match ui.json {
            true => tell(ui, args, &fates, &plan, &HandedOver::default()),
            false => ui.print("Nothing was changed.\n"),
        };
    }
    carry_out(Backend::Iptables)?;
    replaced.undo(&fates)?;
    // What was attached until the plugins were others.
    let moved = carry_out(Backend::Iptables)?;
    let outcome = hand_over().map_err(|error| {
        because(
            Failure::new(Kind::Failed, "cannot remove all that is Linkspan's"),
            &error,
        )
    })?;
    if ui.json {
        return tell(ui, args, &fates, &moved, &outcome);
    }
    if outcome.kept.is_empty() {
        return ui.print("Done: nothing of Linkspan's is left.\n");
    }
    let mut text = "Done, but for what the reference plugins do not know. It stays until its containers have ended; then \
                    repeat the command:\n"
        .to_owned();
    for record in &outcome.kept {
        text += &format!("  {} of {}\n", record.owner(), record.plugin());
    }
    ui.print(&text)
}

fn names(fates: &Fates, fate: Fate) -> Vec<&'static str> {
    let of_fate = fates.iter().filter(|(_, of)| *of == fate);
    of_fate.map(|(name, _)| *name).collect()
}

/// What will be done.
fn intention(
    replaced: &Replaced<'_>,
    fates: &Fates,
    plan: &[(Record, Moved)],
    args: &Uninstall,
) -> String {
    let bin_dir = args.bin_dir.display();
    let mut text = String::new();
    for (fate, words) in [
        (
            Fate::PutBack,
            format!(
                "Put back in {bin_dir}, from {}",
                replaced.directory().display()
            ),
        ),
        (Fate::Removed, format!("Remove from {bin_dir}")),
        (
            Fate::LeftAlone,
            format!("Leave alone in {bin_dir}, since it is not Linkspan's"),
        ),
    ] {
        let names = names(fates, fate);
        if !names.is_empty() {
            text += &format!("{words}: {}\n", names.join(", "));
        }
    }
    if !plan.is_empty() {
        text += "Leave to the reference plugins, as rules of iptables:\n";
        for line in words_of(plan, Backend::Iptables).lines() {
            text += &format!("  {line}\n");
        }
    }
    text + "Remove the tables of Linkspan and /run/cni/linkspan\n"
}

/// Refuses to take away what detaches running containers.
fn refuse_orphans(fates: &Fates, plan: &[(Record, Moved)]) -> Result<(), Failure> {
    let removed = names(fates, Fate::Removed);
    let is_orphan = |(record, moved): &&(Record, Moved)| {
        *moved != Moved::Removed
            && (removed.contains(&record.plugin()) || removed.contains(&"host-local"))
    };
    let Some((record, _)) = plan.iter().find(is_orphan) else {
        return Ok(());
    };
    let words = format!(
        "no plugin would be left to detach {}: nothing was in the place of {}",
        record.owner(),
        removed.join(", ")
    );
    Err(Failure::new(Kind::Failed, words).advise(
        "Nothing was changed. Put the reference plugins into the directory (a package manager does), detach the containers, \
         or go on with --force.",
    ))
}

fn tell(
    ui: Ui,
    args: &Uninstall,
    fates: &Fates,
    moved: &[(Record, Moved)],
    outcome: &HandedOver,
) -> Result<(), Failure> {
    let list = |fate| {
        names(fates, fate)
            .into_iter()
            .map(Value::from)
            .collect::<Value>()
    };
    let kept = outcome.kept.iter();
    ui.print_json(&object([
        ("binDir", args.bin_dir.to_string_lossy().into()),
        ("dryRun", args.dry_run.into()),
        ("putBack", list(Fate::PutBack)),
        ("removed", list(Fate::Removed)),
        ("leftAlone", list(Fate::LeftAlone)),
        ("attachments", json_of(moved)),
        (
            "kept",
            kept.map(|record| Value::from(record.owner().to_string()))
                .collect(),
        ),
    ]))
}
