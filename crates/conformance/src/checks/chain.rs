//! Chains: the result of the plugins before.

use linkspan_spec::{ErrorCode, Value, Version};
use serde_json::json;

use super::{CHAINED, INTERFACE, only_if};
use crate::bench::Bench;
use crate::check::{Check, Level, Verdict};
use crate::container::Attachment;
use crate::result::{list, text};
use crate::section::Section;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "chain-interfaces",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: CHAINED,
        asks: "ADD with a prevResult, and its interfaces in the result",
        says: "a plugin that is given a prevResult outputs it as its result, with what it has changed: interfaces are still told",
        run: |bench| passed_on(bench, "interfaces", &["name", "sandbox"]),
    },
    Check {
        id: "chain-addresses",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: CHAINED,
        asks: "ADD with a prevResult, and its addresses in the result",
        says: "a plugin that is given a prevResult outputs it as its result, with what it has changed: addresses are still told",
        run: |bench| {
            passed_on(
                bench,
                "ips",
                &["address", "gateway", "interface", "version"],
            )
        },
    },
    Check {
        id: "chain-routes",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: CHAINED,
        asks: "ADD with a prevResult, and its routes in the result",
        says: "a plugin that is given a prevResult outputs it as its result, with what it has changed: routes are still told",
        run: |bench| passed_on(bench, "routes", &["dst", "gw"]),
    },
    Check {
        id: "chain-dns",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: CHAINED,
        asks: "ADD with a prevResult, and its dns in the result",
        says: "a plugin that is given a prevResult outputs it as its result, with what it has changed: dns is still told",
        run: |bench| {
            let attachment = chained(bench)?;
            let before = attachment.container.made_before(attachment.version);
            match attachment.result.get("dns") == before.get("dns") {
                true => Ok(()),
                false => Err(attachment.answer.fault("dns of the prevResult is lost")),
            }
        },
    },
    Check {
        id: "chain-versions",
        section: Section::AddResult,
        level: Level::Must,
        since: Version::V0_3_0,
        of: CHAINED,
        asks: "ADD with a prevResult in each version that the plugin claims",
        says: "the result has the configuration's version and form, as the prevResult has",
        run: |bench| {
            let versions = bench.versions.iter().filter(|one| **one >= Version::V0_3_0);
            for version in versions {
                let attachment = bench.attach_in(bench.container()?, *version)?;
                let stated = text(&attachment.result, "cniVersion");
                let before = list(&attachment.container.made_before(*version), "ips").len();
                if stated != version.as_str() || list(&attachment.result, "ips").len() < before {
                    return Err(attachment
                        .answer
                        .fault(format!("the result is not the prevResult in {version}")));
                }
                bench.detach(&attachment)?;
            }
            Ok(())
        },
    },
    Check {
        id: "chain-no-prevresult",
        section: Section::Request,
        level: Level::Must,
        since: Version::V0_3_0,
        of: CHAINED,
        asks: "ADD without prevResult",
        says: "a runtime gives the result of the plugins before; a plugin that cannot do without tells an error",
        run: |bench| {
            bench.newest_since(Version::V0_3_0)?;
            let container = bench.container()?;
            let call = bench.of("ADD", &container)?.without_key("prevResult");
            let answer = call.asking("ADD without prevResult").run()?;
            match answer.ended()?.is_success() {
                true => answer.object().map(drop),
                false => answer.refused(&[], &[]),
            }
        },
    },
    Check {
        id: "chain-bad-prevresult",
        section: Section::Request,
        level: Level::Must,
        since: Version::V0_3_0,
        of: CHAINED,
        asks: "ADD with a prevResult that is none: an address without prefix, a list, an unknown version",
        says: "prevResult is a result of ADD; what cannot be decoded, or is not valid, is an error",
        run: |bench| {
            let version = bench.newest_since(Version::V0_3_0)?;
            let container = bench.container()?;
            for prev in [
                json!([]),
                json!({ "cniVersion": version.as_str(), "ips": [{ "address": "10.1.0.2" }] }),
                json!({ "cniVersion": version.as_str(), "ips": 7 }),
                json!({ "cniVersion": "99.0.0", "interfaces": [] }),
            ] {
                let call = bench.of("ADD", &container)?.key("prevResult", prev.clone());
                let answer = call.asking(format!("ADD with prevResult {prev}")).run()?;
                let codes = [
                    ErrorCode::DECODING_FAILURE,
                    ErrorCode::INVALID_NETWORK_CONFIG,
                    ErrorCode::INCOMPATIBLE_VERSION,
                ];
                answer.refused(&codes, &[])?;
            }
            Ok(())
        },
    },
    Check {
        id: "chain-behind",
        section: Section::AddResult,
        level: Level::Should,
        since: Version::V0_3_0,
        of: INTERFACE,
        asks: "ADD with a prevResult, of a plugin that makes an interface",
        says: "a plugin that is given a prevResult passes it through, or modifies it: the interface of the plugin before is still told",
        run: behind,
    },
];

fn chained(bench: &Bench<'_>) -> Result<Attachment, crate::check::Stop> {
    super::result::since_lists(bench)
}

/// That each object of a list of the prevResult is in the result's, by these keys.
fn passed_on(bench: &Bench<'_>, key: &str, keys: &[&str]) -> Verdict {
    let attachment = chained(bench)?;
    let before = attachment.container.made_before(attachment.version);
    let now = list(&attachment.result, key);
    let is_same = |one: &Value, other: &Value| {
        let mut keys = keys.iter();
        keys.all(|key| one.get(key) == other.get(key))
    };
    for (number, old) in list(&before, key).iter().enumerate() {
        // Numbers of interfaces are places in the list, so what is new stands behind.
        let is_kept = match key {
            "interfaces" => now.get(number).is_some_and(|new| is_same(old, new)),
            _ => now.iter().any(|new| is_same(old, new)),
        };
        if !is_kept {
            let wrong =
                format!("{key}[{number}] of the prevResult is lost, changed or elsewhere: {old}");
            return Err(attachment.answer.fault(wrong));
        }
    }
    Ok(())
}

fn behind(bench: &Bench<'_>) -> Verdict {
    let version = bench.newest_since(Version::V0_3_0)?;
    only_if(
        bench.subject.makes_interface() && !bench.subject.single,
        "it makes no interface of a name that it is given",
    )?;
    bench.attached()?;
    let container = bench.container()?;
    let before = json!({ "cniVersion": version.as_str(),
        "interfaces": [{ "name": "before0", "sandbox": container.path, "mac": "02:00:00:00:00:01" }], "dns": {} });
    let call = bench.of("ADD", &container)?.key("prevResult", before);
    let answer = call
        .asking("ADD with a prevResult that has the interface before0")
        .run()?;
    // It may be one that is the first of every chain.
    only_if(
        answer.ended()?.is_success(),
        "it refuses to stand behind another plugin",
    )?;
    let result = Value::Object(answer.object()?);
    let interfaces = list(&result, "interfaces");
    match interfaces.iter().any(|one| text(one, "name") == "before0") {
        true => Ok(()),
        false => Err(answer.fault("the interface before0 of the prevResult is lost")),
    }
}
