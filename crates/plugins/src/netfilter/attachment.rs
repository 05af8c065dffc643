//! What a plugin calls.

use std::fmt;

use ipnet::IpNet;
use linkspan_plugin::spec::{self, Error, ErrorCode, MacAddr};

use super::backend::Backend;
use super::fault::{explain, is_unsupported, unless_unsupported};
use super::iptables::{self, Protocol};
use super::owner::Owner;
use super::part::{Kind, Part, elements};
use super::record::{Found, Record, Records};
use super::reference;
use super::ruleset::Ruleset;
use super::{masquerade, spoof_guard};

/// What one plugin wants of netfilter for one attachment.
///
/// On ADD and CHECK it is described in full; on DEL as far as it is known, which may be not at all.
#[derive(Clone, Debug)]
pub struct Attachment {
    owner: Owner,
    plugin: &'static str,
    backend: Option<Backend>,
    parts: Vec<Part>,
    expected: Vec<Kind>,
    records: Records,
}

impl Attachment {
    /// The attachment of `owner` as far as `plugin` is concerned: several plugins of a chain each have
    /// their own parts of it.
    pub fn new(owner: Owner, plugin: &'static str) -> Self {
        Self {
            owner,
            plugin,
            backend: None,
            parts: Vec::new(),
            expected: Vec::new(),
            records: Records::default(),
        }
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
            .map(|address| Part::Masquerade { address });
        self.parts.extend(parts);
        self
    }

    /// Drops what comes from this port of a bridge with another MAC address than this one.
    #[must_use]
    pub fn spoof_guard(mut self, port: &str, mac: MacAddr) -> Self {
        self.parts.push(Part::spoof_guard(port, mac));
        self
    }

    /// Says on DEL that the configuration asks for parts of this kind, so that they are searched for
    /// where neither a record nor a previous result tells what they were.
    #[must_use]
    pub fn expect(mut self, kind: Kind) -> Self {
        self.expected.push(kind);
        self
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Sets up all parts, or none. Nothing is asked of the kernel when there is none to set up.
    ///
    /// # Errors
    /// What could not be done and why; what was done is undone.
    pub fn install(&self) -> Result<(), Error> {
        self.forget_earlier()?;
        if self.parts.is_empty() {
            return Ok(());
        }
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
        match self.records.read(self.plugin, &self.owner) {
            Found::Nothing => Ok(()),
            Found::Record(_) | Found::Unreadable => self.clone_without_parts().remove(),
        }
    }

    fn clone_without_parts(&self) -> Self {
        Self {
            parts: Vec::new(),
            ..self.clone()
        }
    }

    fn install_by(&self, backend: Backend) -> Result<(), Failure> {
        let record = Record::new(self.plugin, &self.owner, backend, &self.parts);
        self.records.write(&record).map_err(Failure::Other)?;
        let (by_iptables, by_nftables) = split(backend, &self.parts);
        if !by_iptables.is_empty() {
            self.install_by_iptables(&by_iptables)
                .map_err(Failure::Other)?;
        }
        if by_nftables.is_empty() {
            return Ok(());
        }
        Ruleset::open()
            .and_then(|ruleset| ruleset.install(&by_nftables, &self.owner.to_string()))
            .map_err(Failure::from_kernel)
    }

    /// The addresses that iptables masquerades for the container's other attachments to the network:
    /// they share one chain.
    fn addresses_of_siblings(&self) -> Vec<IpNet> {
        let is_sibling = |record: &Record| {
            let owner = record.owner();
            record.backend == Backend::Iptables
                && owner != self.owner
                && owner.network() == self.owner.network()
                && owner.container() == self.owner.container()
        };
        self.records
            .all()
            .filter(is_sibling)
            .flat_map(|record| masqueraded(&record.parts))
            .collect()
    }

    fn install_by_iptables(&self, parts: &[Part]) -> Result<(), Error> {
        let mut addresses = masqueraded(parts);
        addresses.extend(self.addresses_of_siblings());
        iptables::masquerade(&self.owner, &addresses)
    }

    /// What is not as [`install`](Self::install) leaves it: a sentence each, with what was expected and
    /// what was found.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub fn check(&self) -> Result<Vec<String>, Error> {
        let backend = match self.records.read(self.plugin, &self.owner) {
            Found::Record(record) => record.backend,
            Found::Unreadable | Found::Nothing => self.backend.unwrap_or_default(),
        };
        let (by_iptables, by_nftables) = split(backend, &self.parts);
        let mut differences = Vec::new();
        for protocol in Protocol::BOTH {
            if masqueraded(&by_iptables)
                .iter()
                .any(|address| Protocol::of(address) == protocol)
                && !reference::has_iptables_masquerade(&self.owner, protocol)?
            {
                let chain = iptables::chain_name(&self.owner);
                differences.push(format!(
                    "expected a rule of the nat table of {} that leads from POSTROUTING to {chain}, \
                     found none",
                    protocol.command()
                ));
            }
        }
        if !by_nftables.is_empty() {
            let found = Ruleset::open()
                .and_then(|ruleset| ruleset.differences(&by_nftables, &self.owner.to_string()))
                .map_err(explain)?;
            differences.extend(found);
        }
        Ok(differences)
    }

