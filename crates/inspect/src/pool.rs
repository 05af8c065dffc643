//! Pools of addresses: the directories of host-local, with what their networks' configurations say of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use linkspan_ipam::range::RangeSet;
use linkspan_ipam::record::Record;
use linkspan_ipam::store::{Entry, look};
use linkspan_state::origin::Provenance;
use serde::Serialize;

use crate::attachment::Attachment;
use crate::containers::Name;
use crate::life::Life;
use crate::network::Network;
use crate::{Places, Problem, Seen};

/// A pool: a network's directory, whether or not a configuration leads to it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// The network, by which the directory is named.
    pub network: String,
    /// The directory of the reservations.
    pub directory: PathBuf,
    /// The sets of ranges of the configuration: an attachment gets one address of each. Empty where no configuration leads here.
    pub sets: Vec<Set>,
    /// The reservations, in the order of their addresses.
    pub reservations: Vec<Reservation>,
    /// Files that a crash left behind and that reserve nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<PathBuf>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// A set of ranges.
#[derive(Clone, Debug, Serialize)]
pub struct Set {
    /// Its addresses, as spans `first-last` with commas between.
    pub ranges: String,
    /// How many addresses it can give; more than fit are as many as fit.
    pub size: u64,
    /// How many of them are reserved.
    pub used: u64,
    /// The set itself.
    #[serde(skip)]
    pub addresses: RangeSet,
}

/// An address that is given to nobody else.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The address.
    pub address: IpAddr,
    /// Who holds it: the container's ID; `None` where the file cannot be read.
    #[serde(rename = "containerID")]
    pub container: Option<String>,
    /// The interface in the container; `None` in files of before 2018.
    pub ifname: Option<String>,
    /// When it was made, in seconds since 1970.
    pub since: Option<u64>,
    /// It is in a range of the configuration; `None` where there is no configuration.
    pub in_range: Option<bool>,
    /// What people call the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Whether the container is still there.
    #[serde(flatten)]
    pub life: Life,
    /// For which namespace, as far as that is known.
    #[serde(skip)]
    pub provenance: Option<Provenance>,
}

impl Reservation {
    fn of(entry: Entry, sets: &[Set]) -> Self {
        let (container, ifname) = match entry.record {
            Some(Record {
                container_id,
                ifname,
            }) => (Some(container_id), ifname),
            None => (None, None),
        };
        let since = entry.provenance.as_ref().and_then(|provenance| {
            let since = provenance.written.duration_since(UNIX_EPOCH);
            Some(since.ok()?.as_secs())
        });
        let in_range = sets.iter().any(|set| set.addresses.contains(entry.address));
        Self {
            address: entry.address,
            container,
            ifname,
            since,
            in_range: (!sets.is_empty()).then_some(in_range),
            name: None,
            life: Life::Unknown("nothing tells whose it is".to_owned()),
            provenance: entry.provenance,
        }
    }
}

/// Reads the pools that configurations lead to, and those that lie where pools usually are.
pub(crate) fn read(
    places: &Places,
    networks: &[Network],
    problems: &mut Vec<Problem>,
) -> Vec<Pool> {
    let mut sets: BTreeMap<PathBuf, Vec<Set>> = BTreeMap::new();
    let mut directories: BTreeSet<PathBuf> = places.pool_dirs.iter().cloned().collect();
    for network in networks.iter().filter(|network| network.is_in_force()) {
        for config in network.pools() {
            let Some(name) = &network.name else { continue };
            let ranges = config.request.get().map(|request| request.sets.clone());
            let known = sets.entry(config.data_dir.join(name)).or_default();
            known.extend(ranges.unwrap_or_default().into_iter().map(Set::of));
            directories.insert(config.data_dir);
        }
    }
    for directory in &directories {
        match folders(directory) {
            Ok(found) => found.into_iter().for_each(|path| {
                sets.entry(path).or_default();
            }),
            Err(error) => {
                let words = format!("cannot list the pools in {}", directory.display());
                problems.push(Problem::new(words, &error).at(directory));
            }
        }
    }
    sets.into_iter()
        .map(|(path, sets)| Pool::read(path, sets))
        .collect()
}

impl Set {
    fn of(addresses: RangeSet) -> Self {
        Self {
            ranges: addresses.to_string(),
            size: addresses.size().try_into().unwrap_or(u64::MAX),
            used: 0,
            addresses,
        }
    }
}

impl Pool {
    /// The reservation of an address.
    pub fn reservation(&self, address: IpAddr) -> Option<&Reservation> {
        let reservations = &self.reservations;
        let found = reservations.binary_search_by_key(&address, |held| held.address);
        found.ok().map(|index| &reservations[index])
    }

    /// The file of an address's reservation.
    pub fn file(&self, address: IpAddr) -> PathBuf {
        self.directory.join(address.to_string())
    }

    fn read(directory: PathBuf, mut sets: Vec<Set>) -> Self {
        let (look, problem) = match look(&directory) {
            Ok(look) => (look.unwrap_or_default(), None),
            Err(error) => {
                let problem = Problem::new("the pool cannot be read", &error);
                (Default::default(), Some(problem.at(&directory)))
            }
        };
        for set in &mut sets {
            let held = look.entries.iter();
            set.used = held
                .filter(|entry| set.addresses.contains(entry.address))
                .count() as u64;
        }
        let reservation = |entry| Reservation::of(entry, &sets);
        let name = directory.file_name().unwrap_or_default();
        Self {
            network: name.to_string_lossy().into_owned(),
            reservations: look.entries.into_iter().map(reservation).collect(),
            leftovers: look
                .leftovers
                .iter()
                .map(|name| directory.join(name))
                .collect(),
            sets,
            problem,
            directory,
        }
    }
}

/// Tells of each reservation what is known of the attachment that it is for.
pub(crate) fn tell_holders(pools: &mut [Pool], attachments: &[Attachment]) {
    let holders: HashMap<&Path, &Attachment> = attachments
        .iter()
        .flat_map(|attachment| {
            let files = attachment.seen.iter().filter_map(|seen| match seen {
                Seen::Reservation(file) => Some(file.as_path()),
                _ => None,
            });
            files.map(move |file| (file, attachment))
        })
        .collect();
    for pool in pools {
        let directory = &pool.directory;
        for held in &mut pool.reservations {
            let file = directory.join(held.address.to_string());
            if let Some(holder) = holders.get(file.as_path()) {
                held.life = holder.life.clone();
                held.name.clone_from(&holder.name);
            }
        }
    }
}

/// The directories in a directory; none where there is none.
fn folders(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}
