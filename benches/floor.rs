//! What the bare kernel needs.

use std::os::fd::AsFd;
use std::time::Instant;

use linkspan_kernel::netns::Netns as KernelNetns;
use linkspan_kernel::rtnl::{Change, Kind, LinkChange, NewLink, Peer, Rtnl};
use linkspan_testkit::Sandbox;
use serde_json::json;

use crate::call::{Attachment, bridge};
use crate::contestant::Contestant;
use crate::report::Row;
use crate::stats::Samples;

const RUNS: usize = 50;

/// DEL beside the removal of the same link by one request.
pub(crate) fn removal(sandbox: &Sandbox) -> Vec<Row> {
    let [ours, _] = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let (mut dels, mut floor) = (Samples::default(), Samples::default());
    let mut attachment = Attachment::new(&ours, &json!([bridge()]), &container);
    for _ in 0..RUNS {
        attachment.add();
        dels.push(attachment.del());
        floor.push(ours.host.enter(|| remove_a_link(container.path())));
    }
    vec![Row {
        what: "bridge + host-local, ipMasq: DEL, beside the bare removal of the link".to_owned(),
        ours: format!("{:.2}", dels.median()),
        theirs: format!("{:.2} (kernel)", floor.median()),
        ratio: format!("{:.2}", dels.times_faster_than(&floor)),
        ..Row::default()
    }]
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
