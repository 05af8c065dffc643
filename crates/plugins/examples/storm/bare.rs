//! What an attachment asks of the kernel, and nothing else.
//!
//! The eight messages of an ADD (`benches/plugins.rs` lists them) with what stands in them. Addresses are counted, nothing is
//! kept, nothing is checked, and the sockets on the host's side are opened once.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use linkspan_kernel::netns::Netns;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::rtnl::{Address, Change, Kind, LinkChange, NewLink, Peer, Route, Rtnl};
use linkspan_nft::{
    Batch, Chain, DataType, Element, Family, Field, Hook, Query, Rule, Set, Table, Value,
};

use crate::Failure;

const BRIDGE: &str = "bare0";
const NETWORK: u32 = u32::from_be_bytes([10, 23, 0, 0]);
const PREFIX: u8 = 16;

/// A bridge and a table beside those of the plugins.
pub(crate) struct Bare {
    bridge: u32,
    table: Table,
    next: AtomicU32,
}

impl Bare {
    pub(crate) fn new() -> Result<Self, Failure> {
        let rtnl = Rtnl::open()?;
        let kind = Kind::Bridge {
            vlan_filtering: false,
        };
        let bridge = rtnl.create_link(&NewLink {
            up: true,
            ..NewLink::new(BRIDGE, kind)
        })?;
        let gateway = ipnet::IpNet::new(address(1), PREFIX)?;
        rtnl.change(Change::AddAddress(bridge.index, Address::new(gateway)))?;
        let bare = Self {
            bridge: bridge.index,
            table: Table::new(Family::Inet, "bare"),
            next: AtomicU32::new(2),
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
    pub(crate) fn attach(&self, name: &str, netns: &Path) -> Result<(), Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (host, inside) = (Rtnl::open()?, Netns::open(netns)?);
        host.link(BRIDGE)?;
        let comment = format!("storm/{name}/eth0");
        let [a, b] = [10, 11].map(|first| mac(first, number));
        let port = host.create_link(&NewLink {
            mac: Some(a),
            up: true,
            master: Some(self.bridge),
            alias: Some(comment.clone()),
            ..NewLink::new(
                format!("bare{number}"),
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
        self.configure(&there, index, number)?;
        host.addresses(self.bridge)?;
        self.masquerade(number, comment)?;
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

    fn configure(&self, there: &Rtnl, index: u32, number: u32) -> Result<(), Failure> {
        let announced = LinkChange {
            announced: Some(true),
            ..LinkChange::default()
        };
        let own = ipnet::IpNet::new(address(number), PREFIX)?;
        let everywhere = ipnet::IpNet::new(Ipv4Addr::UNSPECIFIED.into(), 0)?;
        let changes = [
            Change::SetLink(index, announced),
            Change::AddAddress(index, Address::new(own)),
            Change::SetLink(index, LinkChange::up()),
            Change::AddRoute(Route::new(everywhere, Some(address(1)), index)),
        ];
        there
            .commit(&changes)?
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        Ok(())
    }

    fn masquerade(&self, number: u32, comment: String) -> Result<(), Failure> {
        let nftables = Nftables::open()?;
        let own = Element::new(address(number)).comment(comment.clone());
        let pair =
            Element::new([number, 0].map(|number| Value::from(address(number)))).comment(comment);
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

    /// Removes all that was made.
    pub(crate) fn detach(&self, containers: &[(String, PathBuf)]) -> Result<(), Failure> {
        let rtnl = Rtnl::open()?;
        for number in 0..u32::try_from(containers.len())? {
            rtnl.delete_link(&format!("bare{}", number + 2))?;
        }
        Ok(())
    }
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from(NETWORK + number).into()
}

/// One that is no manufacturer's.
fn mac(first: u8, number: u32) -> [u8; 6] {
    let [_, second, third, fourth] = number.to_be_bytes();
    [0x02, first, 0, second, third, fourth]
}