    /// Removes all that this plugin made for this attachment, as its record says; without a record what
    /// is described here, or expected, or made by the reference plugins. What belongs to another
    /// attachment by now stays. Can be repeated. Nothing is asked of the kernel when there is no record
    /// and nothing described or expected.
    ///
    /// # Errors
    /// What could not be removed and why; the record stays then.
    pub fn remove(&self) -> Result<(), Error> {
        match self.records.read(self.plugin, &self.owner) {
            Found::Record(record) => self.remove_recorded(&record)?,
            Found::Unreadable => self.remove_unknown(&Kind::ALL)?,
            Found::Nothing => return self.remove_described(),
        }
        self.records.remove(self.plugin, &self.owner)
    }

    fn remove_recorded(&self, record: &Record) -> Result<(), Error> {
        let (by_iptables, by_nftables) = split(record.backend, &record.parts);
        if !by_iptables.is_empty() {
            reference::remove_iptables_masquerade(&self.owner)?;
            iptables::masquerade(&self.owner, &self.addresses_of_siblings())?;
        }
        if by_nftables.is_empty() {
            return Ok(());
        }
        let comment = self.owner.to_string();
        Ruleset::open()
            .and_then(|ruleset| ruleset.remove(&elements(&by_nftables), &comment))
            .map_err(explain)
    }

    fn remove_unknown(&self, kinds: &[Kind]) -> Result<(), Error> {
        let comment = self.owner.to_string();
        Ruleset::open()
            .and_then(|ruleset| ruleset.sweep(kinds, &|holder| holder == comment))
            .or_else(unless_unsupported)
            .map_err(explain)?;
        reference::remove(&self.owner, kinds)
    }

