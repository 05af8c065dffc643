//! `host-local`: addresses from ranges of this host, reserved by files in a directory.
//!
//! The directory's format and its lock are the reference's, so that either can release what the other
//! reserved. What a configuration may say, ranges, choice and directory are `linkspan_ipam`'s.

pub mod resolv_conf;

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use linkspan_ipam::assign::{self, Assignment};
use linkspan_ipam::config::{Config, Request, Requested};
use linkspan_ipam::error::NOT_RESERVED;
use linkspan_ipam::range::RangeSet;
use linkspan_ipam::record::Record;
use linkspan_ipam::store::{Directory, Glance, Reservations, StoreError};
use linkspan_plugin::spec::{Error, ErrorCode, IpConfig, NetworkName, Success};
use linkspan_plugin::{Call, Foreseen, Foresight, Gc, Plugin, Role, Standing, warn};
use linkspan_state::origin::Origin;

/// The plugin.
pub struct HostLocal;

impl Plugin for HostLocal {
    type Config = Config;
    const NAME: &'static str = "host-local";
    const ABOUT: &'static str = "allocates addresses from ranges of this host";
    const ROLE: Role = Role::Ipam;
    const ARGS: Option<&'static [&'static str]> = Some(&["IP"]);

    fn add(&self, call: &Call<'_, Config>) -> Result<Success, Error> {
        let request = call.config.request.get()?;
        let dns = request.resolv_conf.as_deref().map(resolv_conf::read);
        let dns = dns.transpose()?.unwrap_or_default();
        let requested = requested(call, request)?;
        for address in request.sets.iter().flat_map(RangeSet::withheld) {
            warn(&format!(
                "host-local: {address} is not given to anybody, since it means all hosts of its subnet; correct \
                 rangeStart or rangeEnd"
            ));
        }
        let mut directory = Directory::create(&directory_of(&call.config, call.network()))?;
        let origin = Origin::now(
            &directory.boot()?,
            crate::attach::opened(call).ok().as_ref(),
        );
        let ips = Assignment::begin(&mut directory, record(call)?, origin)?
            .complete(&request.sets, requested)?;
        Ok(Success::default()
            .with_ips(ips)
            .with_routes(request.routes.clone())
            .with_dns(dns))
    }

    fn foresee(
        &self,
        call: &Call<'_, Config>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let request = call.config.request.get()?;
        let dns = request.resolv_conf.as_deref().map(resolv_conf::read);
        let dns = dns.transpose()?.unwrap_or_default();
        let requested = requested(call, request)?;
        let path = directory_of(&call.config, call.network());
        let ips = match Glance::at(&path) {
            Ok(glance) => foreseen(call, request, requested, (glance, &path), foresight)?,
            Err(error) => unseen(request, &error, foresight),
        };
        Ok(Success::default()
            .with_ips(ips)
            .with_routes(request.routes.clone())
            .with_dns(dns))
    }

    fn check(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let record = record(call)?;
        let path = directory_of(&call.config, call.network());
        let holdings = match Directory::open(&path)? {
            Some(mut directory) => directory.holdings_of(&record)?,
            None => Vec::new(),
        };
        if !holdings.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            NOT_RESERVED,
            format!(
                "host-local: Failed to find address added by container {}",
                record.container_id
            ),
        )
        .with_details(format!(
            "no file in {} names {record}; another container may be given its address. Detach the \
             container (DEL) and attach it anew (ADD)",
            path.display()
        )))
    }

    fn del(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let path = directory_of(&call.config, call.network());
        let Some(mut directory) = Directory::open(&path)? else {
            return Ok(());
        };
        let holdings = directory.holdings_of(&record(call)?)?;
        all(holdings
            .iter()
            .map(|holding| directory.release(holding.address, &holding.record)))
    }

    fn gc(&self, gc: &Gc<'_, Config>) -> Result<(), Error> {
        let path = directory_of(&gc.config, gc.network());
        let Some(mut directory) = Directory::open(&path)? else {
            return Ok(());
        };
        let valid: HashSet<Record> = gc
            .valid
            .iter()
            .map(|valid| Record::new(valid.container_id.trim(), &valid.ifname))
            .flat_map(|record| [record.without_ifname(), record])
            .collect();
        let mut holdings = directory.holdings()?;
        holdings.retain(|holding| !valid.contains(&holding.record));
        let released = all(holdings
            .iter()
            .map(|holding| directory.release(holding.address, &holding.record)));
        directory.sweep()?;
        released
    }

    fn status(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let sets = call.config.request.get()?.sets.as_slice();
        let path = directory_of(&call.config, call.network());
        Directory::probe(&path)
            .and_then(|()| Directory::open(&path))
            .map_err(Error::from)
            .and_then(|directory| {
                directory.map_or(Ok(()), |directory| require_free(directory, sets))
            })
            .map_err(|error| error.with_code(ErrorCode::PLUGIN_NOT_AVAILABLE))
    }
}

