//! CHECK: it passes right after ADD, and fails once somebody broke what it looks at.

use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::rtnl::{Address, Change, LinkChange, Route, RouteFilter};
use linkspan_nft::{Batch, Family};
use linkspan_spec::{ErrorCode, Value, Version};

use super::{ANY, INTERFACE, IPAM, ON_LINKS, only_if};
use crate::bench::Bench;
use crate::check::{Check, Level, Stop, Verdict};
use crate::container::Attachment;
use crate::result::{addresses, list};
use crate::section::Section;

/// How many routes a later plugin makes: to a network of the documentation (RFC 5737).
const ELSEWHERE: &str = "203.0.113.0/24";

/// Why addresses of the loopback are not looked at.
const LOOPBACK: &str = "the loopback's addresses are the kernel's";

/// A check about CHECK, since 0.4.0.
macro_rules! about_check {
    ($id:literal, $level:ident, $of:expr, $asks:literal, $says:literal, $run:expr $(,)?) => {
        Check {
            id: $id,
            section: Section::Check,
            level: Level::$level,
            since: Version::V0_4_0,
            of: $of,
            asks: $asks,
            says: $says,
            run: $run,
        }
    };
}

pub(super) const CHECKS: &[Check] = &[
    about_check!(
        "check-after-add",
        Must,
        ANY,
        "CHECK immediately after ADD, in each version that has it",
        "the plugin handles CHECK being called immediately after ADD",
        after_add,
    ),
    about_check!(
        "check-interface-gone",
        Should,
        INTERFACE,
        "CHECK after the container's interface was removed",
        "CHECK is an error if an interface of the result is missing",
        |bench| {
            only_if(
                bench.subject.ifname != "lo",
                "the loopback cannot be removed",
            )?;
            broken(
                bench,
                "the container's interface was removed",
                |attachment, link| {
                    attachment
                        .container
                        .rtnl()?
                        .change(Change::DeleteLink(link))?;
                    Ok(())
                },
            )
        },
    ),
    about_check!(
        "check-interface-down",
        Should,
        INTERFACE,
        "CHECK after the container's interface was switched off",
        "CHECK is an error if an interface of the result is in an invalid state, or the container generally unreachable",
        |bench| {
            broken(
                bench,
                "the container's interface was switched off",
                |attachment, link| {
                    let rtnl = attachment.container.rtnl()?;
                    rtnl.change(Change::SetLink(link, LinkChange::down()))?;
                    Ok(())
                },
            )
        },
    ),
    about_check!(
        "check-address-gone",
        Should,
        INTERFACE,
        "CHECK after an address of the container was removed",
        "CHECK is an error if an address of the result is missing",
        |bench| {
            broken(
                bench,
                "the container's address was removed",
                |attachment, link| {
                    only_if(bench.subject.ifname != "lo", LOOPBACK)?;
                    let told = addresses(&attachment.result);
                    let net = told
                        .first()
                        .ok_or_else(|| Stop::skip("the result has no address"))?;
                    let rtnl = attachment.container.rtnl()?;
                    rtnl.change(Change::DeleteAddress(link, Address::new(*net)))?;
                    Ok(())
                },
            )
        },
    ),
    about_check!(
        "check-route-gone",
        Should,
        INTERFACE,
        "CHECK after the routes of the result were removed",
        "CHECK is an error if a route of the result is missing",
        route_gone,
    ),
    about_check!(
        "check-rules-gone",
        Should,
        ANY,
        "CHECK after somebody has flushed netfilter",
        "CHECK is an error if firewall rules that the plugin made are missing",
        rules_gone,
    ),
    about_check!(
        "check-later-route",
        Must,
        ON_LINKS,
        "CHECK after another plugin has added a route",
        "the plugin allows for a later plugin of the chain to have modified resources such as routes",
        later_route,
    ),
    about_check!(
        "check-prevresult",
        Must,
        INTERFACE,
        "CHECK with a prevResult whose address the container has not",
        "the plugin consults prevResult for the interfaces and addresses that are expected",
        other_address,
    ),
    about_check!(
        "check-without-prevresult",
        Should,
        ON_LINKS,
        "CHECK without prevResult",
        "a runtime gives the result of ADD; what is to be expected without it nobody can tell",
        |bench| {
            bench.newest_since(Version::V0_4_0)?;
            let attachment = bench.attached()?;
            let call = bench.about("CHECK", &attachment).without_key("prevResult");
            let answer = call.asking("CHECK without prevResult").run()?;
            answer.refusal().map(drop)
        },
    ),
    about_check!(
        "check-reservation-gone",
        Should,
        IPAM,
        "CHECK of an IPAM plugin after DEL",
        "CHECK is an error if a reservation of an address is missing",
        |bench| {
            bench.newest_since(Version::V0_4_0)?;
            only_if(
                !bench.subject.has_fixed_addresses(),
                "its addresses stand in the configuration, and are reserved for nobody",
            )?;
            let before = bench.snapshot()?;
            let attachment = bench.attached()?;
            let has_state = !before.changes_to(&bench.snapshot()?).is_empty();
            only_if(has_state, "it keeps nothing that could be missing")?;
            bench.detach(&attachment)?;
            let answer = bench
                .about("CHECK", &attachment)
                .asking("CHECK of an address that was given back")
                .run()?;
            answer.refusal().map(drop)
        },
    ),
    Check {
        id: "check-not-known-yet",
        section: Section::Versions,
        level: Level::Should,
        since: Version::V0_4_0,
        of: ANY,
        asks: "CHECK in a version before 0.4.0",
        says: "the command is of 0.4.0: a version that has it not is the wrong one for it (code 1)",
        run: |bench| {
            let older = bench
                .versions
                .iter()
                .rfind(|one| **one < Version::V0_4_0 && **one >= Version::V0_3_0);
            let older =
                older.ok_or_else(|| Stop::skip("the plugin claims no version before 0.4.0"))?;
            let attachment = bench.attach_in(bench.container()?, *older)?;
            let call = bench.about("CHECK", &attachment);
            let answer = call.asking(format!("CHECK in {older}")).run()?;
            answer.refused(
                &[
                    ErrorCode::INCOMPATIBLE_VERSION,
                    ErrorCode::INVALID_ENVIRONMENT,
                ],
                &[],
            )
        },
    },
];

