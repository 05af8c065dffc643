//! STATUS: whether ADD can be served.

use linkspan_spec::Version;

use super::{ANY, only_if};
use crate::check::{Check, Level};
use crate::section::Section;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "status",
        section: Section::Status,
        level: Level::Must,
        since: Version::V1_1_0,
        of: ANY,
        asks: "STATUS where ADD succeeds, with no variable but CNI_COMMAND and CNI_PATH",
        says: "the exit status is 0 if the plugin is ready to serve ADD",
        run: |bench| {
            let version = bench.newest_since(Version::V1_1_0)?;
            let attachment = bench.attached()?;
            bench.detach(&attachment)?;
            let answer = bench.call("STATUS", version).run()?;
            answer.success()?;
            match answer.stdout.trim_ascii().is_empty() {
                true => Ok(()),
                false => Err(answer.fault("STATUS has no output on success").mildly()),
            }
        },
    },
    Check {
        id: "status-not-needed",
        section: Section::Status,
        level: Level::Must,
        since: Version::V1_1_0,
        of: ANY,
        asks: "STATUS, and what it changes on the host",
        says: "STATUS is purely informational, and no plugin relies on it being called",
        run: |bench| {
            let version = bench.newest_since(Version::V1_1_0)?;
            let before = bench.snapshot()?;
            let answer = bench.call("STATUS", version).run()?;
            only_if(
                answer.is_success(),
                "STATUS does not succeed, which is told by the check \"status\"",
            )?;
            let changes = before.changes_to(&bench.snapshot()?);
            // Files are the plugin's own affair.
            let changes: Vec<_> = changes
                .into_iter()
                .filter(|change| !change.starts_with("the file "))
                .collect();
            match changes.is_empty() {
                true => Ok(()),
                false => Err(answer.fault(super::some_of(&changes))),
            }
        },
    },
];