/// The addresses that would be given now.
fn foreseen(
    call: &Call<'_, Config>,
    request: &Request,
    requested: Vec<IpAddr>,
    (mut glance, path): (Glance, &Path),
    foresight: &mut Foresight,
) -> Result<Vec<IpConfig>, Error> {
    let taken: Vec<usize> = request
        .sets
        .iter()
        .map(|set| glance.reserved(set))
        .collect();
    let origin = Origin::now(&glance.boot()?, None);
    let ips =
        Assignment::begin(&mut glance, record(call)?, origin)?.complete(&request.sets, requested);
    let ips = ips.inspect_err(|error| {
        let words = format!("reserve an address in {}", path.display());
        let step = Foreseen::made("reservation", words).standing(Standing::Fails);
        foresight.tell(step.note(error.msg.as_str()));
    })?;
    for (ip, (set, taken)) in ips.iter().zip(request.sets.iter().zip(taken)) {
        let gateway = ip
            .gateway
            .map(|gateway| format!(", with the gateway {gateway}"));
        let words = format!("reserve {}{}", ip.address, gateway.unwrap_or_default());
        let of = match set.size() {
            size if size <= COUNTABLE => format!(" of {size}"),
            _ => String::new(),
        };
        let note = format!("{taken}{of} are taken; in {}", path.display());
        foresight.tell(Foreseen::made("reservation", words).note(note));
    }
    Ok(ips)
}

/// Above this, how many addresses there are says nothing to anybody.
const COUNTABLE: u128 = 1 << 32;

/// The same for whom may not look.
fn unseen(request: &Request, error: &StoreError, foresight: &mut Foresight) -> Vec<IpConfig> {
    let mut ips = Vec::new();
    for set in &request.sets {
        ips.push(foresight.unknown_address(&format!("next free address of {set}")));
        let words = format!("reserve the next free address of {set}");
        let note = format!("{error}: {}; only root sees what is taken", error.source);
        let step = Foreseen::made("reservation", words).standing(Standing::Unknown);
        foresight.tell(step.note(note));
    }
    ips
}

/// The directory of the network's reservations.
fn directory_of(config: &Config, network: &NetworkName) -> PathBuf {
    config.data_dir.join(network.as_str())
}

fn record(call: &Call<'_, Config>) -> Result<Record, Error> {
    Ok(Record::new(
        call.container_id()?.as_str(),
        call.ifname()?.as_str(),
    ))
}

/// The addresses that are asked for, each once: in CNI_ARGS, in the configuration, by the runtime.
fn requested(call: &Call<'_, Config>, request: &Request) -> Result<Vec<IpAddr>, Error> {
    let mut addresses = Vec::new();
    if let Some(text) = call.args.get("IP") {
        addresses.push(Requested::parse(text).ok_or_else(|| {
            Error::new(
                ErrorCode::INVALID_ENVIRONMENT,
                format!(
                    "ARGS: error parsing value of pair \"IP={text}\": invalid IP address {text}"
                ),
            )
            .with_details("IP in CNI_ARGS is one address, such as IP=10.22.0.9")
        })?);
    }
    for address in &request.addresses {
        if !addresses.contains(address) {
            addresses.push(*address);
        }
    }
    Ok(addresses)
}

/// Fails when a set has neither a free address nor one that can be reclaimed.
fn require_free(mut directory: Directory, sets: &[RangeSet]) -> Result<(), Error> {
    for set in sets {
        if assign::has_address(&mut directory, set)? {
            continue;
        }
        return Err(Error::new(
            ErrorCode::PLUGIN_NOT_AVAILABLE,
            format!("no IP addresses available in range set: {set}"),
        )
        .with_details(format!(
            "all of its {} addresses are in use since this boot; detach containers (DEL), run GC, or give \
             the range more addresses",
            set.size()
        )));
    }
    Ok(())
}

/// Does everything, then tells the errors of all that failed.
fn all(results: impl Iterator<Item = Result<(), StoreError>>) -> Result<(), Error> {
    let errors: Vec<Error> = results.filter_map(Result::err).map(Error::from).collect();
    let messages: Vec<&str> = errors.iter().map(|error| error.msg.as_str()).collect();
    match errors.first() {
        Some(first) => Err(first.clone().with_msg(messages.join("; "))),
        None => Ok(()),
    }
}
