//! What a plugin calls.

mod check;
mod migrate;
mod remove;
mod repair;
mod rivals;

use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use linkspan_kernel::netns::Netns;
use linkspan_spec::{Error, MacAddr};
use linkspan_state::lock::Mode;
use rustix::io::Errno;

pub use migrate::Moved;
pub(crate) use migrate::nftables_parts;
pub(crate) use repair::is_in_use;

use super::backend::Backend;
use super::fault::{explain, is_unsupported, unless_unsupported};
use super::head::{self, Found, Head, file_name};
use super::owner::Owner;
use super::part::Record;
use super::part::passage;
use super::part::{
    Holder, Installed, Kind, Masquerade, Part, Reserved, SpoofGuard, elements, kinds, unique,
};
use super::records::Records;
use super::ruleset::Ruleset;
use super::status::probe_nftables;

/// How long a plugin waits for GC, which takes milliseconds; then it goes on without.
const SHARE_DEADLINE: Duration = Duration::from_secs(2);

/// What one plugin wants of netfilter for one attachment.
///
/// On ADD and CHECK it is described in full; on DEL as far as it is known, which may be not at all.
#[derive(Clone, Debug)]
pub struct Attachment {
    owner: Owner,
    plugin: String,
    /// From which boot and for which namespace it is, in text.
    origin: Option<String>,
    backend: Option<Backend>,
    parts: Vec<Part>,
    expected: Vec<Kind>,
    records: Records,
}

impl Attachment {
    /// The attachment of `owner` as far as `plugin` is concerned: several plugins of a chain each have
    /// their own parts of it.
    pub fn new(owner: Owner, plugin: &str) -> Self {
        Self {
            owner,
            plugin: plugin.to_owned(),
            origin: None,
            backend: None,
            parts: Vec::new(),
            expected: Vec::new(),
            records: Records::default(),
        }
    }

    /// It is for this network namespace: once that is gone, others may have what this one had
    /// reserved.
    #[must_use]
    pub fn netns(mut self, netns: Option<&Netns>) -> Self {
        self.origin = head::origin(netns);
        self
    }

    /// Uses this backend. Without one, nf_tables, or iptables where the kernel has no nf_tables.
    #[must_use]
    pub fn backend(mut self, backend: Option<Backend>) -> Self {
        self.backend = backend;
        self
    }

    /// Masquerades what is sent from these addresses beyond their own subnets.
    #[must_use]
    pub fn masquerade(mut self, addresses: impl IntoIterator<Item = IpNet>) -> Self {
        let parts = addresses
            .into_iter()
            .map(|address| Part::Masquerade(Masquerade { address }));
        self.parts.extend(parts);
        self
    }

    /// Drops what comes from this port of a bridge with another MAC address than this one.
    #[must_use]
    pub fn spoof_guard(mut self, port: &str, mac: MacAddr) -> Self {
        self.parts.push(Part::SpoofGuard(SpoofGuard {
            interface: port.to_owned(),
            mac: mac.octets(),
        }));
        self
    }

    /// Wants this part too.
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Says on DEL that the configuration asks for parts of this kind, so that they are searched for
    /// where neither a record nor a previous result tells what they were.
    #[must_use]
    pub fn expect(mut self, kind: Kind) -> Self {
        self.expected.push(kind);
        self
    }

    /// The attachment that a record tells of.
    pub(super) fn recorded(record: &Record, records: &Records) -> Self {
        Self {
            origin: record.origin().cloned(),
            backend: Some(record.backend),
            parts: record.wanted().to_vec(),
            records: records.clone(),
            ..Self::new(record.owner(), record.plugin())
        }
    }

    /// The attachment of a record, as far as its head tells.
    pub(super) fn headed(head: &Head, records: &Records) -> Self {
        Self {
            records: records.clone(),
            ..Self::new(head.owner(), head.plugin())
        }
    }

    fn file_name(&self) -> String {
        file_name(&self.plugin, &self.owner)
    }

    fn read(&self) -> Result<Found<Record>, Error> {
        Record::read(&self.records, &self.file_name())
    }

