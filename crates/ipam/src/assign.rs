//! One address from each range set for an attachment: all of them or none.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use linkspan_spec::{Error, ErrorCode, IpConfig};
use linkspan_state::origin::{Origin, Provenance};

use crate::choice::{self, Pool};
use crate::error::ADDRESS_UNAVAILABLE;
use crate::range::{RangeSet, Span};
use crate::record::Record;
use crate::store::{Directory, Holding, Reservations, StoreError};

/// How many holders an exhausted pool names.
const NAMED_HOLDERS: usize = 3;

/// The addresses of one attachment, in the making.
pub struct Assignment<'a> {
    directory: &'a mut dyn Reservations,
    record: Record,
    origin: Origin,
    /// What the attachment held before.
    earlier: Vec<Holding>,
    reserved: Vec<IpAddr>,
}

impl<'a> Assignment<'a> {
    /// Begins with what the attachment holds already.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn begin(
        directory: &'a mut dyn Reservations,
        record: Record,
        origin: Origin,
    ) -> Result<Self, Error> {
        let earlier = directory.holdings_of(&record)?;
        Ok(Self {
            directory,
            record,
            origin,
            earlier,
            reserved: Vec::new(),
        })
    }

    /// Reserves one address from each set. An address that is asked for is taken from the set that it
    /// is in. On an error everything reserved is released.
    ///
    /// # Errors
    /// When a set is exhausted, when an address that is asked for is held by somebody or in no set, when
    /// the attachment holds an address already and may be alive, or when the directory cannot be changed.
    pub fn complete(
        mut self,
        sets: &[RangeSet],
        requested: Vec<IpAddr>,
    ) -> Result<Vec<IpConfig>, Error> {
        self.assign_all(sets, requested).inspect_err(|_| {
            for address in &self.reserved {
                // The first error is the one to tell. What stays reserved is freed by DEL or GC.
                self.directory
                    .release(*address, &self.record)
                    .unwrap_or_default();
            }
        })
    }

    fn assign_all(
        &mut self,
        sets: &[RangeSet],
        mut requested: Vec<IpAddr>,
    ) -> Result<Vec<IpConfig>, Error> {
        let mut ips = Vec::with_capacity(sets.len());
        for (index, set) in sets.iter().enumerate() {
            let wanted = requested.iter().position(|address| set.contains(*address));
            let wanted = wanted.map(|position| requested.remove(position));
            let address = self.assign_one(index, set, wanted).map_err(|error| {
                let msg = format!("failed to allocate for range {index}: {}", error.msg);
                error.with_msg(msg)
            })?;
            ips.extend(set.range_of(address).map(|range| {
                IpConfig::new(range.with_prefix(address)).with_gateway(range.gateway())
            }));
        }
        if requested.is_empty() {
            return Ok(ips);
        }
        Err(left_over(&requested, sets))
    }

    fn assign_one(
        &mut self,
        index: usize,
        set: &RangeSet,
        wanted: Option<IpAddr>,
    ) -> Result<IpAddr, Error> {
        match wanted {
            Some(address) => self.requested(index, set, address),
            None => match self.earlier_in(set) {
                Some(holding) => self.again(holding),
                None => self.next(index, set),
            },
        }
    }

    fn earlier_in(&self, set: &RangeSet) -> Option<Holding> {
        let mut earlier = self.earlier.iter();
        earlier
            .find(|holding| set.contains(holding.address))
            .cloned()
    }

    /// The address that was asked for.
    fn requested(
        &mut self,
        index: usize,
        set: &RangeSet,
        address: IpAddr,
    ) -> Result<IpAddr, Error> {
        if set
            .range_of(address)
            .is_some_and(|range| range.gateway() == address)
        {
            return Err(Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                format!("requested ip {address} is subnet's gateway"),
            )
            .with_details("ask for another address, or give the range another gateway"));
        }
        let own = self
            .earlier
            .iter()
            .find(|holding| holding.address == address);
        if let Some(own) = own.cloned() {
            return self.again(own);
        }
        if self.reserve(index, address)? {
            return Ok(address);
        }
        Err(self.not_available(set, address)?)
    }

    /// The address that the attachment held before, when that attachment is certainly gone: its
    /// container was restarted, and nobody told us that it had ended.
    fn again(&mut self, holding: Holding) -> Result<IpAddr, Error> {
        let Holding { address, record } = holding;
        if let Some((_, provenance)) = self.directory.holder(address)? {
            if let Some(reason) = provenance.reason_to_live(&self.directory.boot()?) {
                return Err(duplicate(address, &record, &reason));
            }
            // Anew, so that the file tells of this attachment.
            self.directory.release(address, &record)?;
        }
        let (record, origin) = (&self.record, &self.origin);
        if self.directory.reserve(address, record, origin)? {
            self.reserved.push(address);
            return Ok(address);
        }
        Err(duplicate(
            address,
            record,
            "somebody else has just taken the address",
        ))
    }

    /// The next free address; when there is none, after what earlier boots left has been reclaimed.
    fn next(&mut self, index: usize, set: &RangeSet) -> Result<IpAddr, Error> {
        if let Some(address) = self.next_free(index, set)? {
            return Ok(address);
        }
        let held = reclaim(self.directory, set)?;
        match self.next_free(index, set)? {
            Some(address) => Ok(address),
            None => Err(exhausted(set, held)),
        }
    }

    fn next_free(&mut self, index: usize, set: &RangeSet) -> Result<Option<IpAddr>, Error> {
        let mut pool = SetPool {
            assignment: self,
            set: index,
        };
        choice::reserve_next(set, &mut pool).map_err(Error::from)
    }

    fn reserve(&mut self, set: usize, address: IpAddr) -> Result<bool, StoreError> {
        if !self
            .directory
            .reserve(address, &self.record, &self.origin)?
        {
            return Ok(false);
        }
        self.reserved.push(address);
        self.directory.set_last_reserved(set, address)?;
        Ok(true)
    }

    fn not_available(&self, set: &RangeSet, address: IpAddr) -> Result<Error, Error> {
        let holder = self.directory.holder(address)?;
        let details = holder.map(|(record, provenance)| {
            format!(
                "it is held by {record} since {}; detach that container (DEL), or run GC if it is gone",
                age(&provenance)
            )
        });
        Ok(Error::new(
            ADDRESS_UNAVAILABLE,
            format!("requested IP address {address} is not available in range set {set}"),
        )
        .with_details(details.unwrap_or_default()))
    }
}

