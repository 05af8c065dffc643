//! Who has which port of the host.
//!
//! A claim is a link, `ports/tcp-8080/0.0.0.0`, to the record of the attachment that has the port;
//! so it holds as long as that record is there, and `ls -l` shows whose it is. It concerns both backends, and
//! outlives a flush of the ruleset. A claim of every address conflicts with those of single addresses, as
//! sockets that are bound do; mappings with different conditions do not conflict.
//!
//! A runtime sends the same mappings to all networks of a container, of which the first gets the port. The others
//! wait for it, each with a link `wait-…` beside the claim, and get it when the first is detached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use linkspan_spec::{Error, ErrorCode};

use super::{Holder, Part, Port, PortRange, PublishedPorts, Reserved};
use crate::head::{Found, Head};
use crate::owner::{Owner, hex_sha512};
use crate::part::Record;
use crate::records::Records;
use crate::register::{Holders, Register};

/// The ports that are claimed.
const REGISTER: &str = "ports";

/// How the links of those begin who wait for a port; no address does.
const WAITING: &str = "wait-";

/// Claims all ports of a part. Those that another attachment of the same container has already are left to
/// that one.
pub(super) fn reserve(part: &PublishedPorts, holder: &Holder<'_>) -> Result<Reserved, Error> {
    let claims = Claims::of(part, Register::open(holder.records, REGISTER)?, holder);
    let mut left = Vec::new();
    let mut dead: Vec<Head> = Vec::new();
    for port in part.single_ports() {
        match claims.claim(port)? {
            Outcome::Claimed => left.push(port),
            Outcome::SameContainer => {}
            Outcome::Dead(heads) => {
                let new: Vec<_> = heads
                    .into_iter()
                    .filter(|one| !dead.contains(one))
                    .collect();
                dead.extend(new);
            }
        }
    }
    if !dead.is_empty() {
        return Ok(Reserved::HeldByDead(dead));
    }
    let ports = PortRange::of(left);
    if ports == part.ports {
        return Ok(Reserved::Whole);
    }
    Ok(Reserved::Partly((!ports.is_empty()).then(|| {
        Part::PublishedPorts(PublishedPorts {
            ports,
            ..part.clone()
        })
    })))
}

/// The error that [`reserve`] would give because another container has one of the ports, as the records tell it: nothing is
/// claimed or locked.
pub(super) fn refuse_taken(part: &PublishedPorts, owner: &Owner) -> Result<(), Error> {
    let Some(records) = Records::if_there()? else {
        return Ok(());
    };
    for name in records.names()? {
        let Found::Record(record) = Record::read(&records, &name)? else {
            continue;
        };
        let others = record.parts.iter().filter_map(|other| match other {
            Part::PublishedPorts(other) if other.conditions == part.conditions => Some(other),
            _ => None,
        });
        let taken_port = others
            .filter(|other| other.container.addr().is_ipv4() == part.container.addr().is_ipv4())
            .find_map(|other| clash(part, other));
        if let Some(port) = taken_port
            && let Found::Record(head) = records.head(&name)?
            && head.owner().container() != owner.container()
            && let Some(reason) = head.reason_to_live()
        {
            let at = port
                .host_address
                .map_or_else(|| "every address".to_owned(), |at| at.to_string());
            return Err(taken(port, &at, &head, &reason));
        }
    }
    Ok(())
}

/// The first port that both have, at the same address or at all of them.
fn clash(part: &PublishedPorts, other: &PublishedPorts) -> Option<Port> {
    let is_same = |one: &Port, other: &Port| {
        (one.protocol, one.host_port) == (other.protocol, other.host_port)
            && (one.host_address.is_none()
                || other.host_address.is_none()
                || one.host_address == other.host_address)
    };
    part.single_ports()
        .find(|port| other.single_ports().any(|held| is_same(port, &held)))
}