    /// The plugin that wants it.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The backend that is asked for.
    pub(crate) fn wanted_backend(&self) -> Option<Backend> {
        self.backend
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Sets up all parts, or none. Nothing is asked of the kernel when there is none to set up. Returns what people
    /// should know of it, a sentence each.
    ///
    /// # Errors
    /// What could not be done and why; what was done is undone.
    pub fn install(&self) -> Result<Vec<String>, Error> {
        self.forget_earlier()?;
        if self.parts.is_empty() {
            return Ok(Vec::new());
        }
        // GC removes what all attachments share when it finds none, and would not see this one yet.
        let _shared = self.records.lock(Mode::Shared, SHARE_DEADLINE).ok();
        let installed = match self.install_by(self.backend.unwrap_or_default()) {
            Err(Failure::Unsupported(_)) if self.backend.is_none() => {
                self.install_by(Backend::Iptables)
            }
            installed => installed,
        };
        installed.map_err(|failure| {
            let error = failure.into_error();
            match self.remove() {
                Ok(()) => error,
                Err(remains) => {
                    let details = format!("{}; and removing it again: {remains}", error.details);
                    error.with_details(details)
                }
            }
        })
    }

    /// An ADD that died half-way left its record; what it made may be other than what is wanted now.
    fn forget_earlier(&self) -> Result<(), Error> {
        match self.read()? {
            Found::Nothing => Ok(()),
            Found::Record(_) | Found::Unreadable => self.clone_without_parts().remove(),
        }
    }

    fn clone_without_parts(&self) -> Self {
        Self {
            parts: Vec::new(),
            expected: self.possible_kinds(),
            ..self.clone()
        }
    }

    /// The kinds of parts that this plugin can have: others' of the same attachment are not its business.
    fn possible_kinds(&self) -> Vec<Kind> {
        let kinds = unique(self.expected.iter().copied().chain(kinds(&self.parts)));
        match kinds.is_empty() {
            true => Kind::ALL.to_vec(),
            false => kinds,
        }
    }

    fn install_by(&self, backend: Backend) -> Result<Vec<String>, Failure> {
        self.record(backend, &self.parts).map_err(Failure::Other)?;
        let parts = self.reserve().map_err(Failure::Other)?;
        if parts != self.parts {
            self.record(backend, &parts).map_err(Failure::Other)?;
        }
        if backend == Backend::Iptables {
            self.clear_way(&parts).map_err(Failure::Other)?;
        }
        let beyond = self
            .set_up_beyond(backend, &parts)
            .map_err(Failure::Other)?;
        let by_nftables = left_to_nftables(backend, &parts);
        if !by_nftables.is_empty() {
            self.set_up_by_nftables(&by_nftables)?;
        }
        self.settle(&parts).map_err(Failure::Other)?;
        if beyond.others_lack {
            self.restore_others(&parts).map_err(Failure::Other)?;
        }
        Ok(beyond.notices)
    }

    fn restore_others(&self, parts: &[Part]) -> Result<(), Error> {
        kinds(parts)
            .iter()
            .try_for_each(|kind| kind.nature().restore_others(&self.owner))
    }

    fn record(&self, backend: Backend, parts: &[Part]) -> Result<(), Error> {
        let origin = self.origin.clone();
        Record::new(&self.plugin, &self.owner, origin, backend, parts)
            .wanting(&self.parts)
            .write(&self.records)
    }

    fn holder(&self) -> Holder<'_> {
        Holder {
            owner: &self.owner,
            record: self.file_name(),
            records: &self.records,
        }
    }

