//! Standard input and output, the exit status, and VERSION.

use linkspan_spec::{Value, Version};

use super::{ANY, ON_LINKS};
use crate::bench::Bench;
use crate::check::{Check, Level, Verdict};
use crate::section::Section;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "version",
        section: Section::VersionResult,
        level: Level::Must,
        since: Version::V0_2_0,
        of: ANY,
        asks: "VERSION, with no variable but CNI_COMMAND",
        says: "the answer is an object with the versions that the plugin supports",
        run: version,
    },
    Check {
        id: "version-echo",
        section: Section::VersionResult,
        level: Level::Must,
        since: Version::V1_0_0,
        of: ANY,
        asks: "VERSION in each version that the plugin claims",
        says: "the answer's cniVersion is that of the input",
        run: version_echo,
    },
    Check {
        id: "version-without-input",
        section: Section::Version,
        level: Level::Should,
        since: Version::V0_2_0,
        of: ANY,
        asks: "VERSION with nothing on standard input, as runtimes before 0.4.0 ask",
        says: "the command has no parameters before 1.0.0, and tells a runtime which versions it can speak at all",
        run: |bench| {
            let call = bench.call("VERSION", Version::V0_2_0).without("CNI_PATH");
            let answer = call.text("").asking("VERSION without input").run()?;
            answer.object().map(drop)
        },
    },
    Check {
        id: "version-of-the-future",
        section: Section::Version,
        level: Level::Should,
        since: Version::V0_2_0,
        of: ANY,
        asks: "VERSION by a runtime that speaks a version which the plugin cannot know",
        says: "the command is how a runtime learns which versions the plugin knows, so it answers whatever is spoken",
        run: |bench| {
            let call = bench.call("VERSION", Version::V1_0_0);
            let call = call.key("cniVersion", "99.0.0");
            let answer = call.asking("VERSION with cniVersion 99.0.0").run()?;
            answer.object().map(drop)
        },
    },
    Check {
        id: "stdout-of-add",
        section: Section::Protocol,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD, and what else is printed on standard output",
        says: "a successful ADD prints its result as one JSON object on standard output; logs go to standard error",
        run: |bench| {
            let attachment = bench.attached();
            match attachment {
                Ok(attachment) => attachment.answer.object().map(drop),
                // What `attached` skips, since it cannot be used, is what is judged here.
                Err(_) => {
                    let container = bench.container()?;
                    let answer = bench.of("ADD", &container)?.run()?;
                    super::only_if(answer.is_success(), "ADD fails, so it prints no result")?;
                    answer.object().map(drop)
                }
            }
        },
    },
    Check {
        id: "stdout-of-others",
        section: Section::Protocol,
        level: Level::Should,
        since: Version::V0_1_0,
        of: ANY,
        asks: "CHECK and DEL, and what they print on standard output",
        says: "only ADD and VERSION have a result: a runtime that finds something else there cannot tell what it is",
        run: stdout_of_others,
    },
    Check {
        id: "error-form",
        section: Section::ErrorResult,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "CNI_COMMAND that is no command, and the error's form",
        says: "an error is an object with a code that is not 0 and a short message, and perhaps details",
        run: |bench| {
            let container = bench.container()?;
            let call = bench.of("ADD", &container)?.env("CNI_COMMAND", "JUMP");
            let answer = call.asking("a call with CNI_COMMAND=JUMP").run()?;
            answer.refusal()?;
            // That there is an error at all is only what a plugin should do.
            match answer.stdout.trim_ascii().is_empty() {
                true => Err(answer
                    .fault("it prints no error on standard output")
                    .mildly()),
                false => answer.error().map(drop),
            }
        },
    },
    Check {
        id: "error-version",
        section: Section::ErrorResult,
        level: Level::Should,
        since: Version::V0_1_0,
        of: ON_LINKS,
        asks: "ADD in a namespace that is not there, and the error's cniVersion",
        says: "the error's cniVersion is the version in use",
        run: error_version,
    },
];

fn version(bench: &Bench<'_>) -> Verdict {
    let call = bench
        .call("VERSION", Version::V1_0_0)
        .without("CNI_PATH")
        .asking("VERSION with no variable but CNI_COMMAND");
    let answer = call.run()?;
    let object = answer.object()?;
    if !object.get("cniVersion").is_some_and(Value::is_string) {
        return Err(answer.fault("cniVersion is missing or no text"));
    }
    let Some(list) = object.get("supportedVersions").and_then(Value::as_array) else {
        return Err(answer.fault("supportedVersions is missing or no list"));
    };
    let is_version = |one: &Value| {
        let parts = one.as_str().map(|text| text.split('.'));
        parts.is_some_and(|mut parts| {
            let is_number = |part: &str| part.parse::<u32>().is_ok();
            parts.clone().count() == 3 && parts.all(is_number)
        })
    };
    match list.iter().all(is_version) && !list.is_empty() {
        true => Ok(()),
        false => Err(answer.fault("supportedVersions is no list of versions such as 1.0.0")),
    }
}

fn version_echo(bench: &Bench<'_>) -> Verdict {
    bench.newest()?;
    for version in bench.versions {
        let call = bench.call("VERSION", *version);
        let answer = call
            .asking(format!("VERSION with cniVersion {version}"))
            .run()?;
        let object = answer.object()?;
        if object.get("cniVersion").and_then(Value::as_str) != Some(version.as_str()) {
            return Err(answer.fault(format!("cniVersion is not {version}, which was asked in")));
        }
    }
    Ok(())
}

fn stdout_of_others(bench: &Bench<'_>) -> Verdict {
    let attachment = bench.attached()?;
    let mut commands = vec!["DEL"];
    if attachment.version >= Version::V0_4_0 {
        commands.insert(0, "CHECK");
    }
    for command in commands {
        let answer = bench.about(command, &attachment).run()?;
        if answer.is_success() && !answer.stdout.trim_ascii().is_empty() {
            return Err(answer.fault(format!("{command} has no result, and prints one")));
        }
    }
    Ok(())
}

fn error_version(bench: &Bench<'_>) -> Verdict {
    let container = bench.container()?;
    for version in bench.versions.iter().filter(|one| **one >= Version::V0_3_0) {
        let call = bench.call_in("ADD", &container, *version);
        let call = call.env("CNI_NETNS", "/run/netns/nowhere");
        let answer = call
            .asking(format!(
                "ADD of a namespace that is not there, in {version}"
            ))
            .run()?;
        super::only_if(!answer.is_success(), "it needs no namespace")?;
        let error = answer.error()?;
        if error.get("cniVersion").and_then(Value::as_str) != Some(version.as_str()) {
            return Err(answer.fault(format!("the error's cniVersion is not {version}")));
        }
    }
    Ok(())
}
