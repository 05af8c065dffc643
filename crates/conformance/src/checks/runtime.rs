//! Runtimes that do what none should: the plugin fails cleanly, or does its work all the same.

use std::fs;
use std::time::Duration;

use linkspan_spec::Version;
use rustix::process::Signal;

use super::{ANY, INTERFACE, add::warmed, only_if, some_of};
use crate::bench::Bench;
use crate::call::Input;
use crate::check::{Check, Level, Verdict};
use crate::section::Section;

/// After how long a plugin is ended, in microseconds: before it has begun, in its midst, when it is nearly done.
const MOMENTS: [u64; 6] = [200, 700, 1500, 4000, 12_000, 40_000];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "netns-nowhere",
        section: Section::Add,
        level: Level::Must,
        since: Version::V0_1_0,
        of: INTERFACE,
        asks: "ADD with a CNI_NETNS that is not there, that is a file, that is a directory",
        says: "the interface is created inside the container at CNI_NETNS: where there is no namespace, that is an error",
        run: |bench| {
            fs::write("/run/file", "")?;
            for path in ["/run/netns/nowhere", "/run/file", "/run", "relative"] {
                let container = bench.container()?;
                let before = bench.snapshot()?;
                let call = bench.of("ADD", &container)?.env("CNI_NETNS", path);
                let answer = call.asking(format!("ADD with CNI_NETNS={path}")).run()?;
                answer.refusal()?;
                let left: Vec<_> = before
                    .changes_to(&bench.snapshot()?)
                    .into_iter()
                    .filter(|what| what.starts_with("the link ") && what.ends_with(" is left"))
                    .collect();
                if let Some(what) = left.first().filter(|what| !what.contains("conformance")) {
                    return Err(answer
                        .fault(format!("of an ADD that failed {what}"))
                        .mildly());
                }
                answer.refused(&[], &[])?;
            }
            Ok(())
        },
    },
    Check {
        id: "netns-of-host",
        section: Section::Lifecycle,
        level: Level::Should,
        since: Version::V0_1_0,
        of: INTERFACE,
        asks: "ADD with the host's own namespace for CNI_NETNS",
        says: "a container has a namespace of its own, made for it before any plugin is run: the host's is none",
        run: |bench| {
            only_if(
                bench.subject.makes_interface(),
                "it makes no interface of a name that it is given",
            )?;
            let container = bench.container()?;
            let call = bench
                .of("ADD", &container)?
                .env("CNI_NETNS", "/proc/self/ns/net");
            let answer = call.asking("ADD with CNI_NETNS=/proc/self/ns/net").run()?;
            answer.refusal().map(drop)
        },
    },
    Check {
        id: "path-missing",
        section: Section::Delegation,
        level: Level::Must,
        since: Version::V0_1_0,
        of: INTERFACE,
        asks: "ADD without CNI_PATH, with an empty one, and with one that leads nowhere",
        says: "the IPAM plugin is searched in CNI_PATH: where it is not, that is an error, whatever the working directory has",
        run: |bench| {
            only_if(
                bench.subject.ipam().is_some(),
                "its configuration has no ipam that it asks",
            )?;
            for path in [None, Some(""), Some("/nowhere:/run/nothing"), Some(":")] {
                let container = bench.container()?;
                let call = bench.of("ADD", &container)?.without("CNI_PATH");
                let call = match path {
                    Some(path) => call.env("CNI_PATH", path),
                    None => call,
                };
                let asked = path.map_or("ADD without CNI_PATH".to_owned(), |path| {
                    format!("ADD with CNI_PATH={path:?}")
                });
                call.asking(asked).run()?.refused(&[], &[])?;
            }
            Ok(())
        },
    },
    Check {
        id: "stdin-closed",
        section: Section::ErrorResult,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with standard input closed",
        says: "failure to read the configuration from stdin is an error of code 5, or 6 where there is nothing to decode",
        run: |bench| {
            let container = bench.container()?;
            let call = bench.of("ADD", &container)?.redirected("<&-");
            let answer = call.asking("ADD with standard input closed").run()?;
            answer.refused(
                &[
                    linkspan_spec::ErrorCode::IO_FAILURE,
                    linkspan_spec::ErrorCode::DECODING_FAILURE,
                ],
                &[],
            )
        },
    },
    Check {
        id: "stdin-endless",
        section: Section::Protocol,
        level: Level::Should,
        since: Version::V0_1_0,
        of: ANY,
        asks: "SIGTERM to a plugin whose configuration never ends",
        says: "the configuration is what is streamed through stdin: one that waits for its end can be ended by the runtime",
        run: |bench| {
            let container = bench.container()?;
            let call = bench
                .of("ADD", &container)?
                .input(Input::Endless(b"{".to_vec()));
            let call = call
                .asking("SIGTERM to ADD that waits for its configuration")
                .signalled(Signal::TERM, Duration::from_millis(300))
                .within(Duration::from_secs(5));
            let answer = call.run()?;
            match (answer.status, answer.is_success()) {
                (None, _) => Err(answer.fault("it does not end on SIGTERM")),
                (_, true) => Err(answer.fault("it tells success without a configuration")),
                _ => Ok(()),
            }
        },
    },
    Check {
        id: "descriptors",
        section: Section::Protocol,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD and DEL with other descriptors open, and with standard error closed",
        says: "a plugin reads stdin and writes stdout and stderr: others are not its own, and nobody needs to read its log",
        run: |bench| {
            let attachment = bench.attached()?;
            bench.detach(&attachment)?;
            for redirections in ["3</dev/null 4>/dev/null 9</proc/self/ns/net", "2>&-"] {
                let container = bench.container()?;
                let call = bench.of("ADD", &container)?.redirected(redirections);
                let answer = call
                    .asking(format!("ADD with descriptors {redirections}"))
                    .run()?;
                let result = answer.object()?;
                let call = bench
                    .of("DEL", &container)?
                    .key("prevResult", result)
                    .redirected(redirections);
                call.asking(format!("DEL with descriptors {redirections}"))
                    .run()?
                    .success()?;
            }
            Ok(())
        },
    },
    Check {
        id: "stdout-closed",
        section: Section::Lifecycle,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with standard output closed, DEL, and what is left",
        says: "a runtime calls DEL even if ADD fails: then nothing of it is left",
        run: |bench| {
            warmed(bench)?;
            let container = bench.container()?;
            let before = bench.snapshot()?;
            let call = bench.of("ADD", &container)?.redirected(">&-");
            let answer = call.asking("ADD with standard output closed").run()?;
            let del = bench.of("DEL", &container)?.run()?;
            del.success()?;
            let left = bench.changes_since(&before)?;
            match left.is_empty() {
                true => Ok(()),
                false => Err(answer.fault(some_of(&left))),
            }
        },
    },
    Check {
        id: "sigterm",
        section: Section::Lifecycle,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "SIGTERM in the midst of ADD, DEL, and what is left",
        says: "a runtime calls DEL even if ADD fails, or was given up: then nothing of it is left",
        run: |bench| ended(bench, Signal::TERM, "SIGTERM"),
    },
    Check {
        id: "sigkill",
        section: Section::Lifecycle,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "SIGKILL in the midst of ADD, DEL, and what is left",
        says: "a runtime calls DEL even if ADD fails, or was given up: then nothing of it is left",
        run: |bench| ended(bench, Signal::KILL, "SIGKILL"),
    },
];

/// Ends ADD at several moments, and looks whether DEL removes all of it.
fn ended(bench: &Bench<'_>, signal: Signal, name: &str) -> Verdict {
    warmed(bench)?;
    for moment in MOMENTS {
        let container = bench.container()?;
        let before = bench.snapshot()?;
        let after = Duration::from_micros(moment);
        let call = bench.of("ADD", &container)?.signalled(signal, after);
        let answer = call
            .asking(format!("{name} to ADD after {after:?}"))
            .run()?;
        let del = bench.of("DEL", &container)?;
        let del = del
            .asking(format!("DEL after {name} to ADD after {after:?}"))
            .run()?;
        del.success()?;
        let left = bench.changes_since(&before)?;
        if !left.is_empty() {
            return Err(answer.fault(format!("after DEL {}", some_of(&left))));
        }
    }
    Ok(())
}
