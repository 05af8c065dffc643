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
    /// What people call the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
            Self::Duplicate => "Restart one of the two containers.",
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
        let users = Users::of(host);
        let pools = host.pools.iter();
        let mut items: Vec<Item> = pools.flat_map(|pool| of_pool(pool, &users)).collect();
        items.extend(unreserved(host));
        items.extend(duplicates(host, &users));
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
            blind_spots: blind_spots(host),
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

/// What could not be read, and the reservations of which it is not known whether they are leaked.
fn blind_spots(host: &Host) -> Vec<String> {
    let mut spots: Vec<String> = host.blind_spots.iter().map(ToString::to_string).collect();
    for pool in &host.pools {
        spots.extend(pool.problem.iter().map(ToString::to_string));
        let mut unknown: BTreeMap<&str, u64> = BTreeMap::new();
        let held = pool.reservations.iter();
        for held in held.filter(|held| held.container.is_some()) {
            if let Life::Unknown(why) = &held.life {
                *unknown.entry(why).or_default() += 1;
            }
        }
        spots.extend(unknown.into_iter().map(|(why, count)| {
            let addresses = if count == 1 { "address" } else { "addresses" };
            format!(
                "whether the holders of {count} {addresses} of {} are there: {why}",
                pool.network
            )
        }));
    }
    spots
}

fn of_pool(pool: &Pool, users: &Users<'_>) -> impl Iterator<Item = Item> {
    let reservations = pool.reservations.iter();
    let wrong = reservations.filter_map(|reservation| {
        let (kind, why) = judge(pool, reservation, users)?;
        Some(Item {
            kind,
            network: pool.network.clone(),
            file: pool.file(reservation.address),
            address: Some(reservation.address),
            container: reservation.container.clone(),
            name: reservation.name.as_ref().map(ToString::to_string),
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
        name: None,
        ifname: None,
        since: None,
        why: "the file is empty or unfinished".to_owned(),
    });
    wrong.chain(leftovers)
}

/// What is wrong with a reservation by itself.
fn judge(pool: &Pool, reservation: &Reservation, users: &Users<'_>) -> Option<(Kind, String)> {
    if reservation.container.is_none() {
        let why = "its file says nothing that can be read";
        return Some((Kind::Unreadable, why.to_owned()));
    }
    if let Life::Gone(why) = &reservation.life {
        // Given back, it would be given to somebody else while it is in use.
        if let Some(user) = users.other_than(&pool.network, reservation) {
            let why = format!("{} has it without holding it", user.label());
            return Some((Kind::Duplicate, why));
        }
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
                name: attachment.name.as_ref().map(ToString::to_string),
                ifname: attachment.ifname.clone(),
                since: attachment.since,
                why: "the container runs with it, and there is no reservation".to_owned(),
            })
        })
    })
}

/// The running containers that have an address, by network and address. Networks apart from each other may have the same.
struct Users<'h>(BTreeMap<(&'h str, IpAddr), Vec<&'h Attachment>>);

impl<'h> Users<'h> {
    fn of(host: &'h Host) -> Self {
        let mut users: BTreeMap<_, Vec<&Attachment>> = BTreeMap::new();
        let living = |attachment: &&Attachment| attachment.life.is_alive();
        for attachment in host.attachments.iter().filter(living) {
            let mut addresses = attachment.reserved.clone();
            // One that only a reservation tells of was found by its address, perhaps with somebody else.
            if attachment.is_kept() {
                addresses.extend(attachment.addresses.iter().map(|net| net.addr()));
            }
            // Every namespace has a loopback of its own, and containerd keeps what `loopback` answered.
            addresses.retain(|address| !address.is_loopback());
            for address in addresses {
                let key = (attachment.network.as_str(), address);
                users.entry(key).or_default().push(attachment);
            }
        }
        Self(users)
    }

    /// One that has the address of a reservation, which is not for it.
    fn other_than(&self, network: &str, held: &Reservation) -> Option<&'h Attachment> {
        let users = self.0.get(&(network, held.address))?;
        let is_other = |user: &&&Attachment| Some(&user.container) != held.container.as_ref();
        users.iter().copied().find(|user| is_other(&user))
    }
}

/// Addresses that two running containers have.
fn duplicates(host: &Host, users: &Users<'_>) -> Vec<Item> {
    let several = users.0.iter().filter(|(_, users)| users.len() > 1);
    several
        .flat_map(|((_, address), having)| {
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
                    file: attachment_file(host, attachment, *address),
                    address: Some(*address),
                    container: Some(attachment.container.clone()),
                    name: attachment.name.as_ref().map(ToString::to_string),
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