fn after_add(bench: &Bench<'_>) -> Verdict {
    bench.newest_since(Version::V0_4_0)?;
    let versions = bench.versions.iter().filter(|one| **one >= Version::V0_4_0);
    for version in versions {
        let attachment = bench.attach_in(bench.container()?, *version)?;
        let call = bench.about("CHECK", &attachment);
        let answer = call
            .asking(format!("CHECK right after ADD, in {version}"))
            .run()?;
        answer.success()?;
        bench.detach(&attachment)?;
    }
    Ok(())
}

/// Breaks something of the container's interface, whose number is given, and asks CHECK, which passes before.
fn broken(bench: &Bench<'_>, what: &str, breaks: impl Fn(&Attachment, u32) -> Verdict) -> Verdict {
    bench.newest_since(Version::V0_4_0)?;
    let attachment = bench.attached()?;
    let link = attachment.container.link()?;
    let link = link.ok_or_else(|| Stop::skip("the container has no such interface"))?;
    intact(bench, &attachment)?;
    breaks(&attachment, link.index)?;
    let call = bench.about("CHECK", &attachment);
    let answer = call.asking(format!("CHECK after {what}")).run()?;
    answer.refusal().map(drop)
}

/// Where CHECK never passes that it fails says nothing.
fn intact(bench: &Bench<'_>, attachment: &Attachment) -> Verdict {
    let answer = bench.about("CHECK", attachment).run()?;
    only_if(
        answer.is_success(),
        "CHECK fails before anything is broken, which is told by the check \"check-after-add\"",
    )
}

fn route_gone(bench: &Bench<'_>) -> Verdict {
    broken(
        bench,
        "the routes of the result were removed",
        |attachment, link| {
            let told = list(&attachment.result, "routes");
            only_if(!told.is_empty(), "the result has no routes")?;
            let rtnl = attachment.container.rtnl()?;
            let filter = RouteFilter {
                link: Some(link),
                ..RouteFilter::default()
            };
            let is_told = |route: &Route| {
                let destination = route.destination.to_string();
                told.iter()
                    .any(|one| one.get("dst").and_then(Value::as_str) == Some(&destination))
            };
            for route in rtnl.routes(filter)?.into_iter().filter(is_told) {
                rtnl.change(Change::DeleteRoute(route))?;
            }
            Ok(())
        },
    )
}

fn rules_gone(bench: &Bench<'_>) -> Verdict {
    bench.newest_since(Version::V0_4_0)?;
    let container = bench.container()?;
    let before = bench.snapshot()?;
    let attachment = bench.attach_in(container, bench.newest()?)?;
    only_if(
        before.has_new_rules(&bench.snapshot()?),
        "it has made no rules in nf_tables",
    )?;
    intact(bench, &attachment)?;
    flush()?;
    let call = bench.about("CHECK", &attachment);
    let answer = call.asking("CHECK after netfilter was flushed").run()?;
    answer.refusal().map(drop)
}

/// Takes all tables away, as `nft flush ruleset` does.
fn flush() -> Verdict {
    let kernel = Nftables::open()?;
    let mut batch = Batch::new();
    for family in [Family::Inet, Family::Ip, Family::Ip6, Family::Bridge] {
        for table in kernel.tables(family).unwrap_or_default() {
            batch.delete(table);
        }
    }
    kernel
        .commit(&batch)
        .map_err(|error| Stop::Unable(error.to_string()))
}

fn later_route(bench: &Bench<'_>) -> Verdict {
    bench.newest_since(Version::V0_4_0)?;
    let attachment = bench.attached()?;
    let link = attachment.container.link()?;
    let link = link.ok_or_else(|| Stop::skip("the container has no such interface"))?;
    intact(bench, &attachment)?;
    let destination = ELSEWHERE
        .parse()
        .map_err(|error| Stop::Unable(format!("{ELSEWHERE}: {error}")))?;
    let rtnl = attachment.container.rtnl()?;
    rtnl.change(Change::AddRoute(Route::new(destination, None, link.index)))?;
    let call = bench.about("CHECK", &attachment);
    let answer = call
        .asking(format!("CHECK after a route to {ELSEWHERE} was added"))
        .run()?;
    answer.success().map(drop)
}

fn other_address(bench: &Bench<'_>) -> Verdict {
    bench.newest_since(Version::V0_4_0)?;
    only_if(bench.subject.ifname != "lo", LOOPBACK)?;
    let attachment = bench.attached()?;
    intact(bench, &attachment)?;
    let mut result = attachment.result.clone();
    let ips = result.get_mut("ips").and_then(Value::as_array_mut);
    let ip = ips.and_then(|ips| ips.first_mut());
    let ip = ip.ok_or_else(|| Stop::skip("the result has no address"))?;
    let is_v6 = ip["address"]
        .as_str()
        .is_some_and(|text| text.contains(':'));
    ip["address"] = if is_v6 {
        "2001:db8:ffff::7/64"
    } else {
        "203.0.113.7/24"
    }
    .into();
    let call = bench.about("CHECK", &attachment).key("prevResult", result);
    let answer = call
        .asking("CHECK with a prevResult whose address the container has not")
        .run()?;
    answer.refusal().map(drop)
}
