//! What the bare kernel needs.

use std::os::fd::AsFd;
use std::time::Instant;

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_kernel::netns::Netns as KernelNetns;
use linkspan_kernel::rtnl::{Change, Kind, LinkChange, NewLink, Peer, Rtnl};
use linkspan_testkit::Sandbox;
use serde_json::json;

use crate::call::{Attachment, bridge};
use crate::contestant::Contestant;

/// How often each is timed.
const RUNS: usize = 50;

/// DEL beside the removal of the same link by one request.
pub(crate) fn removal(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let [ours, _] = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let mut attachment = Attachment::new(&ours, &json!([bridge()]), &container);
    // The bridge that the bare link is on, too.
    attachment.add();
    attachment.del();
    let times = rounds.paired(RUNS, 2, |side| match side {
        0 => {
            attachment.add();
            [attachment.del()]
        }
        _ => [ours.host.enter(|| remove_a_link(container.path()))],
    });
    let [dels, floor] = [0, 1].map(|side: usize| &times[side][0]);
    vec![
        Figure::new(
            "bridge + host-local, ipMasq, beside the bare removal of the link",
            Unit::Milliseconds,
        )
        .command("DEL")
        .timed(Side::Linkspan, dels, dels)
        .timed(Side::Kernel, dels, floor),
    ]
}

/// Makes a link like an attachment's and times its removal.
fn remove_a_link(netns: &std::path::Path) -> std::time::Duration {
    let work = || -> Result<_, linkspan_kernel::Error> {
        let rtnl = Rtnl::open()?;
        let inside =
            KernelNetns::open(netns).unwrap_or_else(|error| panic!("{}: {error}", netns.display()));
        let bridge = rtnl.link("cni0")?;
        let peer = Peer {
            netns: Some(inside.as_fd()),
            ..Peer::new("eth0")
        };
        rtnl.create_link(&NewLink {
            up: true,
            master: Some(bridge.index),
            ..NewLink::new("bare0", Kind::Veth(peer))
        })?;
        let there = Rtnl::open_in(&inside)?;
        there.change(Change::SetLink(there.link("eth0")?.index, LinkChange::up()))?;
        let start = Instant::now();
        rtnl.delete_link("bare0")?;
        Ok(start.elapsed())
    };
    work().unwrap_or_else(|error| panic!("{error}"))
}
