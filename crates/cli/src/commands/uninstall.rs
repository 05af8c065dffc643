//! `uninstall`.

use std::fs;
use std::io;
use std::path::Path;

use linkspan_dhcp::daemon::{FOLDER, Kept, KeptLease};
use linkspan_netfilter::{Backend, HandedOver, Moved, Record, hand_over, plan_migration};
use linkspan_spec::Value;

use super::bin_dir::{Lock, failed};
use super::install::sweep;
use super::migrate::{because, carry_out, json_of, unread, words_of};
use super::replaced::{Fate, Files, Replaced};
use super::root;
use crate::args::Uninstall;
use crate::failure::{Failure, Kind};
use crate::privilege;
use crate::ui::{Ui, object};

/// Where it stands what containers have, on their host.
const RECORDS: &str = "/run/cni";

/// Leaves the host to the plugins that were there before, with its containers running.
pub(crate) fn uninstall(ui: Ui, args: &Uninstall) -> Result<(), Failure> {
    if !args.files_only {
        privilege::require("uninstall")?;
    }
    match args.root.as_deref() {
        Some(root) => root::enter(root)?,
        None if !args.files_only => require_host()?,
        None => {}
    }
    require_directory(&args.bin_dir)?;
    let lock = Lock::of(&args.bin_dir, ui);
    let replaced = Replaced::of(&args.bin_dir);
    let files = Files::of(&replaced);
    if args.files_only {
        return put_back_files(ui, args, &replaced, &files, lock.as_ref());
    }
    let plan = plan_migration(Backend::Iptables).map_err(unread)?;
    let leases = Kept::on_host().map_err(unread_leases)?;
    if !ui.json {
        ui.print(&files.intention(&replaced, &args.bin_dir))?;
        ui.print(&intention(&plan, &leases))?;
    }
    files.refuse_obstacles(&replaced, &args.bin_dir)?;
    if !args.force {
        refuse_orphans(&files, &plan)?;
    }
    if args.dry_run {
        return match ui.json {
            true => tell(ui, args, &files, &plan, &HandedOver::default(), &leases),
            false => ui.print("Nothing was changed.\n"),
        };
    }
    carry_out(Backend::Iptables)?;
    put_back(args, &replaced, &files, lock.as_ref())?;
    // What was attached until the plugins were others.
    let moved = carry_out(Backend::Iptables)?;
    let leases = Kept::on_host().map_err(unread_leases)?;
    let spared: &[&str] = if leases.folders.is_empty() {
        &[]
    } else {
        &[FOLDER]
    };
    let outcome = hand_over(spared).map_err(|error| {
        because(
            Failure::new(Kind::Failed, "cannot remove all that is Linkspan's"),
            &error,
        )
    })?;
    match ui.json {
        true => tell(ui, args, &files, &moved, &outcome, &leases),
        false => ui.print(&end(&outcome, &leases)),
    }
}

/// `--files-only`: rules and records stay, for who has them elsewhere, or has no container.
fn put_back_files(
    ui: Ui,
    args: &Uninstall,
    replaced: &Replaced<'_>,
    files: &Files,
    lock: Option<&Lock>,
) -> Result<(), Failure> {
    if !ui.json {
        ui.print(&files.intention(replaced, &args.bin_dir))?;
    }
    files.refuse_obstacles(replaced, &args.bin_dir)?;
    if !args.dry_run {
        put_back(args, replaced, files, lock)?;
    }
    if ui.json {
        let (nothing, leases) = (HandedOver::default(), Kept::default());
        return tell(ui, args, files, &[], &nothing, &leases);
    }
    ui.print(match (args.dry_run, files.is_nothing_to_do()) {
        (true, _) => "Nothing was changed.\n",
        (_, true) => "Nothing was to be done.\n",
        (_, false) => "Done: the files are as they were; rules and records of containers were left as they are.\n",
    })
}

/// Puts back what was there, and removes what installations have left that were killed; without a lock one may be at work.
fn put_back(
    args: &Uninstall,
    replaced: &Replaced<'_>,
    files: &Files,
    lock: Option<&Lock>,
) -> Result<(), Failure> {
    replaced.undo(&files.fates)?;
    if lock.is_some() {
        sweep(&args.bin_dir);
    }
    Ok(())
}

/// A pod sees neither rules nor records of its node's containers unless it is given them, and would leave them behind without a word.
fn require_host() -> Result<(), Failure> {
    let is_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if !is_pod || Path::new(RECORDS).is_dir() {
        return Ok(());
    }
    let words = format!(
        "this pod does not see its node's {RECORDS}, where it stands which containers have rules"
    );
    Err(Failure::new(Kind::Failed, words).advise(
        "Nothing was changed. Run it with hostNetwork, and with --root and the node's / mounted there; or, on a node that has no \
         containers of these networks, with --files-only.",
    ))
}

