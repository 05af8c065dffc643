//! What is wrong with the pools of addresses, and giving back what is leaked.
//!
//! Finding and giving back are apart: [`Report::of`] only tells, and [`free`] gives back what a report names, after it has looked
//! again.

mod repair;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use linkspan_state::origin::Boot;
use serde::{Deserialize, Serialize};

use crate::Host;
use crate::attachment::Attachment;
use crate::life::Life;
use crate::pool::{Pool, Reservation};

pub use repair::{Freed, free};

/// The version of a report's form.
const FORMAT: u32 = 1;

/// What is wrong with the pools of a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of its form, 1.
    pub format: u32,
    /// The boot in which it was written, by the kernel's random ID.
    pub boot: Option<String>,
    /// When it was written, in seconds since 1970.
    pub written: u64,
    /// What is wrong, in the order of pools and addresses.
    pub items: Vec<Item>,
    /// What could not be looked at, in words: there may be more.
    pub blind_spots: Vec<String>,
}

/// Something that is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What.
    pub kind: Kind,
    /// The pool's network.
    pub network: String,
    /// The file that it is about: a reservation, or where one would be.
    pub file: PathBuf,
    /// The address.
    pub address: Option<IpAddr>,
    /// Who holds it, by the container's ID.
    #[serde(rename = "containerID")]
    pub container: Option<String>,
    /// The interface in the container.
    pub ifname: Option<String>,
    /// When it was reserved, in seconds since 1970.
    pub since: Option<u64>,
    /// How it is known.
    pub why: String,
}

/// What can be wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Its container is gone, and it is still reserved.
    Leaked,
    /// A file reserves nothing: what a crash left behind.
    Leftover,
    /// Two hold or have the same address.
    Duplicate,
    /// A container has it without holding it, so that another can get it.
    Unreserved,
    /// It is in no range of the configuration.
    OutsideRanges,
    /// Who holds it cannot be read.
    Unreadable,
}

impl Kind {
    /// All of them, the worst first.
    pub const ALL: [Self; 6] = [
        Self::Duplicate,
        Self::Unreserved,
        Self::Leaked,
        Self::Unreadable,
        Self::OutsideRanges,
        Self::Leftover,
    ];

    /// Whether [`free`] gives such back.
    pub fn is_freed(self) -> bool {
        matches!(self, Self::Leaked | Self::Leftover)
    }

    /// What it is, of several.
    pub fn words(self) -> &'static str {
        match self {
            Self::Leaked => "leaked",
            Self::Leftover => "left over",
            Self::Duplicate => "duplicate",
            Self::Unreserved => "not reserved",
            Self::OutsideRanges => "outside the ranges",
            Self::Unreadable => "unreadable",
        }
    }

    /// What a person can do about it.
    pub fn next(self) -> &'static str {
        match self {
            Self::Leaked => {
                "`linkspan ipam free` gives them back; so does `linkspan gc`, with all else that is left of the container."
            }
            Self::Leftover => "`linkspan ipam free` removes them. They are in nobody's way.",
            Self::Duplicate => {
                "Restart one of the two containers. Two networks with one subnet need one of them changed."
            }
            Self::Unreserved => "Restart the container before another one gets its address.",
            Self::OutsideRanges => {
                "They were given by an earlier configuration, and go back when their containers end. Nothing has to be done."
            }
            Self::Unreadable => "Look at the file. When no container has the address, remove it.",
        }
    }
}

