//! IPAM plugins that do what none should: the plugin fails, tells so, and leaves nothing.

use std::time::Duration;

use linkspan_spec::Version;

use super::{INTERFACE, delegation::add, only_if, some_of};
use crate::bench::Bench;
use crate::check::{Check, Level, Verdict};
use crate::ipam::{self, GIVES, Ipam};
use crate::section::Section;

/// An IPAM plugin that fails in its way.
macro_rules! failing_ipam {
    ($id:literal, $asks:literal, $answers:expr $(,)?) => {
        Check {
            id: $id,
            section: Section::Delegation,
            level: Level::Must,
            since: Version::V0_3_0,
            of: INTERFACE,
            asks: $asks,
            says: "success of a delegated plugin is exit status 0 and a result on standard output; without it ADD fails, and \
                   nothing of it is left after DEL",
            run: |bench| refuses(bench, $answers),
        }
    };
}

pub(super) const CHECKS: &[Check] = &[
    failing_ipam!(
        "ipam-missing",
        "ADD with an IPAM plugin that is not there",
        "",
    ),
    failing_ipam!(
        "ipam-error",
        "ADD with an IPAM plugin that tells an error",
        r#"echo '{"cniVersion":"1.0.0","code":11,"msg":"try again"}'; exit 1"#,
    ),
    failing_ipam!(
        "ipam-silent",
        "ADD with an IPAM plugin that succeeds and prints nothing",
        "exit 0",
    ),
    failing_ipam!(
        "ipam-garbage",
        "ADD with an IPAM plugin that prints no JSON",
        "echo 'no JSON at all {{{'",
    ),
    failing_ipam!(
        "ipam-list",
        "ADD with an IPAM plugin that prints a list",
        "echo '[]'",
    ),
    failing_ipam!(
        "ipam-crash",
        "ADD with an IPAM plugin that crashes",
        "kill -SEGV $$",
    ),
    failing_ipam!(
        "ipam-error-exit",
        "ADD with an IPAM plugin that prints a result and fails",
        r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.99.0.2/24"}]}'; exit 3"#,
    ),
    failing_ipam!(
        "ipam-bad-address",
        "ADD with an IPAM plugin whose address is none: 10.99.0.300/24, without a prefix, /64",
        r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.99.0.300/24"},{"address":"10.99.0.2"},{"address":"10.99.0.2/64"}]}'"#,
    ),
    failing_ipam!(
        "ipam-wrong-types",
        "ADD with an IPAM plugin whose ips is an object",
        r#"echo '{"cniVersion":"1.0.0","ips":{"address":"10.99.0.2/24"}}'"#,
    ),
    failing_ipam!(
        "ipam-unknown-version",
        "ADD with an IPAM plugin whose result is in a version that there is not",
        r#"echo '{"cniVersion":"99.0.0","ips":[{"address":"10.99.0.2/24"}]}'"#,
    ),
    failing_ipam!(
        "ipam-bad-route",
        "ADD with an IPAM plugin whose route is none",
        r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.99.0.2/24"}],"routes":[{"dst":"everywhere"}]}'"#,
    ),
    Check {
        id: "ipam-flood",
        section: Section::Delegation,
        level: Level::Must,
        since: Version::V0_3_0,
        of: INTERFACE,
        asks: "ADD with an IPAM plugin that prints 64 MiB",
        says: "success of a delegated plugin is a result on standard output: what is none is an error, and no reason to hang",
        run: |bench| refuses(bench, "head -c 67108864 /dev/zero | tr '\\0' x"),
    },
    Check {
        id: "ipam-older-result",
        section: Section::Delegation,
        level: Level::Must,
        since: Version::V0_3_0,
        of: INTERFACE,
        asks: "ADD with an IPAM plugin whose result is one of 0.2.0",
        says: "the plugin tells its own result in the version that it was asked in, or an error",
        run: older_result,
    },
    Check {
        id: "ipam-hangs",
        section: Section::Delegation,
        level: Level::Must,
        since: Version::V0_3_0,
        of: INTERFACE,
        asks: "SIGTERM to a plugin whose IPAM plugin hangs, DEL, and what is left",
        says: "a runtime calls DEL even if ADD fails: then nothing of it is left",
        run: hangs,
    },
];

fn refuses(bench: &Bench<'_>, answers: &str) -> Verdict {
    let before = warm(bench)?;
    let ipam = Ipam {
        add: answers,
        others: "exit 0",
    };
    let (container, answer) = match answers {
        "" => {
            let container = bench.container()?;
            let call = ipam::asked(bench.of("ADD", &container)?);
            let call = call.asking("ADD with an IPAM plugin that is not there");
            (container, call.run()?)
        }
        _ => add(bench, &ipam)?,
    };
    answer.refusal()?;
    leaves_nothing(bench, &container, &before)?;
    // Beyond that it fails, a runtime would like to know why.
    answer.refused(&[], &[])
}

/// The host after one attachment has come and gone.
fn warm(bench: &Bench<'_>) -> Result<crate::snapshot::Snapshot, crate::check::Stop> {
    if let Some(why) = ipam::is_not_asked(bench) {
        return Err(crate::check::Stop::skip(why));
    }
    bench.newest_since(Version::V0_3_0)?;
    super::add::warmed(bench)?;
    bench.snapshot()
}

/// That after DEL, by an IPAM plugin that does as it should by now, the host and the container are as before.
fn leaves_nothing(
    bench: &Bench<'_>,
    container: &crate::container::Container,
    before: &crate::snapshot::Snapshot,
) -> Verdict {
    ipam::lay(&ipam::GOOD)?;
    let call = ipam::asked(bench.of("DEL", container)?);
    let del = call.asking("DEL after an ADD that failed").run()?;
    del.success()?;
    if container.link()?.is_some() {
        return Err(del.fault("the container has the interface of an ADD that failed"));
    }
    let left = bench.changes_since(before)?;
    match left.is_empty() {
        true => Ok(()),
        false => Err(del.fault(format!("of an ADD that failed {}", some_of(&left)))),
    }
}

fn older_result(bench: &Bench<'_>) -> Verdict {
    warm(bench)?;
    let answers =
        r#"echo '{"cniVersion":"0.2.0","ip4":{"ip":"10.99.0.2/24","gateway":"10.99.0.1"}}'"#;
    let (_, answer) = add(
        bench,
        &Ipam {
            add: answers,
            others: "exit 0",
        },
    )?;
    match answer.ended()?.is_success() {
        false => answer.refused(&[], &[]),
        true => {
            let object = answer.object()?;
            let faults = crate::shape::faults(&object, bench.newest()?, false);
            match faults.first() {
                None => Ok(()),
                Some(_) => Err(answer.fault(faults.join("; "))),
            }
        }
    }
}

fn hangs(bench: &Bench<'_>) -> Verdict {
    let before = warm(bench)?;
    let hangs = format!("sleep 20\n{GIVES}");
    ipam::lay(&Ipam {
        add: &hangs,
        others: "exit 0",
    })?;
    let container = bench.container()?;
    let call = ipam::asked(bench.of("ADD", &container)?);
    let call = call
        .asking("ADD with an IPAM plugin that hangs, and SIGTERM after a second")
        .signalled(rustix::process::Signal::TERM, Duration::from_secs(1));
    let answer = call.within(Duration::from_secs(4)).run()?;
    only_if(!answer.is_success(), "ADD succeeds in spite of SIGTERM")?;
    leaves_nothing(bench, &container, &before)
}