    /// Reserves what only one attachment can have; returns what there is to be set up. What attachments
    /// have whose containers are gone is removed first.
    fn reserve(&self) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        for part in &self.parts {
            loop {
                match part.want().reserve(&self.holder())? {
                    Reserved::Whole => parts.push(part.clone()),
                    Reserved::Partly(less) => parts.extend(less),
                    Reserved::HeldByDead(heads) => {
                        for head in &heads {
                            Self::headed(head, &self.records).remove()?;
                        }
                        continue;
                    }
                }
                break;
            }
        }
        Ok(parts)
    }

    fn settle(&self, parts: &[Part]) -> Result<(), Error> {
        let holder = self.holder();
        parts
            .iter()
            .try_for_each(|part| part.want().settle(&holder))?;
        passage::open(&holder, parts)
    }

    /// Gives back what was reserved; returns those who have waited for it.
    fn leave(&self, parts: &[Part]) -> Result<Vec<Head>, Error> {
        let holder = self.holder();
        let mut heirs = Vec::new();
        for part in parts {
            heirs.extend(part.want().leave(&holder)?);
        }
        passage::close(&holder, parts)?;
        Ok(unique(heirs.into_iter()))
    }

    /// Sets up for other attachments of the container what they have waited for.
    fn bequeath(&self, heirs: &[Head]) {
        for heir in heirs {
            // That this one is gone is true whatever becomes of them; their CHECK says what is missing, and `reconcile`
            // tries again.
            let _ = Self::headed(heir, &self.records).inherit();
        }
    }

    /// Sets up those of the parts that are set up in what others own.
    fn set_up_beyond(&self, backend: Backend, parts: &[Part]) -> Result<Installed, Error> {
        let mut all = Installed::default();
        for kind in kinds(parts) {
            if let Some(beyond) = kind.beyond(backend) {
                let (own, siblings) = (of_kind(parts, kind), self.siblings(backend, kind)?);
                let installed = beyond.install(&self.owner, &own, &siblings)?;
                all.notices.extend(installed.notices);
                all.others_lack |= installed.others_lack;
            }
        }
        Ok(all)
    }

    /// Removes what was set up there of these kinds.
    fn take_down_beyond(&self, backend: Backend, parts: &[Part]) -> Result<(), Error> {
        for kind in kinds(parts) {
            if let Some(beyond) = kind.beyond(backend) {
                let (own, siblings) = (of_kind(parts, kind), self.siblings(backend, kind)?);
                beyond.remove(&self.owner, &own, &siblings)?;
            }
        }
        Ok(())
    }

    /// The parts of this kind that iptables set up for the container's other attachments to the network:
    /// they share one chain.
    fn siblings(&self, backend: Backend, kind: Kind) -> Result<Vec<Part>, Error> {
        if backend != Backend::Iptables {
            return Ok(Vec::new());
        }
        let is_sibling = |record: &Record| {
            let owner = record.owner();
            record.backend == Backend::Iptables
                && owner != self.owner
                && owner.network() == self.owner.network()
                && owner.container() == self.owner.container()
        };
        let records = Record::all(&self.records)?.into_iter();
        Ok(records
            .filter(is_sibling)
            .flat_map(|record| of_kind(&record.parts, kind))
            .collect())
    }
}

/// What is set up, as it stands after "cannot" or in a list.
impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.parts.iter().map(ToString::to_string).collect();
        write!(
            f,
            "{} by {}",
            parts.join(", "),
            self.backend.unwrap_or_default()
        )
    }
}

/// The parts that this backend leaves to tables of ours.
fn left_to_nftables(backend: Backend, parts: &[Part]) -> Vec<Part> {
    let is_left = |part: &&Part| part.kind().beyond(backend).is_none();
    parts.iter().filter(is_left).cloned().collect()
}

fn of_kind(parts: &[Part], kind: Kind) -> Vec<Part> {
    let is_such = |part: &&Part| part.kind() == kind;
    parts.iter().filter(is_such).cloned().collect()
}

enum Failure {
    /// The kernel lacks nf_tables.
    Unsupported(Error),
    Other(Error),
}

impl Failure {
    fn from_kernel(error: linkspan_kernel::Error) -> Self {
        // What others made of the ruleset can be an invalid argument, too.
        let is_ambiguous = error.errno() == Some(Errno::INVAL.raw_os_error());
        if is_unsupported(&error) && !(is_ambiguous && probe_nftables().is_ok()) {
            Self::Unsupported(explain(error))
        } else {
            Self::Other(explain(error))
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::Unsupported(error) | Self::Other(error) => error,
        }
    }
}
