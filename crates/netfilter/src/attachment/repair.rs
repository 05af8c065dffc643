//! Setting up anew what is missing of an attachment.

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{Address, Rtnl};
use linkspan_spec::Error;
use linkspan_state::lock::Mode;
use linkspan_state::origin::{self, Origin, find};

use super::{Attachment, SHARE_DEADLINE, left_to_nftables};
use crate::fault::explain;
use crate::head::Found;
use crate::part::{Part, Record, passage, unique};
use crate::ruleset::Ruleset;

/// Whether the container can still have what the record was made for. Where its namespace is there, its interface tells: a
/// DEL that could not remove the record leaves one whose address may be another container's by now.
pub(crate) fn is_in_use(record: &Record) -> bool {
    if record.reason_to_live().is_none() {
        return false;
    }
    let origin = record.origin().and_then(|origin| Origin::parse(origin));
    match origin.and_then(|origin| origin.netns()).map(find) {
        Some(origin::Found::Open(netns)) => has_interface(record, &netns).unwrap_or(true),
        _ => true,
    }
}

/// Whether the interface is there and has none of another container's addresses: some sandboxes take all from it.
fn has_interface(record: &Record, netns: &Netns) -> Result<bool, linkspan_kernel::Error> {
    let rtnl = Rtnl::open_in(netns)?;
    let link = match rtnl.link(record.owner().ifname()) {
        Err(error) if error.is_not_found() => return Ok(false),
        link => link?,
    };
    let held = rtnl.addresses(link.index)?;
    Ok(record
        .parts
        .iter()
        .filter_map(Part::address)
        .all(|address| {
            let is_alike = |one: &&Address| one.net.addr().is_ipv4() == address.is_ipv4();
            let mut alike = held
                .iter()
                .filter(is_alike)
                .filter(|one| one.scope == 0)
                .peekable();
            alike.peek().is_none() || alike.any(|one| one.net.addr() == address)
        }))
}

impl Attachment {
    /// What of a record [`check`](Self::check) finds missing; nothing where nobody misses it.
    pub(crate) fn missing(&self, record: &Record) -> Result<Vec<String>, Error> {
        let missing = unique(self.check()?.into_iter());
        match missing.is_empty() || is_in_use(record) {
            true => Ok(missing),
            false => Ok(Vec::new()),
        }
    }

    /// Sets up anew what [`check`](Self::check) finds missing, and tells what that was; nothing when the
    /// attachment has been removed meanwhile, or its namespace or its interface there is gone: what it had is GC's then.
    pub(crate) fn check_and_repair(&self) -> Result<Vec<String>, Error> {
        let _held = self.records.hold(&self.file_name())?;
        let Found::Record(record) = self.read()? else {
            return Ok(Vec::new());
        };
        let mut differences = self.check()?;
        differences.extend(passage::outdated(&self.holder(), &record.parts)?);
        let mut differences = unique(differences.into_iter());
        if differences.is_empty() || !is_in_use(&record) {
            return Ok(Vec::new());
        }
        differences.extend(self.repair(&record)?);
        Ok(differences)
    }

    /// What others lack is for whoever holds their records.
    pub(super) fn repair(&self, record: &Record) -> Result<Vec<String>, Error> {
        let _shared = self.records.lock(Mode::Shared, SHARE_DEADLINE).ok();
        let backend = record.backend;
        self.take_down_beyond(backend, &record.parts)?;
        let parts = self.reserve()?;
        if parts != record.parts && !record.is_partial() {
            self.record(backend, &parts)?;
        }
        self.clear_way(&parts)?;
        let notices = self.set_up_beyond(backend, &parts)?.notices;
        let by_nftables = left_to_nftables(backend, &parts);
        if !by_nftables.is_empty() {
            Ruleset::open()
                .and_then(|ruleset| ruleset.repair(&by_nftables, &self.owner.to_string()))
                .map_err(explain)?;
        }
        self.settle(&parts)?;
        Ok(notices)
    }

    pub(super) fn inherit(&self) -> Result<(), Error> {
        let _held = self.records.hold(&self.file_name())?;
        match self.read()? {
            Found::Record(record) if !record.is_partial() => {
                let heir = Self::recorded(&record, &self.records);
                heir.repair(&record).map(|_notices| ())
            }
            _ => Ok(()),
        }
    }
}
