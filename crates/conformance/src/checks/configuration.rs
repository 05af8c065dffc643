//! The configuration: no JSON, too much of it, and of other versions.

use linkspan_spec::{ErrorCode, Value, Version};
use serde_json::json;

use super::ANY;
use crate::bench::Bench;
use crate::call::Call;
use crate::check::{Check, Level, Stop, Verdict};
use crate::section::Section;

/// How deep, and how large, a configuration is that nobody needs.
const DEPTH: usize = 100_000;
const SIZE: usize = 4 << 20;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "config-no-json",
        section: Section::ErrorResult,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with a configuration that is empty, cut off, or no JSON",
        says: "a configuration that cannot be decoded is an error of code 6",
        run: |bench| {
            for text in [
                "",
                "{",
                r#"{"cniVersion":"1.0.0","name":"#,
                "no JSON",
                "\0\0\0",
            ] {
                let answer = add(bench)?.text(text);
                let answer = answer
                    .asking(format!("ADD with {text:?} as configuration"))
                    .run()?;
                answer.refused(&[ErrorCode::DECODING_FAILURE, ErrorCode::IO_FAILURE], &[])?;
            }
            Ok(())
        },
    },
    Check {
        id: "config-no-object",
        section: Section::ErrorResult,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with a configuration that is a list, a number, or null",
        says: "a configuration is an object; what is none cannot be decoded, or is none that is valid",
        run: |bench| {
            for text in ["[]", "7", "null", r#""text""#] {
                let answer = add(bench)?.text(text);
                let answer = answer
                    .asking(format!("ADD with {text} as configuration"))
                    .run()?;
                let codes = [
                    ErrorCode::DECODING_FAILURE,
                    ErrorCode::INVALID_NETWORK_CONFIG,
                ];
                answer.refused(&codes, &[])?;
            }
            Ok(())
        },
    },
    Check {
        id: "config-name-missing",
        section: Section::Request,
        level: Level::Must,
        since: Version::V0_4_0,
        of: ANY,
        asks: "ADD with a configuration without a name, and with an empty one",
        says: "the runtime always inserts the network's name; without it the configuration is not valid (code 7)",
        run: |bench| {
            let codes = [ErrorCode::INVALID_NETWORK_CONFIG];
            let call = add(bench)?.without_key("name");
            call.asking("ADD without the network's name")
                .run()?
                .refused(&codes, &[])?;
            let call = add(bench)?.key("name", "");
            call.asking("ADD with an empty name of the network")
                .run()?
                .refused(&codes, &[])
        },
    },
    Check {
        id: "config-name-malformed",
        section: Section::Request,
        level: Level::Must,
        since: Version::V0_4_0,
        of: ANY,
        asks: "ADD with a network's name that leads elsewhere: ../x, a/b, -x",
        says: "a network's name begins with a letter or a digit, and has letters, digits, _, . and - behind it",
        run: |bench| {
            for name in ["../x", "a/b", "-x"] {
                let answer = add(bench)?.key("name", name);
                let answer = answer
                    .asking(format!("ADD of the network {name:?}"))
                    .run()?;
                answer.refused(&[ErrorCode::INVALID_NETWORK_CONFIG], &[])?;
            }
            Ok(())
        },
    },
    Check {
        id: "config-wrong-types",
        section: Section::Request,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with a version, a name, a dns or a prevResult of another type",
        says: "cniVersion and name are texts, dns and prevResult are objects; anything else is an error",
        run: |bench| {
            for (key, value) in [
                ("cniVersion", json!(1)),
                ("name", json!(["a"])),
                ("dns", json!("192.0.2.1")),
                ("prevResult", json!("text")),
            ] {
                let answer = add(bench)?.key(key, value.clone());
                let answer = answer.asking(format!("ADD with {key}: {value}")).run()?;
                let codes = [
                    ErrorCode::DECODING_FAILURE,
                    ErrorCode::INVALID_NETWORK_CONFIG,
                    ErrorCode::INCOMPATIBLE_VERSION,
                ];
                let refused = answer.refused(&codes, &[]);
                // A plugin need not read what it does not use.
                refused.map_err(|stop| {
                    if key == "dns" || key == "prevResult" {
                        stop.mildly()
                    } else {
                        stop
                    }
                })?;
            }
            Ok(())
        },
    },
    Check {
        id: "config-unknown-key",
        section: Section::ErrorResult,
        level: Level::Should,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with a key that nobody knows",
        says: "a plugin may refuse fields that it does not know, with code 2 and a message that contains key and value",
        run: |bench| {
            let call = add(bench)?.key("example.com/unknown", "some-value");
            let answer = call
                .asking("ADD with the key example.com/unknown: some-value")
                .run()?;
            match answer.ended()?.is_success() {
                true => Ok(()),
                false => {
                    bench.attached()?;
                    answer.refused(
                        &[ErrorCode::UNSUPPORTED_FIELD],
                        &["example.com/unknown", "some-value"],
                    )
                }
            }
        },
    },
    Check {
        id: "config-key-twice",
        section: Section::Protocol,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with a configuration that has a key twice",
        says: "the plugin tells success or an error; it does neither crash nor hang",
        run: |bench| {
            let call = add(bench)?;
            let text = Value::Object(call.config.clone()).to_string();
            let text = text.replacen('{', r#"{"name":"first","#, 1);
            let answer = call
                .text(text)
                .asking("ADD with the network's name twice")
                .run()?;
            told(&answer)
        },
    },
    Check {
        id: "config-deep",
        section: Section::Protocol,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with a configuration that is 100,000 lists deep",
        says: "the plugin tells success or an error; it does neither crash nor hang",
        run: |bench| {
            let call = add(bench)?;
            let text = Value::Object(call.config.clone()).to_string();
            let deep = format!(r#"{{"deep":{}{},"#, "[".repeat(DEPTH), "]".repeat(DEPTH));
            let call = call.text(text.replacen('{', &deep, 1));
            told(
                &call
                    .asking("ADD with a configuration of 100,000 lists in each other")
                    .run()?,
            )
        },
    },
    Check {
        id: "config-huge",
        section: Section::Protocol,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD with a configuration of 4 MiB",
        says: "the plugin tells success or an error; it does neither crash nor hang",
        run: |bench| {
            let call = add(bench)?.key("example.com/padding", "x".repeat(SIZE));
            told(&call.asking("ADD with a configuration of 4 MiB").run()?)
        },
    },
];

/// ADD of a new container.
fn add(bench: &Bench<'_>) -> Result<Call, Stop> {
    let container = bench.container()?;
    bench.of("ADD", &container)
}

/// That it told something.
fn told(answer: &crate::answer::Answer) -> Verdict {
    match answer.ended()?.is_success() {
        true => answer.object().map(drop),
        false => answer.error().map(drop).map_err(Stop::mildly),
    }
}
