//! DEL: again, late, without anything, and what it leaves.

use linkspan_kernel::rtnl::Change;
use linkspan_spec::Version;

use super::{ANY, ON_LINKS, add::warmed, only_if, some_of};
use crate::bench::Bench;
use crate::check::{Check, Level, Verdict};
use crate::kind::Kind;
use crate::section::Section;

/// Why nothing is said of what is left of a device.
pub(super) const DEVICE_ENDS: &str =
    "the device that it gives away is of this host, and ends with the container's namespace";

/// A check about DEL, which is in all versions.
macro_rules! about_del {
    ($id:literal, $level:ident, $of:expr, $asks:literal, $says:literal, $run:expr $(,)?) => {
        Check {
            id: $id,
            section: Section::Del,
            level: Level::$level,
            since: Version::V0_1_0,
            of: $of,
            asks: $asks,
            says: $says,
            run: $run,
        }
    };
}

pub(super) const CHECKS: &[Check] = &[
    about_del!(
        "del",
        Must,
        ANY,
        "DEL after ADD",
        "DEL deletes the interface, or undoes what ADD modified",
        |bench| bench
            .attached()
            .and_then(|attachment| bench.detach(&attachment))
            .map(drop),
    ),
    about_del!(
        "del-interface",
        Must,
        &[Kind::Interface],
        "DEL, and the container's interface after it",
        "DEL deletes the interface of the name CNI_IFNAME inside the container",
        |bench| {
            only_if(
                bench.subject.makes_interface(),
                "it makes no interface of a name that it is given",
            )?;
            let attachment = bench.attached()?;
            let answer = bench.detach(&attachment)?;
            match attachment.container.link()? {
                None => Ok(()),
                Some(_) => Err(answer.fault(format!(
                    "the container still has the interface {}",
                    attachment.container.ifname
                ))),
            }
        },
    ),
    about_del!(
        "del-twice",
        Must,
        ANY,
        "DEL twice",
        "a plugin accepts any number of DELs for the same container and interface, and returns success if what is to be removed is missing",
        |bench| {
            let attachment = bench.attached()?;
            bench.detach(&attachment)?;
            let call = bench.about("DEL", &attachment).asking("DEL a second time");
            call.run()?.success().map(drop)
        },
    ),
    about_del!(
        "del-unknown",
        Must,
        ANY,
        "DEL of what was never added",
        "a plugin returns success if the interface in question, or any modification, is missing",
        |bench| {
            let container = bench.container()?;
            let call = bench
                .of("DEL", &container)?
                .asking("DEL of a container that was never added");
            call.run()?.success().map(drop)
        },
    ),
    about_del!(
        "del-without-netns",
        Must,
        ANY,
        "DEL without CNI_NETNS",
        "CNI_NETNS is optional for DEL: a plugin completes it as far as it can, though the container is gone",
        |bench| {
            let attachment = bench.attached()?;
            attachment.container.end()?;
            let call = bench.about("DEL", &attachment).without("CNI_NETNS");
            call.asking("DEL without CNI_NETNS").run()?.success()?;
            let call = bench.about("DEL", &attachment).env("CNI_NETNS", "");
            call.asking("DEL with an empty CNI_NETNS")
                .run()?
                .success()
                .map(drop)
        },
    ),
    about_del!(
        "del-namespace-gone",
        Must,
        ANY,
        "DEL after the container's namespace has gone",
        "DEL completes without error even if resources are missing, such as the container's namespace",
        |bench| {
            let attachment = bench.attached()?;
            attachment.container.end()?;
            let call = bench
                .about("DEL", &attachment)
                .asking("DEL of a namespace that is gone");
            call.run()?.success().map(drop)
        },
    ),
    about_del!(
        "del-interface-gone",
        Must,
        ON_LINKS,
        "DEL after the container's interface was removed",
        "DEL returns success if the interface in question is missing",
        |bench| {
            only_if(
                bench.subject.ifname != "lo",
                "the loopback cannot be removed",
            )?;
            let attachment = bench.attached()?;
            if let Some(link) = attachment.container.link()? {
                attachment
                    .container
                    .rtnl()?
                    .change(Change::DeleteLink(link.index))?;
            }
            let call = bench
                .about("DEL", &attachment)
                .asking("DEL after the interface was removed");
            call.run()?.success().map(drop)
        },
    ),
    about_del!(
        "del-without-prevresult",
        Must,
        ANY,
        "DEL without prevResult",
        "a plugin returns without error if prevResult is empty for DEL",
        |bench| {
            let attachment = bench.attached()?;
            let call = bench.about("DEL", &attachment).without_key("prevResult");
            call.asking("DEL without prevResult")
                .run()?
                .success()
                .map(drop)
        },
    ),
    about_del!(
        "del-leaves-nothing",
        Must,
        ANY,
        "ADD and DEL, and what is left on the host, but for what is shared by all containers",
        "DEL deletes the interface and undoes any modification: nothing is left of this container",
        |bench| leaves_nothing(bench, "DEL", |_call| _call, false),
    ),
    about_del!(
        "del-alone-leaves-nothing",
        Should,
        ANY,
        "DEL without CNI_NETNS and without prevResult, after the namespace has gone, and what is left on the host",
        "DEL is completed to the fullest extent possible, even if state is missing: addresses are given back, and the host is clean",
        |bench| {
            leaves_nothing(
                bench,
                "DEL without CNI_NETNS and prevResult",
                |call| call.without("CNI_NETNS").without_key("prevResult"),
                true,
            )
        },
    ),
    about_del!(
        "del-others",
        Must,
        ANY,
        "DEL of one container, and another one on the network",
        "DEL is about the interface of CNI_CONTAINERID and CNI_IFNAME, and about no other",
        others,
    ),
];

/// That a second container, which came and went like a first one, has left the host as it was.
fn leaves_nothing(
    bench: &Bench<'_>,
    asked: &str,
    change: impl Fn(crate::call::Call) -> crate::call::Call,
    gone: bool,
) -> Verdict {
    only_if(!(gone && bench.subject.gives_device()), DEVICE_ENDS)?;
    warmed(bench)?;
    // What stands for the plugin before a chained one is there before.
    let container = bench.container()?;
    let before = bench.snapshot()?;
    let attachment = bench.attach_in(container, bench.newest()?)?;
    let is_taken = gone && bench.subject.kind != Kind::Chained;
    if is_taken {
        attachment.container.end()?;
    }
    let answer = change(bench.about("DEL", &attachment))
        .asking(asked)
        .run()?;
    answer.success()?;
    let left = bench.changes_since(&before)?;
    match left.is_empty() {
        true => Ok(()),
        false => Err(answer.fault(some_of(&left))),
    }
}

fn others(bench: &Bench<'_>) -> Verdict {
    only_if(!bench.subject.single, "it attaches one container at a time")?;
    let stays = bench.attached()?;
    let goes = bench.attached()?;
    let before = stays.container.addresses()?;
    let answer = bench.detach(&goes)?;
    if bench.subject.kind != Kind::Ipam {
        if stays.container.link()?.is_none() {
            return Err(answer.fault("DEL of one container took the interface of another"));
        }
        if stays.container.addresses()? != before {
            return Err(answer.fault("DEL of one container took addresses of another"));
        }
    }
    if stays.version >= Version::V0_4_0 {
        let check = bench.about("CHECK", &stays);
        let check = check
            .asking("CHECK of a container after DEL of another")
            .run()?;
        check.success()?;
    }
    Ok(())
}
