//! Who has which port of the host.
//!
//! A claim is a symbolic link, `ports/tcp-8080/0.0.0.0`, to the record of the attachment that has the port;
//! so it holds as long as that record is there, and `ls -l` shows whose it is. It concerns both backends, and
//! outlives a flush of the ruleset. A claim of every address conflicts with those of single addresses, as
//! sockets that are bound do; mappings with different conditions do not conflict.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use linkspan_kernel::lock::Lock;
use linkspan_spec::{Error, ErrorCode};

use super::{Holder, Part, Port, PortRange, PublishedPorts, Reserved};
use crate::owner::hex_sha512;
use crate::record::{self, Found, Record, Records, failed, lock};

/// Claims all ports of a part. Those that another attachment of the same container has already are left to
/// that one.
pub(super) fn reserve(part: &PublishedPorts, holder: &Holder<'_>) -> Result<Reserved, Error> {
    let claims = Claims::open(part, holder)?;
    let mut left = Vec::new();
    let mut dead: Vec<Record> = Vec::new();
    for port in part.single_ports() {
        match claims.claim(port)? {
            Outcome::Claimed => left.push(port),
            Outcome::SameContainer => {}
            Outcome::Dead(records) => {
                dead.extend(
                    records
                        .into_iter()
                        .filter(|one| !dead.contains(one))
                        .collect::<Vec<_>>(),
                );
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

/// Gives up the claims of a part's ports.
pub(super) fn release(part: &PublishedPorts, holder: &Holder<'_>) -> Result<(), Error> {
    if !directory(holder.records).exists() {
        return Ok(());
    }
    let claims = Claims::open(part, holder)?;
    part.single_ports()
        .try_for_each(|port| claims.release(port))
}

/// Removes the claims that lead to no record.
pub(super) fn sweep(records: &Records) -> Result<(), Error> {
    let directory = directory(records);
    if !directory.exists() {
        return Ok(());
    }
    let _lock = lock(&directory)?;
    for port in entries(&directory) {
        for claim in entries(&port) {
            if !claim.exists() {
                remove(&claim)?;
            }
        }
        // It stays as long as there is a claim in it.
        let _ = fs::remove_dir(&port);
    }
    Ok(())
}

/// The claims, locked.
struct Claims<'h> {
    directory: PathBuf,
    holder: &'h Holder<'h>,
    /// What a claim is, as its link says it.
    target: PathBuf,
    /// Every address of the container's IP version.
    every_address: IpAddr,
    /// What tells claims with conditions from others.
    suffix: String,
    _lock: Lock,
}

enum Outcome {
    Claimed,
    /// Another attachment of the same container has it.
    SameContainer,
    /// Attachments have it whose containers are gone.
    Dead(Vec<Record>),
}

impl<'h> Claims<'h> {
    fn open(part: &PublishedPorts, holder: &'h Holder<'h>) -> Result<Self, Error> {
        const DIGITS: usize = 12;
        let directory = directory(holder.records);
        let lock = lock(&directory)?;
        let conditions = format!("{:?}", part.conditions);
        Ok(Self {
            target: Path::new("../..").join(record::file_name(holder.plugin, holder.owner)),
            every_address: match part.container.addr() {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            },
            suffix: match part.conditions.is_empty() {
                true => String::new(),
                false => format!("-{}", &hex_sha512(&conditions)[..DIGITS]),
            },
            directory,
            holder,
            _lock: lock,
        })
    }

    fn of_port(&self, port: Port) -> PathBuf {
        self.directory
            .join(format!("{}-{}", port.protocol, port.host_port))
    }

    fn file_name(&self, address: IpAddr) -> String {
        format!("{address}{}", self.suffix)
    }

    fn claim(&self, port: Port) -> Result<Outcome, Error> {
        let address = port.host_address.unwrap_or(self.every_address);
        let directory = self.of_port(port);
        let path = directory.join(self.file_name(address));
        let is_new = match fs::create_dir(&directory) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(failed("create", &directory, &error)),
        };
        let rivals = match is_new {
            true => Vec::new(),
            false => self.rivals(address, &directory),
        };
        let mut dead = Vec::new();
        for rival in rivals {
            match record::read(&rival) {
                // What was claimed by an attachment that has no record any more.
                Found::Nothing => remove(&rival)?,
                Found::Unreadable => return Err(taken_unreadably(port, &rival)),
                Found::Record(record) => match self.judge(port, &rival, record)? {
                    Judgement::Own => {}
                    Judgement::SameContainer => return Ok(Outcome::SameContainer),
                    Judgement::Dead(record) => dead.push(record),
                },
            }
        }
        if !dead.is_empty() {
            return Ok(Outcome::Dead(dead));
        }
        match symlink(&self.target, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(failed("create", &path, &error))
            }
            _ => Ok(Outcome::Claimed),
        }
    }

    /// Claims that stand in the way of one for this address.
    fn rivals(&self, address: IpAddr, directory: &Path) -> Vec<PathBuf> {
        if address != self.every_address {
            let own = directory.join(self.file_name(address));
            let every = directory.join(self.file_name(self.every_address));
            return vec![own, every];
        }
        let conflicts = |path: &PathBuf| {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let address = name.as_deref().and_then(|name| match self.suffix.as_str() {
                "" => Some(name),
                suffix => name.strip_suffix(suffix),
            });
            let address = address.and_then(|text| text.parse::<IpAddr>().ok());
            address.is_some_and(|other| other.is_ipv4() == self.every_address.is_ipv4())
        };
        entries(directory).into_iter().filter(conflicts).collect()
    }

    fn judge(&self, port: Port, claim: &Path, record: Record) -> Result<Judgement, Error> {
        let owner = record.owner();
        if fs::read_link(claim).is_ok_and(|target| target == self.target) {
            return Ok(Judgement::Own);
        }
        if owner.container() == self.holder.owner.container() {
            return Ok(Judgement::SameContainer);
        }
        match record.reason_to_live() {
            None => Ok(Judgement::Dead(record)),
            Some(reason) => Err(taken(port, claim, &record, &reason)),
        }
    }

    fn release(&self, port: Port) -> Result<(), Error> {
        let address = port.host_address.unwrap_or(self.every_address);
        let directory = self.of_port(port);
        let path = directory.join(self.file_name(address));
        if fs::read_link(&path).is_ok_and(|target| target == self.target) {
            remove(&path)?;
            // It stays as long as there is another claim in it.
            let _ = fs::remove_dir(&directory);
        }
        Ok(())
    }
}

enum Judgement {
    Own,
    SameContainer,
    Dead(Record),
}

/// Published twice, one of two containers would get nothing, and nobody would know why.
fn taken(port: Port, claim: &Path, record: &Record, reason: &str) -> Error {
    let owner = record.owner();
    let every = claim
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let msg = format!(
        "host port {port} is already published by container {} (network {}, interface {})",
        owner.container(),
        owner.network(),
        owner.ifname()
    );
    Error::new(PORT_TAKEN, msg).with_details(format!(
        "it has the port at {}; {reason}; detach it, or choose another hostPort or hostIP",
        every.unwrap_or_default()
    ))
}

/// Two containers ask for the same port.
const PORT_TAKEN: ErrorCode = ErrorCode::FIRST_OF_PLUGINS;

fn taken_unreadably(port: Port, claim: &Path) -> Error {
    let record = fs::canonicalize(claim).unwrap_or_else(|_| claim.to_owned());
    let msg = format!("host port {port} is already published by an attachment");
    Error::new(PORT_TAKEN, msg).with_details(format!(
        "its record {} cannot be read; the file's name has container and interface: detach them",
        record.display()
    ))
}

fn directory(records: &Records) -> PathBuf {
    records.directory().join("ports")
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", path, &error))
        }
        _ => Ok(()),
    }
}
