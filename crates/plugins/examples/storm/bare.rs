//! What an attachment asks of the kernel, and nothing else.
//!
//! The eight messages of an ADD (`benches/plugins.rs` lists them) with what stands in them. Addresses are counted, nothing is
//! kept, nothing is checked, and the sockets on the host's side are opened once.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::IpNet;
use linkspan_kernel::netns::Netns;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::rtnl::{Address, Change, Kind, LinkChange, NewLink, Peer, Route, Rtnl};
use linkspan_nft::{
    Batch, Chain, DataType, Element, Family, Field, Hook, Query, Rule, Set, Table, Value,
};

use crate::{BARE, Container, Failure};

const PREFIX: u8 = 16;

/// Bridges and a table beside those of the plugins.
pub(crate) struct Bare {
    bridges: Vec<Bridge>,
    table: Table,
    /// The number of the next container.
    next: AtomicU32,
    /// That of the first which is attached.
    first: AtomicU32,
}

/// A bridge and its subnet, a /16.
struct Bridge {
    name: String,
    index: u32,
    network: u32,
}

impl Bridge {
    fn new(rtnl: &Rtnl, number: u8) -> Result<Self, Failure> {
        let name = format!("bare{number}");
        let kind = Kind::Bridge {
            vlan_filtering: false,
        };
        let link = rtnl.create_link(&NewLink {
            up: true,
            ..NewLink::new(name.as_str(), kind)
        })?;
        let bridge = Self {
            name,
            index: link.index,
            network: u32::from_be_bytes([10, BARE + number, 0, 0]),
        };
        let gateway = IpNet::new(bridge.address(1), PREFIX)?;
        rtnl.change(Change::AddAddress(bridge.index, Address::new(gateway)))?;
        Ok(bridge)
    }

    fn address(&self, number: u32) -> IpAddr {
        Ipv4Addr::from(self.network + number).into()
    }
}

impl Bare {
    pub(crate) fn new(bridges: usize) -> Result<Self, Failure> {
        let rtnl = Rtnl::open()?;
        let bridges = (0..u8::try_from(bridges)?).map(|number| Bridge::new(&rtnl, number));
        let bare = Self {
            bridges: bridges.collect::<Result<_, _>>()?,
            table: Table::new(Family::Inet, "bare"),
            next: AtomicU32::new(2),
            first: AtomicU32::new(2),
        };
        let mut batch = Batch::new();
        batch
            .add(bare.table.clone())
            .add(bare.sources())
            .add(bare.subnets())
            .add(bare.chain());
        batch.add(
            Rule::new(&bare.table, bare.chain().name)
                .in_set([Field::IpSaddr], bare.sources().name)
                .masquerade(),
        );
        Nftables::open()?.commit(&batch)?;
        Ok(bare)
    }

    fn sources(&self) -> Set {
        Set::new(&self.table, "sources", [DataType::Ipv4Addr])
    }

    fn subnets(&self) -> Set {
        Set::new(
            &self.table,
            "subnets",
            [DataType::Ipv4Addr, DataType::Ipv4Addr],
        )
    }

    fn chain(&self) -> Chain {
        Chain::nat(&self.table, "postrouting", Hook::Postrouting, 100)
    }

    /// Attaches a container.
    pub(crate) fn attach(&self, container: &Container) -> Result<(), Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let bridge = &self.bridges[container.network];
        let (host, inside) = (Rtnl::open()?, Netns::open(&container.netns)?);
        host.link(&bridge.name)?;
        let comment = format!("storm/{}/eth0", container.name);
        let [a, b] = [10, 11].map(|first| mac(first, number));
        let port = host.create_link(&NewLink {
            mac: Some(a),
            up: true,
            master: Some(bridge.index),
            alias: Some(comment.clone()),
            ..NewLink::new(
                port_name(number),
                Kind::Veth(Peer {
                    mac: Some(b),
                    netns: Some(inside.as_fd()),
                    ..Peer::new("eth0")
                }),
            )
        })?;
        let index = port
            .parent
            .ok_or("the kernel does not tell the other end")?;
        let there = Rtnl::open_in(&inside)?;
        configure(&there, index, bridge, number)?;
        host.addresses(bridge.index)?;
        self.masquerade(bridge, number, comment)?;
        host.link_at(port.index)?;
        there.change(Change::SetLink(
            index,
            LinkChange {
                mac: Some(b),
                ..LinkChange::default()
            },
        ))?;
        Ok(())
    }

    fn masquerade(&self, bridge: &Bridge, number: u32, comment: String) -> Result<(), Failure> {
        let nftables = Nftables::open()?;
        let own = Element::new(bridge.address(number)).comment(comment.clone());
        let pair = Element::new([number, 0].map(|number| Value::from(bridge.address(number))))
            .comment(comment);
        let questions = [Query::chain(&self.chain()), Query::set(&self.subnets())];
        let found = nftables.snapshot(
            &questions,
            &[(&self.sources(), &own), (&self.subnets(), &pair)],
        )?;
        let mut batch = Batch::new();
        batch.require_generation(found.generation);
        batch.add_elements(&self.table, "sources", [own.clone()]);
        batch.add_elements(&self.table, "subnets", [pair.clone()]);
        // Another thread may have changed the ruleset in between, as between plugins.
        if nftables.commit(&batch).is_err() {
            let mut batch = Batch::new();
            batch.add_elements(&self.table, "sources", [own]);
            batch.add_elements(&self.table, "subnets", [pair]);
            nftables.commit(&batch)?;
        }
        Ok(())
    }

    /// Removes the links of all containers that are attached.
    pub(crate) fn detach(&self) -> Result<(), Failure> {
        let rtnl = Rtnl::open()?;
        let next = self.next.load(Ordering::Relaxed);
        let all = self.first.swap(next, Ordering::Relaxed)..next;
        all.map(port_name)
            .try_for_each(|name| Ok(rtnl.delete_link(&name)?))
    }
}

fn configure(there: &Rtnl, index: u32, bridge: &Bridge, number: u32) -> Result<(), Failure> {
    let announced = LinkChange {
        announced: Some(true),
        ..LinkChange::default()
    };
    let own = IpNet::new(bridge.address(number), PREFIX)?;
    let everywhere = IpNet::new(Ipv4Addr::UNSPECIFIED.into(), 0)?;
    let changes = [
        Change::SetLink(index, announced),
        Change::AddAddress(index, Address::new(own)),
        Change::SetLink(index, LinkChange::up()),
        Change::AddRoute(Route::new(everywhere, Some(bridge.address(1)), index)),
    ];
    there
        .commit(&changes)?
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    Ok(())
}

fn port_name(number: u32) -> String {
    format!("port{number}")
}

/// One that is no manufacturer's.
fn mac(first: u8, number: u32) -> [u8; 6] {
    let [_, second, third, fourth] = number.to_be_bytes();
    [0x02, first, 0, second, third, fourth]
}
