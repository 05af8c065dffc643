//! How versions up to November 2026 admitted: by a bit of the packet's mark.
//!
//! ```text
//! table inet linkspan { set admitted4 …; chain forward, inbound, admit, forwarded … }
//! -A FORWARD -m comment --comment "containers attached by Linkspan" -j LINKSPAN-FORWARD
//! -A LINKSPAN-FORWARD -m mark --mark 0x1000/0x1000 -j ACCEPT
//! ```
//!
//! Marks of others were cleared, what others had translated was accepted ahead of the rules of others, and an iptables older
//! than the rule saved it without its condition. So none of it may stay.

use std::net::IpAddr;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_nft::{Batch, Chain, Element, Object, Query, Set};
use linkspan_spec::Error;

use super::legacy;
use super::nft;
use super::place::FORWARD;
use crate::fault::{ask, explain, unless_unsupported};
use crate::inet::{self, IpVersion};
use crate::iptables::Protocol;
use crate::owner::Owner;
use crate::reference::remove_chains;

const CHAIN: &str = "LINKSPAN-FORWARD";
const COMMENT: &str = "containers attached by Linkspan";

/// The chains of our own table, each of which may lead to the next.
const CHAINS: [&str; 4] = ["forwarded", "forward", "inbound", "admit"];

/// The one that says who is admitted.
const ADMITTING: &str = CHAINS[1];

/// What tells that there is something of it.
pub(super) fn marker() -> Chain {
    Chain::regular(&inet::table(), CHAINS[0])
}

/// Removes all of it, the marker at last.
pub(crate) fn remove() -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        remove_chains(&protocol.filter(), FORWARD, &[CHAIN.to_owned()])?;
    }
    legacy::remove_chain(CHAIN, &|_| true, COMMENT)?;
    remove_own().or_else(unless_unsupported).map_err(explain)
}

/// Whether there is anything of it.
pub(crate) fn is_there() -> Result<bool, Error> {
    ask(|kernel| Ok(kernel.chain(&marker())?.is_some()))
}

/// Whether it admits nobody.
pub(super) fn is_idle() -> Result<bool, Error> {
    let is_in_use = ask(|kernel| {
        for version in IpVersion::both() {
            if !kernel.elements(&set(version))?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    Ok(!is_in_use)
}

/// Whether it admits these addresses of an attachment wherever the host's policy may drop what is forwarded for them.
pub(crate) fn admits(owner: &Owner, addresses: &[IpAddr]) -> Result<bool, Error> {
    for address in addresses {
        let protocol = Protocol::of(*address);
        let is_led_to = ask(|kernel| {
            let rules = kernel.chain(&Chain::regular(&inet::table(), ADMITTING))?;
            let has_rules = rules.and_then(|chain| chain.references).unwrap_or_default() > 0;
            let is_free = || nft::drops(kernel, protocol).map(|drops| !drops);
            Ok(has_rules
                && is_admitted(kernel, owner, *address)?
                && (is_free()? || nft::leads_to(kernel, protocol, CHAIN)?))
        })?;
        if !is_led_to || legacy::is_in_use(protocol)? && !legacy::leads_to(protocol, CHAIN)? {
            return Ok(false);
        }
    }
    Ok(!addresses.is_empty())
}

fn is_admitted(kernel: &Nftables, owner: &Owner, address: IpAddr) -> Result<bool, KernelError> {
    let set = set(IpVersion::of(address));
    let found = kernel.snapshot(&[], &[(&set, &Element::new(address))])?;
    let mut comments = found.elements.into_iter().flatten().map(|one| one.comment);
    Ok(comments.any(|comment| comment == Some(owner.to_string())))
}

/// Removes what it has of one attachment.
pub(super) fn forget(owner: &Owner, addresses: &[IpAddr]) -> Result<(), Error> {
    let element = |address: &IpAddr| (set(IpVersion::of(*address)), Element::new(*address));
    let elements: Vec<(Set, Element)> = addresses.iter().map(element).collect();
    let pairs: Vec<(&Set, &Element)> = elements.iter().map(|(set, one)| (set, one)).collect();
    let forget = || -> Result<(), KernelError> {
        let kernel = Nftables::open()?;
        let found = kernel.snapshot(&[], &pairs)?;
        let mut batch = Batch::new();
        batch.require_generation(found.generation);
        let name = owner.to_string();
        for ((set, element), found) in elements.iter().zip(&found.elements) {
            let comment = found.as_ref().and_then(|found| found.comment.as_deref());
            if comment == Some(&name) {
                batch.delete_elements(&inet::table(), &set.name, [element.clone()]);
            }
        }
        match kernel.commit(&batch) {
            // Whoever was faster may have replaced it all; what is left goes with that at the latest.
            Err(failure) if failure.is_stale() => Ok(()),
            outcome => Ok(outcome?),
        }
    };
    forget().or_else(unless_unsupported).map_err(explain)
}

fn set(version: &IpVersion) -> Set {
    let name = format!("admitted{}", version.digit);
    Set::new(&inet::table(), name, [version.address])
}

fn remove_own() -> Result<(), KernelError> {
    let kernel = Nftables::open()?;
    let chains = CHAINS.map(|name| Chain::regular(&inet::table(), name));
    let sets = IpVersion::both().map(set);
    let questions: Vec<Query> = chains
        .iter()
        .map(Query::chain)
        .chain(sets.iter().map(Query::set))
        .collect();
    let found = kernel.snapshot(&questions, &[])?;
    let objects = chains
        .into_iter()
        .map(Object::from)
        .chain(sets.into_iter().map(Object::from));
    let there: Vec<Object> = objects
        .zip(found.present)
        .filter_map(|(object, is_there)| is_there.then_some(object))
        .collect();
    let mut batch = Batch::new();
    for object in &there {
        if let Object::Chain(chain) = object {
            batch.flush_chain(chain.clone());
        }
    }
    for object in there {
        batch.delete(object);
    }
    match kernel.commit(&batch) {
        // Another plugin does the same.
        Err(failure) if failure.is_not_found() => Ok(()),
        outcome => Ok(outcome?),
    }
}
