//! ADD: that it does, and what it must not do twice.

use linkspan_kernel::rtnl::{Kind as LinkKind, NewLink, Peer, Rtnl};
use linkspan_spec::Version;

use super::{ANY, INTERFACE, ON_LINKS, only_if, some_of};
use crate::bench::Bench;
use crate::check::{Check, Level, Stop, Verdict};
use crate::section::Section;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "add",
        section: Section::Add,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD of a container",
        says: "ADD creates the interface, or changes it, and prints the result",
        run: |bench| {
            let container = bench.container()?;
            bench.of("ADD", &container)?.run()?.success().map(drop)
        },
    },
    Check {
        id: "add-interface",
        section: Section::Add,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ON_LINKS,
        asks: "ADD, and the container's interface after it",
        says: "the interface of the name CNI_IFNAME is inside the container at CNI_NETNS",
        run: |bench| {
            let attachment = bench.attached()?;
            match attachment.container.link()? {
                Some(link) if link.is_up() => Ok(()),
                Some(_) => Err(attachment
                    .answer
                    .fault("the interface is there and not up")
                    .mildly()),
                None => Err(attachment.answer.fault(format!(
                    "the container has no interface {}",
                    attachment.container.ifname
                ))),
            }
        },
    },
    Check {
        id: "add-name-taken",
        section: Section::Add,
        level: Level::Must,
        since: Version::V0_1_0,
        of: INTERFACE,
        asks: "ADD where the container has an interface of the name",
        says: "if an interface of the requested name exists already in the container, the plugin returns an error",
        run: name_taken,
    },
    Check {
        id: "add-twice",
        section: Section::Add,
        level: Level::Must,
        since: Version::V0_1_0,
        of: INTERFACE,
        asks: "ADD twice, and the first attachment after it",
        says: "the second ADD finds an interface of its name, and is an error; what the first made is still there",
        run: |bench| {
            only_if(
                bench.subject.makes_interface(),
                "it makes no interface of a name that it is given",
            )?;
            let attachment = bench.attached()?;
            let before = attachment.container.addresses()?;
            let again = bench
                .of("ADD", &attachment.container)?
                .asking("ADD a second time")
                .run()?;
            again.refusal()?;
            if attachment.container.link()?.is_none() {
                return Err(again.fault("the interface of the first ADD is gone"));
            }
            match attachment.container.addresses()? == before {
                true => Ok(()),
                false => {
                    Err(again.fault("the interface has other addresses than after the first ADD"))
                }
            }
        },
    },
    Check {
        id: "add-failed",
        section: Section::Lifecycle,
        level: Level::Must,
        since: Version::V0_1_0,
        of: INTERFACE,
        asks: "DEL after an ADD that failed, and what is left on the host",
        says: "a runtime calls DEL even if ADD fails: then nothing of it is left",
        run: |bench| {
            only_if(
                bench.subject.makes_interface(),
                "it makes no interface of a name that it is given",
            )?;
            warmed(bench)?;
            let before = bench.snapshot()?;
            let container = bench.container()?;
            occupy(&container)?;
            let answer = bench
                .of("ADD", &container)?
                .asking("ADD where the interface's name is taken")
                .run()?;
            only_if(
                !answer.is_success(),
                "ADD succeeds, which is told by the check \"add-name-taken\"",
            )?;
            let del = bench
                .of("DEL", &container)?
                .asking("DEL after an ADD that failed")
                .run()?;
            del.success()?;
            let left = bench.changes_since(&before)?;
            match left.is_empty() {
                true => Ok(()),
                false => Err(del.fault(format!("of an ADD that failed {}", some_of(&left)))),
            }
        },
    },
    Check {
        id: "add-second-interface",
        section: Section::Add,
        level: Level::Must,
        since: Version::V0_1_0,
        of: INTERFACE,
        asks: "ADD of the same container to the network with another interface, and DEL of each",
        says: "an attachment is named by container and interface: a container may be added with two, and DEL of one leaves the other",
        run: |bench| {
            let can = bench.subject.makes_interface() && !bench.subject.single;
            only_if(
                can,
                "it attaches one container at a time, or none by a name",
            )?;
            let first = bench.attached()?;
            let container = bench.container()?;
            // The same container: its ID and its namespace are those of the first.
            let second = |command: &str| {
                let call = bench
                    .of(command, &container)?
                    .env("CNI_CONTAINERID", &first.container.id)
                    .env("CNI_NETNS", &first.container.path)
                    .env("CNI_IFNAME", "net1");
                let asked = format!("{command} of the same container with the interface net1");
                let answer = call.asking(asked).run()?;
                answer.success()?;
                Ok::<_, Stop>(answer)
            };
            let has = |name: &str| match first.container.rtnl()?.link(name) {
                Err(error) if error.is_not_found() => Ok(false),
                found => Ok::<_, Stop>(found.map(|_| true)?),
            };
            second("ADD")?;
            let del = second("DEL")?;
            if !has(&first.container.ifname)? {
                return Err(del.fault("DEL of the second interface took the first"));
            }
            second("ADD")?;
            let del = bench.detach(&first)?;
            match has("net1")? {
                true => Ok(()),
                false => Err(del.fault("DEL of the first interface took the second")),
            }
        },
    },
    Check {
        id: "add-two-containers",
        section: Section::Add,
        level: Level::Must,
        since: Version::V0_1_0,
        of: ANY,
        asks: "ADD of two containers, and their addresses",
        says: "containers on a network are uniquely addressable",
        run: |bench| {
            let can = !bench.subject.single
                && !bench.subject.has_fixed_addresses()
                && bench.subject.kind != crate::kind::Kind::Chained;
            only_if(
                can,
                "its addresses stand in the configuration, or it attaches one container at a time",
            )?;
            only_if(
                bench.subject.ifname != "lo",
                "each container's loopback has the same addresses",
            )?;
            let first = bench.attached()?;
            let second = bench.attached()?;
            let addresses = crate::result::addresses(&second.result);
            let twice = crate::result::addresses(&first.result)
                .into_iter()
                .find(|one| addresses.contains(one));
            match twice {
                Some(address) => Err(second
                    .answer
                    .fault(format!("both have the address {address}"))),
                None => Ok(()),
            }
        },
    },
];

/// An ADD and a DEL, so that what is shared by all attachments, such as a bridge, is there.
pub(super) fn warmed(bench: &Bench<'_>) -> Verdict {
    let attachment = bench.attached()?;
    bench.detach(&attachment).map(drop)
}

/// Makes an interface of the name that is asked for.
fn occupy(container: &crate::container::Container) -> Result<(), linkspan_kernel::Error> {
    let inside = Rtnl::open_in(&container.netns)?;
    let peer = Peer::new("occupied");
    inside.create_link(&NewLink::new(&container.ifname, LinkKind::Veth(peer)))?;
    Ok(())
}

fn name_taken(bench: &Bench<'_>) -> Verdict {
    only_if(
        bench.subject.makes_interface(),
        "it makes no interface of a name that it is given",
    )?;
    let container = bench.container()?;
    occupy(&container)?;
    let answer = bench.of("ADD", &container)?;
    let answer = answer
        .asking("ADD where the container has an interface of the name")
        .run()?;
    answer.refusal()?;
    if container.link()?.is_none() {
        return Err(answer.fault("the interface that was there is gone"));
    }
    answer.refused(&[], &[])
}
