//! The kernel, asked through this crate and looked at through `ip`, `bridge` and `nft`.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

mod addresses;
mod links;
mod monitor;
mod namespaces;
mod neighbours;
mod nftables;
mod packets;
mod routes;
mod vlans;

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{Kind, Link, LinkChange, NewLink, Peer, Rtnl};
use linkspan_testkit::Sandbox;

/// The sandbox's own routing socket.
fn host_socket() -> Rtnl {
    Rtnl::open().unwrap()
}

/// A namespace of this name, open, and a socket in it.
fn container(host: &Sandbox, name: &str) -> (linkspan_testkit::Netns, Netns, Rtnl) {
    let made = host.netns(name);
    let netns = Netns::open(made.path()).unwrap();
    let rtnl = Rtnl::open_in(&netns).unwrap();
    (made, netns, rtnl)
}

/// A pair of links `a0` and `b0` on the host, both switched on.
fn cable(rtnl: &Rtnl) -> (Link, Link) {
    let mut pair = NewLink::new("a0", Kind::Veth(Peer::new("b0")));
    pair.up = true;
    rtnl.create_link(&pair).unwrap();
    let b = rtnl.link("b0").unwrap().index;
    rtnl.change(linkspan_kernel::rtnl::Change::SetLink(b, LinkChange::up()))
        .unwrap();
    (rtnl.link("a0").unwrap(), rtnl.link("b0").unwrap())
}