/// Else a name that is mistyped would leave the plugins of Linkspan in their place, without what they keep.
fn require_directory(bin_dir: &Path) -> Result<(), Failure> {
    fs::read_dir(bin_dir).map(drop).map_err(|error| {
        failed("read the directory of the plugins", bin_dir)(error)
            .advise("Nothing was changed. Name the directory that --bin-dir was at `install`.")
    })
}

fn unread_leases(error: io::Error) -> Failure {
    Failure::new(Kind::Failed, "cannot read what leases of dhcp are kept").because(error)
}

/// What is left at the end.
fn end(outcome: &HandedOver, leases: &Kept) -> String {
    if outcome.kept.is_empty() && leases.folders.is_empty() {
        return "Done: nothing of Linkspan's is left.\n".to_owned();
    }
    let mut text = "Done, but for this:\n".to_owned();
    if !outcome.kept.is_empty() {
        text += "What the reference plugins do not know. It stays until its containers have ended; then repeat the command:\n";
        for record in &outcome.kept {
            text += &format!("  {} of {}\n", record.owner(), record.plugin());
        }
    }
    text + &words_of_leases(leases)
}

/// What becomes of the leases, which the reference's daemon does not take over.
fn words_of_leases(kept: &Kept) -> String {
    if kept.folders.is_empty() {
        return String::new();
    }
    let folders = kept.folders.iter().map(|one| one.display().to_string());
    let folders = folders.collect::<Vec<_>>().join(" and ");
    let advice = match (kept.leases.is_empty(), kept.is_running) {
        (true, _) => "Stop Linkspan's, start the reference's, and repeat the command.",
        (_, true) => {
            "Let Linkspan's run on, from the file that it was started from, until these containers have ended; then stop it \
             and repeat the command:"
        }
        (_, false) => {
            "Linkspan's does not run, so they run out, and the server may give the addresses to others: start it before this \
             command, or have these containers attached anew afterwards:"
        }
    };
    let mut text = format!(
        "Leases in {folders}, which the reference's dhcp daemon does not take over. {advice}\n"
    );
    for lease in &kept.leases {
        text += &match lease.address {
            Some(address) => format!("  {} has {address}\n", lease.attachment),
            None => format!("  {} cannot be read\n", lease.attachment),
        };
    }
    text
}

/// What will be done beside the files.
fn intention(plan: &[(Record, Moved)], leases: &Kept) -> String {
    let mut text = String::new();
    if !plan.is_empty() {
        text += "Leave to the reference plugins, as rules of iptables:\n";
        for line in words_of(plan, Backend::Iptables).lines() {
            text += &format!("  {line}\n");
        }
    }
    text += "Remove the tables of Linkspan and /run/cni/linkspan\n";
    match leases.folders.is_empty() {
        true => text,
        false => format!("{text}Leave alone: {}", words_of_leases(leases)),
    }
}

/// Refuses to take away what detaches running containers.
fn refuse_orphans(files: &Files, plan: &[(Record, Moved)]) -> Result<(), Failure> {
    let removed = files.names(Fate::Removed);
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
    files: &Files,
    moved: &[(Record, Moved)],
    outcome: &HandedOver,
    leases: &Kept,
) -> Result<(), Failure> {
    let list = |fate| {
        files
            .names(fate)
            .into_iter()
            .map(Value::from)
            .collect::<Value>()
    };
    let kept = outcome.kept.iter();
    ui.print_json(&object([
        ("binDir", args.bin_dir.to_string_lossy().into()),
        ("dryRun", args.dry_run.into()),
        ("filesOnly", args.files_only.into()),
        ("putBack", list(Fate::PutBack)),
        ("removed", list(Fate::Removed)),
        ("leftAlone", list(Fate::LeftAlone)),
        ("stillKept", files.without_place().into()),
        ("attachments", json_of(moved)),
        (
            "kept",
            kept.map(|record| Value::from(record.owner().to_string()))
                .collect(),
        ),
        ("leases", leases.leases.iter().map(json_of_lease).collect()),
        ("dhcpDaemonRuns", leases.is_running.into()),
    ]))
}

fn json_of_lease(lease: &KeptLease) -> Value {
    let address = lease.address.map(|address| address.to_string());
    object([
        ("attachment", lease.attachment.as_str().into()),
        ("address", address.into()),
    ])
}