impl Report {
    /// What is wrong with the pools that were seen.
    pub fn of(host: &Host) -> Self {
        let mut items: Vec<Item> = host.pools.iter().flat_map(of_pool).collect();
        items.extend(unreserved(host));
        items.extend(duplicates(host));
        items.sort_by(|one, other| {
            let key = |item: &Item| (item.network.clone(), item.address, item.kind);
            key(one).cmp(&key(other))
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            format: FORMAT,
            boot: Boot::current().ok().map(|boot| boot.id().to_owned()),
            written: now.map_or(0, |now| now.as_secs()),
            items,
            blind_spots: host.blind_spots.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether this program knows its form.
    pub fn is_known(&self) -> bool {
        self.format == FORMAT
    }

    /// Only what is about a network.
    pub fn retain(&mut self, network: &str) {
        self.items.retain(|item| item.network == network);
    }
}

fn of_pool(pool: &Pool) -> impl Iterator<Item = Item> {
    let reservations = pool.reservations.iter();
    let wrong = reservations.filter_map(|reservation| {
        let (kind, why) = judge(pool, reservation)?;
        Some(Item {
            kind,
            network: pool.network.clone(),
            file: pool.file(reservation.address),
            address: Some(reservation.address),
            container: reservation.container.clone(),
            ifname: reservation.ifname.clone(),
            since: reservation.since,
            why,
        })
    });
    let leftovers = pool.leftovers.iter().map(|file| Item {
        kind: Kind::Leftover,
        network: pool.network.clone(),
        address: file
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok()),
        file: file.clone(),
        container: None,
        ifname: None,
        since: None,
        why: "the file is empty or unfinished".to_owned(),
    });
    wrong.chain(leftovers)
}

/// What is wrong with a reservation by itself.
fn judge(pool: &Pool, reservation: &Reservation) -> Option<(Kind, String)> {
    if reservation.container.is_none() {
        let why = "its file says nothing that can be read";
        return Some((Kind::Unreadable, why.to_owned()));
    }
    if let Life::Gone(why) = &reservation.life {
        return Some((Kind::Leaked, why.clone()));
    }
    let is_outside = reservation.in_range == Some(false);
    is_outside.then(|| {
        let ranges: Vec<_> = pool.sets.iter().map(|set| set.ranges.as_str()).collect();
        (
            Kind::OutsideRanges,
            format!("the ranges are {}", ranges.join(", ")),
        )
    })
}

/// Addresses of running containers that are in a range of their network's pool and that nobody holds.
fn unreserved(host: &Host) -> impl Iterator<Item = Item> {
    let living = host
        .attachments
        .iter()
        .filter(|attachment| attachment.life.is_alive());
    living.flat_map(|attachment| {
        let pools = host
            .pools
            .iter()
            .filter(|pool| pool.network == attachment.network);
        pools.flat_map(move |pool| {
            let addresses = attachment.assigned.iter().map(|net| net.addr());
            let is_free = |address: &IpAddr| {
                let is_held = pool.reservation(*address).is_some();
                !is_held && pool.sets.iter().any(|set| set.addresses.contains(*address))
            };
            addresses.filter(is_free).map(move |address| Item {
                kind: Kind::Unreserved,
                network: pool.network.clone(),
                file: pool.file(address),
                address: Some(address),
                container: Some(attachment.container.clone()),
                ifname: attachment.ifname.clone(),
                since: attachment.since,
                why: "the container runs with it, and there is no reservation".to_owned(),
            })
        })
    })
}

/// Addresses that two running containers have.
fn duplicates(host: &Host) -> Vec<Item> {
    let mut having: BTreeMap<IpAddr, Vec<&Attachment>> = BTreeMap::new();
    for attachment in host
        .attachments
        .iter()
        .filter(|attachment| attachment.life.is_alive())
    {
        let reserved = attachment.reserved.iter().copied();
        let mut addresses: Vec<_> = attachment
            .addresses
            .iter()
            .map(|net| net.addr())
            .chain(reserved)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        for address in addresses {
            having.entry(address).or_default().push(attachment);
        }
    }
    let several = having.into_iter().filter(|(_, having)| having.len() > 1);
    several
        .flat_map(|(address, having)| {
            let item = |attachment: &&Attachment| {
                let others = having
                    .iter()
                    .filter(|other| !std::ptr::eq(**other, *attachment));
                let others: Vec<_> = others
                    .map(|other| format!("{} on {}", other.label(), other.network))
                    .collect();
                Item {
                    kind: Kind::Duplicate,
                    network: attachment.network.clone(),
                    file: attachment_file(host, attachment, address),
                    address: Some(address),
                    container: Some(attachment.container.clone()),
                    ifname: attachment.ifname.clone(),
                    since: attachment.since,
                    why: format!("{} has it too", others.join(", ")),
                }
            };
            having.iter().map(item).collect::<Vec<_>>()
        })
        .collect()
}

/// Where the reservation of an address is, or would be.
fn attachment_file(host: &Host, attachment: &Attachment, address: IpAddr) -> PathBuf {
    let pool = host
        .pools
        .iter()
        .find(|pool| pool.network == attachment.network);
    pool.map_or_else(PathBuf::new, |pool| pool.file(address))
}
