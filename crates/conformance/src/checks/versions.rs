//! Versions: those that are claimed are spoken, and no others.

use linkspan_spec::{ErrorCode, Map, Value, Version};

use super::{ANY, only_if};
use crate::answer::Answer;
use crate::bench::Bench;
use crate::check::{Check, Level, Stop, Verdict};
use crate::kind::Kind;
use crate::section::Section;
use crate::shape;

/// The check of the result's form in one version.
macro_rules! result_in {
    ($version:literal, $of:ident, $says:literal) => {
        Check {
            id: concat!("result-", $version),
            section: Section::AddResult,
            level: Level::Must,
            since: Version::$of,
            of: ANY,
            asks: concat!("ADD in ", $version, ", and the form of the result"),
            says: $says,
            run: |bench| result_in(bench, Version::$of),
        }
    };
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "version-unknown",
        section: Section::Versions,
        level: Level::Must,
        since: Version::V0_2_0,
        of: ANY,
        asks: "ADD in a version that there is not: 99.0.0, 0.9.9, text",
        says: "a plugin that does not support the configuration's version says so by code 1",
        run: |bench| {
            for version in ["99.0.0", "0.9.9", "text"] {
                refused(bench, version)?;
            }
            Ok(())
        },
    },
    Check {
        id: "version-not-claimed",
        section: Section::Versions,
        level: Level::Must,
        since: Version::V0_2_0,
        of: ANY,
        asks: "ADD in each version of the specification that the plugin does not claim",
        says: "a plugin that does not support the configuration's version says so by code 1",
        run: |bench| {
            let others = Version::ALL
                .iter()
                .filter(|one| !bench.versions.contains(one));
            let others: Vec<_> = others.collect();
            only_if(
                !others.is_empty(),
                "the plugin claims all versions that there are",
            )?;
            others
                .iter()
                .try_for_each(|version| refused(bench, version.as_str()))
        },
    },
    Check {
        id: "version-missing",
        section: Section::Versions,
        level: Level::Must,
        since: Version::V0_1_0,
        of: &[Kind::Interface, Kind::Ipam],
        asks: "ADD with a configuration without cniVersion",
        says: "a configuration without a version is one of 0.1.0: the result has its form, or the plugin does not support it (code 1)",
        run: |bench| {
            let container = bench.container()?;
            let call = bench
                .call_in("ADD", &container, Version::V0_1_0)
                .without_key("cniVersion");
            let answer = call.asking("ADD without cniVersion").run()?;
            match bench.versions.contains(&Version::V0_1_0) {
                false => answer.refused(&[ErrorCode::INCOMPATIBLE_VERSION], &[]),
                true => {
                    only_if(
                        answer.ended()?.is_success(),
                        "ADD does not succeed in 0.1.0",
                    )?;
                    let object = answer.object()?;
                    in_form(bench, &answer, &object, Version::V0_1_0)
                }
            }
        },
    },
    result_in!(
        "0.1.0",
        V0_1_0,
        "a result of 0.1.0 has ip4 and ip6, each with ip, gateway and routes, and dns"
    ),
    result_in!(
        "0.2.0",
        V0_2_0,
        "a result of 0.2.0 has ip4 and ip6, each with ip, gateway and routes, and dns"
    ),
    result_in!(
        "0.3.0",
        V0_3_0,
        "a result of 0.3.0 has interfaces, ips with their version, routes and dns"
    ),
    result_in!(
        "0.3.1",
        V0_3_1,
        "a result of 0.3.1 has interfaces, ips with their version, routes and dns"
    ),
    result_in!(
        "0.4.0",
        V0_4_0,
        "a result of 0.4.0 has interfaces, ips with their version, routes and dns"
    ),
    result_in!(
        "1.0.0",
        V1_0_0,
        "a result of 1.0.0 has interfaces, ips without their version, routes and dns"
    ),
    result_in!(
        "1.1.0",
        V1_1_0,
        "a result of 1.1.0 is as one of 1.0.0, with more about interfaces and routes"
    ),
];

fn refused(bench: &Bench<'_>, version: &str) -> Verdict {
    let container = bench.container()?;
    let call = bench.call_in("ADD", &container, Version::V0_3_1);
    let call = call.key("cniVersion", version);
    let answer = call
        .asking(format!("ADD with cniVersion {version}"))
        .run()?;
    answer.refused(&[ErrorCode::INCOMPATIBLE_VERSION], &[])
}

fn result_in(bench: &Bench<'_>, version: Version) -> Verdict {
    only_if(
        bench.versions.contains(&version),
        "the plugin does not claim this version",
    )?;
    let is_old = version < Version::V0_3_0;
    only_if(
        !(is_old && bench.subject.kind == Kind::Chained),
        "there are no chains before 0.3.0",
    )?;
    if is_old && bench.subject.kind == Kind::Interface {
        only_if(
            bench.subject.ipam().is_some(),
            "a result without an address cannot be told before 0.3.0",
        )?;
    }
    let container = bench.container()?;
    let call = bench.call_in("ADD", &container, version);
    let answer = call.asking(format!("ADD in {version}")).run()?;
    if !answer.ended()?.is_success() && version == bench.newest()? {
        return Err(Stop::skip(
            "ADD fails in this version, which is told by the check \"add\"",
        ));
    }
    let object = answer.object()?;
    in_form(bench, &answer, &object, version)?;
    let del = bench
        .call_in("DEL", &container, version)
        .key("prevResult", object);
    del.asking(format!("DEL in {version}")).run()?.success()?;
    Ok(())
}

fn in_form(bench: &Bench<'_>, answer: &Answer, object: &Map, version: Version) -> Verdict {
    let stated = object.get("cniVersion").and_then(Value::as_str);
    // An IPAM plugin may leave out what does not matter, and some of old did.
    let may_be_missing = version == Version::V0_1_0 || bench.subject.kind == Kind::Ipam;
    if stated != Some(version.as_str()) && !(stated.is_none() && may_be_missing) {
        return Err(answer.fault(format!("cniVersion is not {version}, which was asked in")));
    }
    let faults = shape::faults(object, version, bench.subject.kind == Kind::Ipam);
    match faults.first() {
        None => Ok(()),
        Some(_) => Err(answer.fault(faults.join("; "))),
    }
}