/// Gives up the claims of a part's ports; returns who has waited for one of them.
pub(super) fn release(part: &PublishedPorts, holder: &Holder<'_>) -> Result<Vec<Head>, Error> {
    let Some(register) = Register::open_if_there(holder.records, REGISTER)? else {
        return Ok(Vec::new());
    };
    let claims = Claims::of(part, register, holder);
    let mut heirs = Vec::new();
    for port in part.single_ports() {
        for heir in claims.release(port)? {
            if !heirs.contains(&heir) {
                heirs.push(heir);
            }
        }
    }
    Ok(heirs)
}

/// Those of a part's ports that neither its attachment nor another of the same container has, a sentence each.
pub(super) fn unclaimed(part: &PublishedPorts, holder: &Holder<'_>) -> Result<Vec<String>, Error> {
    let register = Register::open_if_there(holder.records, REGISTER)?;
    let claims = register.map(|register| Claims::of(part, register, holder));
    let mut sentences = Vec::new();
    for port in part.single_ports() {
        let is_held = claims.as_ref().map(|claims| claims.is_held(port));
        if !is_held.transpose()?.unwrap_or_default() {
            sentences.push(format!(
                "expected host port {port} to be published for one of the container's interfaces, found it for none"
            ));
        }
    }
    Ok(sentences)
}

/// Removes the claims that lead to no record.
pub(super) fn sweep(records: &Records) -> Result<(), Error> {
    let Some(register) = Register::open_if_there(records, REGISTER)? else {
        return Ok(());
    };
    for port in register.things()? {
        if let Some(claims) = register.holders_if_any(&port)? {
            claims.sweep()?;
        }
        register.forget(&port);
    }
    Ok(())
}

/// The claims, locked.
struct Claims<'h> {
    register: Register<'h>,
    holder: &'h Holder<'h>,
    /// Every address of the container's IP version.
    every_address: IpAddr,
    /// What tells claims with conditions from others.
    suffix: String,
}

enum Outcome {
    Claimed,
    /// Another attachment of the same container has it.
    SameContainer,
    /// Attachments have it whose containers are gone.
    Dead(Vec<Head>),
}

enum Judgement {
    Own,
    SameContainer,
    Dead(Head),
}

impl<'h> Claims<'h> {
    fn of(part: &PublishedPorts, register: Register<'h>, holder: &'h Holder<'h>) -> Self {
        const DIGITS: usize = 12;
        let conditions = format!("{:?}", part.conditions);
        Self {
            register,
            holder,
            every_address: match part.container.addr() {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            },
            suffix: match part.conditions.is_empty() {
                true => String::new(),
                false => format!("-{}", &hex_sha512(&conditions)[..DIGITS]),
            },
        }
    }

    fn claim(&self, port: Port) -> Result<Outcome, Error> {
        let holders = self.register.holders(&thing(port))?;
        let address = port.host_address.unwrap_or(self.every_address);
        let mut dead = Vec::new();
        for rival in self.rivals(address, &holders)? {
            match self.judge(port, &rival, &holders)? {
                None | Some(Judgement::Own) => {}
                Some(Judgement::Dead(head)) => dead.push(head),
                Some(Judgement::SameContainer) => {
                    holders.add(&waiting(&self.holder.record), &self.holder.record)?;
                    return Ok(Outcome::SameContainer);
                }
            }
        }
        if !dead.is_empty() {
            return Ok(Outcome::Dead(dead));
        }
        holders.add(&self.link(address), &self.holder.record)?;
        holders.remove(&waiting(&self.holder.record))?;
        Ok(Outcome::Claimed)
    }

    /// Claims that stand in the way of one for this address.
    fn rivals(&self, address: IpAddr, holders: &Holders<'_>) -> Result<Vec<String>, Error> {
        if address != self.every_address {
            return Ok(vec![self.link(address), self.link(self.every_address)]);
        }
        let conflicts = |link: &String| {
            let address = match self.suffix.as_str() {
                "" => Some(link.as_str()),
                suffix => link.strip_suffix(suffix),
            };
            let address = address.and_then(|text| text.parse::<IpAddr>().ok());
            address.is_some_and(|other| other.is_ipv4() == self.every_address.is_ipv4())
        };
        Ok(holders.links()?.into_iter().filter(conflicts).collect())
    }

