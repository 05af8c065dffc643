//! Published ports of containers that are admitted: the host forwards what the ports lead to them.
//!
//! Two plugins each want a half of it, in either order: the one has the ports led, the other has the host forward. What the
//! other wants is in its record.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use linkspan_spec::Error;

use super::published::{PortRange, PublishedPorts};
use super::{Holder, Part, admission};
use crate::forward::{self, Accept, Opening, former};
use crate::head::{Found, file_name};
use crate::owner::Owner;
use crate::part::Record;
use crate::records::Records;

/// The plugins that want either half.
const PLUGINS: [&str; 2] = ["firewall", "portmap"];

/// Has the host forward what is published and admitted, once both are wanted.
pub(crate) fn open(holder: &Holder<'_>, parts: &[Part]) -> Result<(), Error> {
    forward::open(holder.owner, &openings(holder, parts)?)
}

/// What [`open`] would do, a sentence each, unless it is open in the way of an earlier version.
pub(crate) fn differences(holder: &Holder<'_>, parts: &[Part]) -> Result<Vec<String>, Error> {
    let openings = openings(holder, parts)?;
    let missing = forward::missing_openings(holder.owner, &openings)?;
    let containers = || -> Vec<IpAddr> { openings.iter().map(Accept::address).collect() };
    match missing.is_empty() || former::admits(holder.owner, &containers())? {
        true => Ok(Vec::new()),
        false => Ok(missing),
    }
}

/// What is not there of it, a sentence each.
pub(crate) fn missing(holder: &Holder<'_>, parts: &[Part]) -> Result<Vec<String>, Error> {
    forward::missing_openings(holder.owner, &openings(holder, parts)?)
}

/// What works, and is not as it would be set up now, a sentence each.
pub(crate) fn outdated(holder: &Holder<'_>, parts: &[Part]) -> Result<Vec<String>, Error> {
    let mut sentences = forward::ahead_of_others(&openings(holder, parts)?)?;
    if former::is_there()? {
        sentences.extend(admission::missing(holder.owner, parts)?);
        sentences.extend(missing(holder, parts)?);
    }
    Ok(sentences)
}

/// Ends it for the ports among these parts. What was admitted is dismissed with all its rules.
pub(crate) fn close(holder: &Holder<'_>, parts: &[Part]) -> Result<(), Error> {
    let containers: Vec<IpAddr> = published(parts).map(address).collect();
    if containers.is_empty() || of_other_plugin(holder)?.is_empty() {
        return Ok(());
    }
    let taken = Taken::but_by(holder.owner, holder.records);
    forward::close(holder.owner, &containers, &|address| taken.has(address))?;
    taken.finish()
}

/// The addresses that are admitted for others than one attachment. They are read once they are asked for.
pub(crate) struct Taken<'a> {
    owner: &'a Owner,
    records: &'a Records,
    addresses: OnceCell<Result<Vec<IpAddr>, Error>>,
}

impl<'a> Taken<'a> {
    pub(super) fn but_by(owner: &'a Owner, records: &'a Records) -> Self {
        Self {
            owner,
            records,
            addresses: OnceCell::new(),
        }
    }

    /// Whether an address is, or may be: [`finish`](Self::finish) says if that could not be told.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        let addresses = self.addresses.get_or_init(|| self.read());
        addresses
            .as_ref()
            .map_or(true, |all| all.contains(&address))
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        self.addresses.into_inner().transpose().map(drop)
    }

    fn read(&self) -> Result<Vec<IpAddr>, Error> {
        let is_other = |record: &Record| record.owner() != *self.owner;
        let others = Record::all(self.records)?.into_iter().filter(is_other);
        Ok(others.flat_map(|record| admitted(&record.parts)).collect())
    }
}

fn openings(holder: &Holder<'_>, parts: &[Part]) -> Result<Vec<Accept>, Error> {
    let is_half = |part: &Part| matches!(part, Part::Admission(_) | Part::PublishedPorts(_));
    if !parts.iter().any(is_half) {
        return Ok(Vec::new());
    }
    let others = of_other_plugin(holder)?;
    let mut admitted = admitted(parts);
    admitted.extend(self::admitted(&others));
    Ok(published(parts)
        .chain(published(&others))
        .filter(|one| admitted.contains(&one.container.addr()))
        .flat_map(|one| one.ports.iter().map(|range| accept(one, range)))
        .collect())
}

fn of_other_plugin(holder: &Holder<'_>) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    for name in PLUGINS.map(|plugin| file_name(plugin, holder.owner)) {
        if name != holder.record
            && let Found::Record(record) = Record::read(holder.records, &name)?
        {
            parts.extend(record.parts);
        }
    }
    Ok(parts)
}

fn admitted(parts: &[Part]) -> Vec<IpAddr> {
    let address = |part: &Part| match part {
        Part::Admission(part) => Some(part.address),
        _ => None,
    };
    parts.iter().filter_map(address).collect()
}

/// The container's.
fn address(published: &PublishedPorts) -> IpAddr {
    published.container.addr()
}

fn published(parts: &[Part]) -> impl Iterator<Item = &PublishedPorts> {
    parts.iter().filter_map(|part| match part {
        Part::PublishedPorts(part) => Some(part),
        _ => None,
    })
}

fn accept(published: &PublishedPorts, range: &PortRange) -> Accept {
    let ports = |first: u16| -> RangeInclusive<u16> {
        first..=first.saturating_add(range.count.saturating_sub(1))
    };
    Accept::Published(Opening {
        container: published.container.addr(),
        protocol: range.protocol.number(),
        host_address: range.host_address,
        host_ports: ports(range.host_port),
        container_ports: ports(range.container_port),
    })
}
