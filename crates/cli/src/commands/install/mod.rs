//! `install`.
//!
//! What is in the directory is [looked](mod@look) at, and what is to be done about each name [planned](mod@plan), from what is seen alone. The
//! same plan is told by `--dry-run` and carried out by a run that is none: everything is prepared in a [directory of its own](stage)
//! beside the plugins and tried there, what is not Linkspan's is kept, and name by name is renamed, the file of all plugins first. So
//! whenever it is killed every name is a plugin that works, the old one or the new one, and the same command completes it. At the end it
//! is looked at again, and nothing must be left to do.

mod look;
mod plan;
mod source;
mod stage;
mod words;

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use linkspan_inspect::linkspan_version;

use super::bin_dir::{BINARY, Intent, Lock, NAMES, failed, obstacles, settle};
use super::replaced::Replaced;
use crate::args;
use crate::failure::{Failure, Kind};
use crate::ui::Ui;
use look::{MODE, Seen, look};
use plan::{Plan, Step, Wishes};
use stage::Stage;

pub(super) use source::plugins_file;
pub(super) use stage::sweep;

/// Installs the plugins.
pub(crate) fn install(ui: Ui, args: &args::Install) -> Result<(), Failure> {
    let source = source::find(args.from.as_deref())?;
    let wishes = Wishes {
        force: args.force,
        backup: !args.no_backup,
    };
    let installation = Installation {
        source: &source,
        bin_dir: &args.bin_dir,
        wishes,
    };
    if args.dry_run || args.check {
        let plan = installation.foresee(ui)?;
        let refusal = installation.refuse(&plan);
        words::foretell(ui, &installation, &plan, refusal.is_err())?;
        refusal?;
        return match args.check && plan.changes().next().is_some() {
            true => Err(installation.is_otherwise(&plan)),
            false => Ok(()),
        };
    }
    if !args.bin_dir.is_dir() {
        installation.refuse_obstacles(&[], &[], false)?;
        create(&args.bin_dir)?;
    }
    let lock = Lock::of(&args.bin_dir, ui);
    let progress = ui.progress("trying the plugins");
    let plan = installation.carry_out(lock.as_ref())?;
    drop(progress);
    words::tell(ui, &installation, &plan)
}

/// Puts the plugins of a file into a directory of nobody else; returns how many there are.
pub(super) fn place(source: &Path, bin_dir: &Path) -> Result<usize, Failure> {
    let wishes = Wishes {
        force: false,
        backup: false,
    };
    let installation = Installation {
        source,
        bin_dir,
        wishes,
    };
    Ok(installation.carry_out(None)?.plugins())
}

/// What is installed where, and how.
struct Installation<'a> {
    source: &'a Path,
    bin_dir: &'a Path,
    wishes: Wishes,
}

