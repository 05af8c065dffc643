//! GC: what is in use stays, and the rest goes.

use linkspan_spec::{ErrorCode, Version};

use super::{ANY, add::warmed, del::DEVICE_ENDS, only_if, some_of};
use crate::bench::Bench;
use crate::check::{Check, Level, Stop, Verdict};
use crate::kind::Kind;
use crate::section::Section;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "gc",
        section: Section::Gc,
        level: Level::Must,
        since: Version::V1_1_0,
        of: ANY,
        asks: "GC where nothing is attached",
        says: "GC completes without error, and without output",
        run: |bench| {
            let version = bench.newest_since(Version::V1_1_0)?;
            let answer = bench.gc(version, &[]).run()?;
            answer.success()?;
            match answer.stdout.trim_ascii().is_empty() {
                true => Ok(()),
                false => Err(answer.fault("GC has no output on success").mildly()),
            }
        },
    },
    Check {
        id: "gc-keeps",
        section: Section::Gc,
        level: Level::Must,
        since: Version::V1_1_0,
        of: ANY,
        asks: "GC with one of two attachments in use, and that one after it",
        says: "cni.dev/valid-attachments are those that are still valid: nothing of theirs is removed",
        run: keeps,
    },
    Check {
        id: "gc-frees",
        section: Section::Gc,
        level: Level::Should,
        since: Version::V1_1_0,
        of: ANY,
        asks: "GC after a container has gone without DEL, and what is left on the host",
        says: "a plugin removes as many stale resources as possible, such as reservations of addresses and firewall rules",
        run: frees,
    },
    Check {
        id: "gc-not-known-yet",
        section: Section::Versions,
        level: Level::Should,
        since: Version::V1_1_0,
        of: ANY,
        asks: "GC in a version before 1.1.0",
        says: "the command is of 1.1.0: a version that has it not is the wrong one for it (code 1)",
        run: |bench| before(bench, "GC"),
    },
    Check {
        id: "status-not-known-yet",
        section: Section::Versions,
        level: Level::Should,
        since: Version::V1_1_0,
        of: ANY,
        asks: "STATUS in a version before 1.1.0",
        says: "the command is of 1.1.0: a version that has it not is the wrong one for it (code 1)",
        run: |bench| before(bench, "STATUS"),
    },
];

/// The command in the newest version that does not know it.
fn before(bench: &Bench<'_>, command: &str) -> Verdict {
    let older = bench.versions.iter().rfind(|one| **one < Version::V1_1_0);
    let older = older.ok_or_else(|| Stop::skip("the plugin claims no version before 1.1.0"))?;
    let answer = bench.call(command, *older);
    let answer = answer.asking(format!("{command} in {older}")).run()?;
    // One that has never heard of it takes it for a mistake in CNI_COMMAND.
    let codes = [
        ErrorCode::INCOMPATIBLE_VERSION,
        ErrorCode::INVALID_ENVIRONMENT,
    ];
    answer.refused(&codes, &[])
}

fn keeps(bench: &Bench<'_>) -> Verdict {
    let version = bench.newest_since(Version::V1_1_0)?;
    only_if(!bench.subject.single, "it attaches one container at a time")?;
    let [stays, goes] = [bench.attached()?, bench.attached()?];
    let before = stays.container.addresses()?;
    goes.container.end()?;
    let answer = bench.gc(version, &[&stays]).run()?;
    answer.success()?;
    if bench.subject.kind != Kind::Ipam {
        if stays.container.link()?.is_none() {
            return Err(answer.fault("the interface of an attachment in use is gone"));
        }
        if stays.container.addresses()? != before {
            return Err(answer.fault("an address of an attachment in use is gone"));
        }
    }
    let check = bench.about("CHECK", &stays);
    let check = check
        .asking("CHECK of an attachment that GC was told is in use")
        .run()?;
    check.success().map(drop)
}

fn frees(bench: &Bench<'_>) -> Verdict {
    let version = bench.newest_since(Version::V1_1_0)?;
    only_if(!bench.subject.gives_device(), DEVICE_ENDS)?;
    warmed(bench)?;
    let container = bench.container()?;
    let before = bench.snapshot()?;
    let attachment = bench.attach_in(container, version)?;
    if bench.subject.kind != Kind::Chained {
        attachment.container.end()?;
    }
    let answer = bench.gc(version, &[]).run()?;
    answer.success()?;
    let changes = bench.changes_since(&before)?.into_iter();
    // Where nothing is in use, what is shared may go as well.
    let left: Vec<_> = changes
        .filter(|change| change.ends_with(" is left"))
        .collect();
    match left.is_empty() {
        true => Ok(()),
        false => Err(answer.fault(some_of(&left))),
    }
}
