//! firewalld: addresses of containers are sources of a zone.
//!
//! firewalld refuses what no zone of it accepts, and no rule of others overrides that; so it is told, over
//! D-Bus, that the container's addresses belong to a zone, as the reference plugin does. What it is told
//! lasts until it is reloaded: then CHECK sees that it is missing, and `linkspan reconcile` tells it again.

#[cfg_attr(not(feature = "firewalld"), path = "disabled.rs")]
mod bus;

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::xtables;
use linkspan_nft::{Chain, Family};
use linkspan_spec::{Error, ErrorCode};

use super::fault::{ask, explain};
use super::iptables::Protocol;
use bus::{Bus, Failure};

/// Whether firewalld is running. Nobody is asked when no table of its own is there.
///
/// # Errors
/// When it cannot be told.
pub fn is_running() -> Result<bool, Error> {
    if !has_tables()? {
        return Ok(false);
    }
    let asked = match Bus::connect() {
        Err(failure) if failure.is_absent() => return Ok(false),
        bus => bus.and_then(|bus| bus.has_firewalld()),
    };
    asked.map_err(|failure| error("ask whether firewalld is running", &failure))
}

/// Refuses to publish ports where firewalld is to be the only one that does (`StrictForwardPorts`, firewalld
/// 2.3): it would drop what comes for them.
///
/// # Errors
/// That, and how to have the port led; and when it cannot be told.
pub fn require_free_ports() -> Result<(), Error> {
    if !ask(has_own_table)? || !is_strict()? {
        return Ok(());
    }
    let msg = "cannot publish ports: firewalld's StrictForwardPorts is on";
    Err(Error::new(ErrorCode::INTERNAL, msg).with_details(
        "firewalld drops what comes for a port that it does not lead itself: have it do so \
         (`firewall-cmd --add-forward-port=...`) and take the mapping away, or set StrictForwardPorts=no in \
         /etc/firewalld/firewalld.conf",
    ))
}

fn is_strict() -> Result<bool, Error> {
    match Bus::connect().and_then(|bus| bus.forwards_strictly()) {
        // One that answers otherwise does not know the setting.
        Err(failure) if failure.is_absent() || failure.is_answer() => Ok(false),
        setting => {
            setting.map_err(|failure| error("ask firewalld for StrictForwardPorts", &failure))
        }
    }
}

/// The table that firewalld has in nf_tables, or the one that it has while it is reloaded.
fn has_own_table(kernel: &Nftables) -> Result<bool, KernelError> {
    let tables = kernel.tables(Family::Inet)?;
    Ok(tables
        .iter()
        .any(|table| table.name.starts_with("firewalld")))
}

/// A table of its own in nf_tables, or a chain that it makes of either iptables.
fn has_tables() -> Result<bool, Error> {
    const CHAIN: &str = "FORWARD_direct";
    let by_nftables = |kernel: &Nftables| -> Result<bool, KernelError> {
        let chain = Chain::regular(&Protocol::Ipv4.filter(), CHAIN);
        Ok(has_own_table(kernel)? || kernel.chain(&chain)?.is_some())
    };
    if ask(by_nftables)? {
        return Ok(true);
    }
    let table = xtables::table(xtables::Protocol::Ipv4, "filter").map_err(explain)?;
    Ok(table.is_some_and(|table| table.chains.iter().any(|one| one == CHAIN)))
}

/// Whether firewalld can be told something.
pub(super) fn probe() -> Result<(), Error> {
    let bus = Bus::connect().map_err(|failure| error("reach firewalld", &failure))?;
    match bus.has_firewalld() {
        Ok(true) => Ok(()),
        Ok(false) => Err(error("reach firewalld", &Failure::absent())),
        Err(failure) => Err(error("reach firewalld", &failure)),
    }
}

/// Puts addresses into a zone; those that are in it already stay.
pub(super) fn bind(zone: &str, addresses: &[IpAddr]) -> Result<(), Error> {
    let what = || format!("put the container's addresses into the zone {zone:?} of firewalld");
    let bus = Bus::connect().map_err(|failure| error(&what(), &failure))?;
    for address in addresses {
        match bus.add_source(zone, &source(*address)) {
            Err(failure) if !failure.says("ZONE_ALREADY_SET") => {
                return Err(error(&what(), &failure));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes addresses out of a zone. Where firewalld does not run it has no zones.
pub(super) fn unbind(zone: &str, addresses: &[IpAddr]) -> Result<(), Error> {
    let what = || format!("take the container's addresses out of the zone {zone:?} of firewalld");
    let bus = match Bus::connect() {
        Err(failure) if failure.is_absent() => return Ok(()),
        bus => bus.map_err(|failure| error(&what(), &failure))?,
    };
    // The bus may start who is called.
    if !bus.has_firewalld().unwrap_or(true) {
        return Ok(());
    }
    for address in addresses {
        match bus.remove_source(zone, &source(*address)) {
            Err(failure) if !failure.is_absent() && !failure.means_unbound() => {
                return Err(error(&what(), &failure));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Those of the addresses that are not in a zone.
pub(super) fn unbound(zone: &str, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
    let what = || format!("ask firewalld about the zone {zone:?}");
    let bus = Bus::connect().map_err(|failure| error(&what(), &failure))?;
    let mut missing = Vec::new();
    for address in addresses {
        match bus.query_source(zone, &source(*address)) {
            Ok(true) => {}
            Ok(false) => missing.push(*address),
            Err(failure) => return Err(error(&what(), &failure)),
        }
    }
    Ok(missing)
}

/// As the reference writes it, and as firewalld compares it.
fn source(address: IpAddr) -> String {
    IpNet::from(address).to_string()
}

fn error(what: &str, failure: &Failure) -> Error {
    let details = if failure.is_absent() {
        "firewalld is not running, or its D-Bus socket is out of reach: start it, or choose the backend \
         \"nftables\""
    } else if failure.says("INVALID_ZONE") {
        "`firewall-cmd --get-zones` lists the zones; correct \"firewalldZone\""
    } else if failure.says("ZONE_CONFLICT") {
        "the address belongs to another zone, where somebody put it: `firewall-cmd --get-active-zones` shows \
         which; take it out, or name that zone in \"firewalldZone\""
    } else {
        "`journalctl -u firewalld` may tell more; the call can be repeated"
    };
    Error::new(ErrorCode::INTERNAL, format!("cannot {what}: {failure}")).with_details(details)
}
