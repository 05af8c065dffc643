//! The variables of the protocol: missing, malformed, and more than there should be.

use linkspan_spec::{ErrorCode, Version};

use super::{ANY, INTERFACE, ON_LINKS};
use crate::bench::{Bench, no_text};
use crate::check::{Check, Level, Verdict};
use crate::section::Section;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "command-missing",
        section: Section::Parameters,
        level: Level::Should,
        since: Version::V0_1_0,
        of: ANY,
        asks: "a call without CNI_COMMAND",
        says: "CNI_COMMAND is required; a missing variable is an error of code 4 whose message names it",
        run: |bench| missing(bench, "ADD", "CNI_COMMAND"),
    },
    Check {
        id: "command-unknown",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "CNI_COMMAND that is no command: JUMP, add",
        says: "the commands are ADD, DEL, CHECK, GC, STATUS and VERSION; any other is an error of code 4 that names CNI_COMMAND",
        run: |bench| {
            let values = ["JUMP", "add"];
            malformed(bench, "CNI_COMMAND", &values)
        },
    },
    Check {
        id: "container-id-missing",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD and DEL without CNI_CONTAINERID, and with an empty one",
        says: "CNI_CONTAINERID is required, and not empty; otherwise the error has code 4 and names it",
        run: |bench| {
            missing(bench, "ADD", "CNI_CONTAINERID")?;
            missing(bench, "DEL", "CNI_CONTAINERID")?;
            malformed(bench, "CNI_CONTAINERID", &[""])
        },
    },
    Check {
        id: "container-id-malformed",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_4_0,
        of: ANY,
        asks: "CNI_CONTAINERID that leads elsewhere: ../x, a/b, -x, a b",
        says: "a container ID begins with a letter or a digit, and has letters, digits, _, . and - behind it",
        run: |bench| malformed(bench, "CNI_CONTAINERID", &["../x", "a/b", "-x", "a b"]),
    },
    Check {
        id: "netns-missing",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD without CNI_NETNS",
        says: "ADD requires CNI_NETNS; without it the error has code 4 and names it",
        run: |bench| missing(bench, "ADD", "CNI_NETNS"),
    },
    Check {
        id: "ifname-missing",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD and DEL without CNI_IFNAME",
        says: "CNI_IFNAME is required; without it the error has code 4 and names it",
        run: |bench| {
            missing(bench, "ADD", "CNI_IFNAME")?;
            missing(bench, "DEL", "CNI_IFNAME")
        },
    },
    Check {
        id: "ifname-malformed",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_4_0,
        of: ON_LINKS,
        asks: "CNI_IFNAME that no interface can have: 16 letters, .., a/b, a b, and none",
        says: "a plugin that is unable to use the interface's name returns an error",
        run: |bench| {
            malformed(
                bench,
                "CNI_IFNAME",
                &["abcdefghijklmnop", "..", "a/b", "a b", ""],
            )
        },
    },
    Check {
        id: "no-text",
        section: Section::Parameters,
        level: Level::Should,
        since: Version::V0_1_0,
        of: ANY,
        asks: "CNI_CONTAINERID that is no UTF-8",
        says: "a container ID is plain text: anything else is an error, and no crash",
        run: |bench| {
            let container = bench.container()?;
            let call = bench.of("ADD", &container)?;
            let call = call.env("CNI_CONTAINERID", no_text());
            let answer = call
                .asking("ADD with CNI_CONTAINERID of bytes that are no UTF-8")
                .run()?;
            answer.refused(&[ErrorCode::INVALID_ENVIRONMENT], &["CNI_CONTAINERID"])
        },
    },
    Check {
        id: "args",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with CNI_ARGS of others: IgnoreUnknown=1;K8S_POD_NAME=web",
        says: "CNI_ARGS are pairs of names and values for whoever knows them; IgnoreUnknown lets others pass (CONVENTIONS.md)",
        run: |bench| {
            // Where ADD fails anyhow that is told elsewhere.
            let attachment = bench.attached()?;
            bench.detach(&attachment)?;
            let container = bench.container()?;
            let call = bench.of("ADD", &container)?;
            let call = call.env(
                "CNI_ARGS",
                "IgnoreUnknown=1;K8S_POD_NAME=web;K8S_POD_NAMESPACE=default",
            );
            call.asking("ADD with CNI_ARGS of Kubernetes")
                .run()?
                .success()
                .map(drop)
        },
    },
    Check {
        id: "args-malformed",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with CNI_ARGS that are no pairs: ;;=;a=b=c;x",
        says: "the plugin tells success or an error; it does neither crash nor hang",
        run: |bench| {
            for args in [";;=;a=b=c;x", "=", "IP", ";"] {
                let container = bench.container()?;
                let call = bench.of("ADD", &container)?.env("CNI_ARGS", args);
                let answer = call.asking(format!("ADD with CNI_ARGS {args:?}")).run()?;
                answer.ended()?;
                if !answer.is_success() {
                    answer.error()?;
                }
                bench.of("DEL", &container)?.run()?;
            }
            Ok(())
        },
    },
    Check {
        id: "ifname-other",
        section: Section::Parameters,
        level: Level::Must,
        since: Version::V0_1_0,
        of: INTERFACE,
        asks: "ADD with CNI_IFNAME net1, and with one of 15 letters",
        says: "CNI_IFNAME is the name of the interface to create inside the container",
        run: |bench| {
            super::only_if(
                bench.subject.makes_interface(),
                "it makes no interface of a name that it is given",
            )?;
            for ifname in ["net1", "fifteen-letters"] {
                let container = bench.container()?.with_ifname(ifname);
                let attachment = bench.attach_in(container, bench.newest()?)?;
                if attachment.container.link()?.is_none() {
                    return Err(attachment
                        .answer
                        .fault(format!("there is no interface {ifname} in the container")));
                }
                bench.detach(&attachment)?;
            }
            Ok(())
        },
    },
];

fn missing(bench: &Bench<'_>, command: &str, variable: &str) -> Verdict {
    let container = bench.container()?;
    let call = bench.of(command, &container)?.without(variable);
    let answer = call.asking(format!("{command} without {variable}")).run()?;
    answer.refused(&[ErrorCode::INVALID_ENVIRONMENT], &[variable])
}

fn malformed(bench: &Bench<'_>, variable: &str, values: &[&str]) -> Verdict {
    for value in values {
        let container = bench.container()?;
        let call = bench.of("ADD", &container)?.env(variable, value);
        let answer = call
            .asking(format!("ADD with {variable}={value:?}"))
            .run()?;
        answer.refused(&[ErrorCode::INVALID_ENVIRONMENT], &[variable])?;
    }
    Ok(())
}