/// Releases what is certainly of an earlier boot in a set, and gives what is still held.
fn reclaim(
    directory: &mut dyn Reservations,
    set: &RangeSet,
) -> Result<Vec<(Holding, Provenance)>, Error> {
    let mut held = directory.survey()?;
    held.retain(|(holding, _)| set.contains(holding.address));
    let boot = directory.boot()?;
    let (earlier, held): (Vec<_>, Vec<_>) = held
        .into_iter()
        .partition(|(_, provenance)| provenance.is_of_earlier_boot(&boot));
    for (Holding { address, record }, _) in &earlier {
        directory.release(*address, record)?;
    }
    Ok(held)
}

/// Whether a set has an address that [`Assignment`] could give: a free one, or one of an earlier boot.
///
/// # Errors
/// When the directory cannot be read.
pub fn has_address(directory: &mut Directory, set: &RangeSet) -> Result<bool, Error> {
    if has_free(directory, set)? {
        return Ok(true);
    }
    let held = directory.survey()?;
    let boot = directory.boot()?;
    let reclaimable = |(holding, provenance): &(Holding, Provenance)| {
        set.contains(holding.address) && provenance.is_of_earlier_boot(&boot)
    };
    Ok(held.iter().any(reclaimable) || has_free(directory, set)?)
}

fn has_free(directory: &mut Directory, set: &RangeSet) -> Result<bool, Error> {
    for span in set.order(None) {
        if directory.first_free(span)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn exhausted(set: &RangeSet, mut held: Vec<(Holding, Provenance)>) -> Error {
    held.sort_by_key(|(_, provenance)| provenance.written);
    let oldest: Vec<String> = held
        .iter()
        .take(NAMED_HOLDERS)
        .map(|(Holding { address, record }, provenance)| {
            format!("{address} by {record} since {}", age(provenance))
        })
        .collect();
    Error::new(
        ErrorCode::TRY_AGAIN_LATER,
        format!("no IP addresses available in range set: {set}"),
    )
    .with_details(format!(
        "{} of {} addresses are in use, all since this boot; the oldest are held: {}. If these \
         containers are gone, detach them (DEL) or run GC; else give the range more addresses",
        held.len(),
        set.size(),
        oldest.join(", ")
    ))
}

/// One set's share of the directory, for the allocator.
struct SetPool<'a, 'd> {
    assignment: &'a mut Assignment<'d>,
    set: usize,
}

impl Pool for SetPool<'_, '_> {
    type Error = StoreError;

    fn last_reserved(&mut self) -> Result<Option<IpAddr>, StoreError> {
        self.assignment.directory.last_reserved(self.set)
    }

    fn first_free(&mut self, span: Span) -> Result<Option<IpAddr>, StoreError> {
        self.assignment.directory.first_free(span)
    }

    fn reserve(&mut self, address: IpAddr) -> Result<bool, StoreError> {
        self.assignment.reserve(self.set, address)
    }
}

fn duplicate(address: IpAddr, record: &Record, reason: &str) -> Error {
    Error::new(
        ADDRESS_UNAVAILABLE,
        format!(
            "{address} has been allocated to {}, duplicate allocation is not allowed",
            record.container_id
        ),
    )
    .with_details(format!(
        "this container's interface is attached already, and {reason}; detach it first (DEL)"
    ))
}

fn left_over(requested: &[IpAddr], sets: &[RangeSet]) -> Error {
    let join = |texts: Vec<String>, separator| texts.join(separator);
    let addresses = requested.iter().map(ToString::to_string).collect();
    let sets = sets.iter().map(ToString::to_string).collect();
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!(
            "failed to allocate all requested IPs: {}",
            join(addresses, " ")
        ),
    )
    .with_details(format!(
        "each range set gives one address, and a requested one must be in its ranges: {}",
        join(sets, "; ")
    ))
}

/// How long something has been there, in one unit.
fn age(provenance: &Provenance) -> String {
    let age = SystemTime::now().duration_since(provenance.written);
    let seconds = age.unwrap_or(Duration::ZERO).as_secs();
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