    /// What a claim means; `None` when it means nothing any more.
    fn judge(
        &self,
        port: Port,
        claim: &str,
        holders: &Holders<'_>,
    ) -> Result<Option<Judgement>, Error> {
        let Some(record) = holders.record_of(claim)? else {
            return Ok(None);
        };
        if record == self.holder.record {
            return Ok(Some(Judgement::Own));
        }
        let head = match self.holder.records.head(&record)? {
            // What was claimed by an attachment that has no record any more.
            Found::Nothing => return holders.remove(claim).map(|()| None),
            Found::Unreadable => return Err(taken_unreadably(port, &record)),
            Found::Record(head) => head,
        };
        if head.owner().container() == self.holder.owner.container() {
            return Ok(Some(Judgement::SameContainer));
        }
        match head.reason_to_live() {
            None => Ok(Some(Judgement::Dead(head))),
            Some(reason) => Err(taken(port, claim, &head, &reason)),
        }
    }

    fn release(&self, port: Port) -> Result<Vec<Head>, Error> {
        let thing = thing(port);
        let Some(holders) = self.register.holders_if_any(&thing)? else {
            return Ok(Vec::new());
        };
        let own = &self.holder.record;
        let address = port.host_address.unwrap_or(self.every_address);
        holders.remove_own(&self.link(address), own)?;
        holders.remove(&waiting(own))?;
        let mut heirs = Vec::new();
        for link in holders.links()? {
            let record = holders.record_of(&link)?;
            if let Some(record) = record.filter(|_| link.starts_with(WAITING)) {
                match self.holder.records.head(&record)? {
                    Found::Record(heir) => heirs.push(heir),
                    Found::Nothing | Found::Unreadable => holders.remove(&link)?,
                }
            }
        }
        self.register.forget(&thing);
        Ok(heirs)
    }

    /// Whether an attachment of this container has a port, this one or another.
    fn is_held(&self, port: Port) -> Result<bool, Error> {
        let Some(holders) = self.register.holders_if_any(&thing(port))? else {
            return Ok(false);
        };
        let address = port.host_address.unwrap_or(self.every_address);
        for rival in self.rivals(address, &holders)? {
            let record = holders.record_of(&rival)?;
            let head = record.map(|record| self.holder.records.head(&record));
            if let Some(Found::Record(head)) = head.transpose()?
                && head.owner().container() == self.holder.owner.container()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn link(&self, address: IpAddr) -> String {
        format!("{address}{}", self.suffix)
    }
}

fn thing(port: Port) -> String {
    format!("{}-{}", port.protocol, port.host_port)
}

fn waiting(record: &str) -> String {
    const DIGITS: usize = 16;
    format!("{WAITING}{}", &hex_sha512(record)[..DIGITS])
}

/// Published twice, one of two containers would get nothing, and nobody would know why.
fn taken(port: Port, claim: &str, head: &Head, reason: &str) -> Error {
    let owner = head.owner();
    let msg = format!(
        "host port {port} is already published by container {} (network {}, interface {})",
        owner.container(),
        owner.network(),
        owner.ifname()
    );
    Error::new(PORT_TAKEN, msg).with_details(format!(
        "it has the port at {claim}; {reason}; detach it, or choose another hostPort or hostIP"
    ))
}

/// Two containers ask for the same port.
pub(crate) const PORT_TAKEN: ErrorCode = ErrorCode::FIRST_OF_PLUGINS;

fn taken_unreadably(port: Port, record: &str) -> Error {
    let msg = format!("host port {port} is already published by an attachment");
    Error::new(PORT_TAKEN, msg).with_details(format!(
        "its record {record:?} cannot be read; the name has network, container and interface: detach them, or run \
         GC of the network"
    ))
}