impl Installation<'_> {
    /// Plans, and changes nothing.
    fn foresee(&self, ui: Ui) -> Result<Plan, Failure> {
        let _progress = ui.progress("trying the plugins");
        let seen = look(self.bin_dir, self.source);
        let unsettled = unsettled(&seen);
        let held = match unsettled.is_empty() {
            true => Vec::new(),
            false => Stage::elsewhere(self.source)?.holds(self.source, &unsettled)?,
        };
        Ok(self.plan(seen, &held))
    }

    /// Installs what is not there yet; returns what was done. Without a lock others may be at work there.
    fn carry_out(&self, lock: Option<&Lock>) -> Result<Plan, Failure> {
        if lock.is_some() {
            sweep(self.bin_dir);
        }
        let seen = look(self.bin_dir, self.source);
        if unsettled(&seen).is_empty() {
            return Ok(self.plan(seen, &[]));
        }
        let is_there = is_binary_settled(&seen);
        self.refuse_obstacles(&[], &[], !is_there)?;
        let stage = Stage::beside(self.bin_dir, self.source, is_there)?;
        // A link to the file may have made another of it, to which the names do not lead: overlayfs copies what is of an image.
        let seen = match is_there {
            true => look(self.bin_dir, self.source),
            false => seen,
        };
        let unsettled = unsettled(&seen);
        stage.link(&unsettled)?;
        let held = stage.holds(self.source, &unsettled)?;
        let plan = self.plan(seen, &held);
        self.refuse(&plan)?;
        self.keep(&plan)?;
        let put = self.put(&plan, &stage);
        put.inspect_err(|_| Replaced::of(self.bin_dir).forget_needless())?;
        self.verify(&plan)?;
        Ok(plan)
    }

    fn plan(&self, seen: Vec<Seen>, tried: &[&str]) -> Plan {
        let settled = seen.iter().filter(|one| one.is_settled);
        // A name that is settled is one that the file holds.
        let held: Vec<_> = settled
            .map(|one| one.name)
            .chain(tried.iter().copied())
            .collect();
        Plan::new(seen, &held, linkspan_version(self.source), self.wishes)
    }

    /// Refuses what must not or cannot be done.
    fn refuse(&self, plan: &Plan) -> Result<(), Failure> {
        let refused: Vec<_> = plan.refusals().collect();
        if !refused.is_empty() {
            let words = format!("{} holds what is not a CNI plugin", self.bin_dir.display());
            let failure = refused
                .iter()
                .fold(Failure::new(Kind::Failed, words), Failure::because);
            return Err(failure.advise(
                "Nothing was changed. Move it away, or overwrite files with --force; a broken plugin, too, \
                 is none.",
            ));
        }
        let changed: Vec<_> = plan.changes().map(|step| step.name).collect();
        let kept: Vec<_> = plan.kept().collect();
        match changed.is_empty() {
            true => Ok(()),
            false => self.refuse_obstacles(&changed, &kept, changed.contains(&BINARY)),
        }
    }

    /// Refuses what cannot be done to these names, before anything is; `is_copied` says whether the file is written.
    fn refuse_obstacles(
        &self,
        changed: &[&str],
        kept: &[&str],
        is_copied: bool,
    ) -> Result<(), Failure> {
        let source = fs::metadata(self.source).ok().filter(|_| is_copied);
        let intent = Intent {
            changed: changed.to_vec(),
            installed: Some(source.map_or(0, |meta| meta.len())),
        };
        let mut obstacles = obstacles(self.bin_dir, &intent);
        obstacles.extend(Replaced::of(self.bin_dir).obstacle(kept));
        if obstacles.is_empty() {
            return Ok(());
        }
        let words = format!("nothing can be installed in {}", self.bin_dir.display());
        let failure = obstacles
            .iter()
            .fold(Failure::new(Kind::Failed, words), Failure::because);
        Err(failure.advise("Nothing was changed. Mend that, or choose another directory."))
    }

    /// Keeps what is not Linkspan's; all of it, or what is kept is as it was.
    fn keep(&self, plan: &Plan) -> Result<(), Failure> {
        let replaced = Replaced::of(self.bin_dir);
        let kept = plan.kept().try_for_each(|name| replaced.keep(name));
        let kept = kept.and_then(|()| match plan.kept().next() {
            Some(_) => settle(&replaced.directory()),
            None => Ok(()),
        });
        kept.inspect_err(|_| replaced.forget_needless())
    }

    fn put(&self, plan: &Plan, stage: &Stage) -> Result<(), Failure> {
        for (done, Step { name, .. }) in plan.changes().enumerate() {
            let target = self.bin_dir.join(name);
            // Of two hard links to one file the second would not be moved.
            if !is_same_entry(&stage.path(name), &target) {
                fs::rename(stage.path(name), &target).map_err(|error| {
                    let failure = failed("replace", &target)(error);
                    match done {
                        0 => failure.advise("Nothing was changed."),
                        _ => failure.advise(
                            "What was replaced until then works, beside what was there before. Repeat the command when this is \
                             mended, or go back with `linkspan uninstall`.",
                        ),
                    }
                })?;
            }
        }
        settle(self.bin_dir)
    }

    /// Looks at what was written: nothing must be left to do.
    fn verify(&self, plan: &Plan) -> Result<(), Failure> {
        let seen = look(self.bin_dir, self.source);
        let is_missing = |one: &&Seen| !plan.missing.contains(&one.name);
        let otherwise = seen.iter().filter(is_missing).filter(|one| !one.is_settled);
        let otherwise: Vec<_> = otherwise.map(|one| one.name).collect();
        if otherwise.is_empty() {
            return Ok(());
        }
        let words = format!(
            "{} is not as it was written just now: {}",
            self.bin_dir.display(),
            otherwise.join(", ")
        );
        Err(Failure::new(Kind::Failed, words).advise(
            "Somebody else writes there, or the disk does not keep what it is given. Repeat the command.",
        ))
    }

    /// What `--check` says where something would have to be done.
    fn is_otherwise(&self, plan: &Plan) -> Failure {
        let names: Vec<_> = plan.changes().map(|step| step.name).collect();
        let words = format!(
            "{} is not as `linkspan install` leaves it: {}",
            self.bin_dir.display(),
            names.join(", ")
        );
        Failure::new(Kind::Failed, words).advise("Run the command without --check.")
    }
}

/// Names at which something would have to be done, the file itself not counted.
fn unsettled(seen: &[Seen]) -> Vec<&'static str> {
    let unsettled = seen.iter().filter(|one| !one.is_settled);
    let names = unsettled.map(|one| one.name);
    names.filter(|name| NAMES.contains(name)).collect()
}

fn is_binary_settled(seen: &[Seen]) -> bool {
    let mut seen = seen.iter();
    seen.any(|one| one.name == BINARY && one.is_settled)
}

/// Whether two names are links to one file.
fn is_same_entry(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

/// Creates the directory, for everybody to read whatever this process keeps from others.
fn create(bin_dir: &Path) -> Result<(), Failure> {
    let missing: Vec<_> = bin_dir
        .ancestors()
        .filter(|one| !one.as_os_str().is_empty())
        .take_while(|one| !one.exists())
        .collect();
    let made = DirBuilder::new().recursive(true).create(bin_dir);
    made.and_then(|()| {
        let mut made = missing.into_iter();
        made.try_for_each(|one| fs::set_permissions(one, Permissions::from_mode(MODE)))
    })
    .map_err(failed("create", bin_dir))
}