    fn remove_described(&self) -> Result<(), Error> {
        let mut kinds: Vec<Kind> = Vec::new();
        for kind in self
            .parts
            .iter()
            .map(Part::kind)
            .chain(self.expected.clone())
        {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if kinds.is_empty() {
            return Ok(());
        }
        self.remove_unknown(&kinds)
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

/// The parts for iptables, and those for nf_tables: a bridge's frames are always filtered by the latter.
fn split(backend: Backend, parts: &[Part]) -> (Vec<Part>, Vec<Part>) {
    parts
        .iter()
        .cloned()
        .partition(|part| backend == Backend::Iptables && part.kind() == Kind::Masquerade)
}

fn masqueraded(parts: &[Part]) -> Vec<IpNet> {
    parts
        .iter()
        .filter_map(|part| match part {
            Part::Masquerade { address } => Some(*address),
            Part::SpoofGuard { .. } => None,
        })
        .collect()
}

enum Failure {
    /// The kernel lacks nf_tables.
    Unsupported(Error),
    Other(Error),
}

impl Failure {
    fn from_kernel(error: linkspan_kernel::Error) -> Self {
        if is_unsupported(&error) {
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

/// Removes what `plugin` made for attachments of a network that are not in use any more: as their
/// records say, and whatever else of these kinds names one of them.
///
/// # Errors
/// All that could not be removed, in one error, after everything else was removed.
pub fn collect(
    network: &str,
    plugin: &'static str,
    kinds: &[Kind],
    valid: &[spec::Attachment],
) -> Result<(), Error> {
    let records = Records::default();
    let is_valid = |owner: &Owner| {
        valid
            .iter()
            .any(|one| one.container_id == owner.container() && one.ifname == owner.ifname())
    };
    let mut errors = Vec::new();
    for record in records.all() {
        let owner = record.owner();
        if record.plugin() == plugin && owner.network() == network && !is_valid(&owner) {
            errors.extend(Attachment::new(owner, plugin).remove().err());
        }
    }
    if !kinds.is_empty() {
        errors.extend(sweep(network, kinds, valid).err());
    }
    errors.extend(tidy(&records).err());
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        count => {
            let all: Vec<String> = errors.iter().map(|error| error.msg.clone()).collect();
            let msg = format!(
                "{count} attachments could not be collected: {}",
                all.join("; ")
            );
            Err(Error::new(ErrorCode::INTERNAL, msg))
        }
    }
}

/// After the last attachment, the tables go too: an idle host has no rule and no hook of ours.
fn tidy(records: &Records) -> Result<(), Error> {
    if !records.is_empty() {
        return Ok(());
    }
    let tidy = || {
        let ruleset = Ruleset::open()?;
        ruleset.remove_if_empty(&masquerade::table())?;
        ruleset.remove_if_empty(&spoof_guard::table())
    };
    tidy().or_else(unless_unsupported).map_err(explain)
}

fn sweep(network: &str, kinds: &[Kind], valid: &[spec::Attachment]) -> Result<(), Error> {
    let owners: Vec<Owner> = valid
        .iter()
        .map(|one| Owner::from_texts(network, &one.container_id, &one.ifname))
        .collect();
    let comments: std::collections::HashSet<String> = owners.iter().map(Owner::to_string).collect();
    let is_stale =
        |comment: &str| Owner::is_of_network(comment, network) && !comments.contains(comment);
    Ruleset::open()
        .and_then(|ruleset| ruleset.sweep(kinds, &is_stale))
        .map_err(explain)?;
    if kinds.contains(&Kind::Masquerade) {
        reference::collect(network, &owners)?;
    }
    Ok(())
}

/// Whether attachments can be set up with this backend.
///
/// # Errors
/// [`ErrorCode::PLUGIN_NOT_AVAILABLE`] with what is missing.
pub fn status(backend: Option<Backend>) -> Result<(), Error> {
    let unavailable = |error: Error| {
        let text = format!("netfilter cannot be used: {}", error.msg);
        Error::new(ErrorCode::PLUGIN_NOT_AVAILABLE, text).with_details(error.details)
    };
    match backend {
        Some(Backend::Iptables) => iptables::probe().map_err(unavailable),
        Some(Backend::Nftables) => probe_nftables().map_err(unavailable),
        None => probe_nftables()
            .or_else(|error| iptables::probe().map_err(|_other| error))
            .map_err(unavailable),
    }
}

fn probe_nftables() -> Result<(), Error> {
    Ruleset::open()
        .and_then(|ruleset| ruleset.probe())
        .map_err(explain)
}

/// What was wrong with an attachment before [`reconcile`] put it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Its record.
    pub record: Record,
    /// The differences, as [`Attachment::check`] tells them; empty when nothing was wrong.
    pub differences: Vec<String>,
}

/// Puts every attachment's rules and elements back as its record says, after others flushed or reloaded
/// the ruleset.
///
/// # Errors
/// The first attachment that cannot be repaired.
pub fn reconcile() -> Result<Vec<Repaired>, Error> {
    Records::default().all().map(repair).collect()
}

fn repair(record: Record) -> Result<Repaired, Error> {
    let mut attachment = Attachment::new(record.owner(), "");
    attachment.parts.clone_from(&record.parts);
    attachment.backend = Some(record.backend);
    let differences = attachment.check()?;
    if !differences.is_empty() {
        let (by_iptables, by_nftables) = split(record.backend, &record.parts);
        if !by_iptables.is_empty() {
            reference::remove_iptables_masquerade(&attachment.owner)?;
            attachment.install_by_iptables(&by_iptables)?;
        }
        Ruleset::open()
            .and_then(|ruleset| ruleset.repair(&by_nftables, &attachment.owner.to_string()))
            .map_err(explain)?;
    }
    Ok(Repaired {
        record,
        differences,
    })
}
