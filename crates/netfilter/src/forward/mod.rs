//! Forwarding on hosts that forward nothing by default.
//!
//! A packet is forwarded when every table lets it pass: an accept in a table of ours would not override the drop of another,
//! such as that of iptables after Docker set the policy of FORWARD to DROP. So what containers may is said there, in the
//! words of the reference plugin and where it says it:
//!
//! ```text
//! -I FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
//! -A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
//! -A CNI-FORWARD -d 10.22.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
//! -A CNI-FORWARD -s 10.22.0.2/32 -j ACCEPT
//! -A FORWARD -m comment --comment "ports that Linkspan published" -j LINKSPAN-PORTS
//! -A LINKSPAN-PORTS -d 10.22.0.2/32 -m conntrack --ctstate DNAT --ctproto tcp --ctorigdstport 8080:8080
//!    --ctreplsrc 10.22.0.2 --ctreplsrcport 80:80 -j ACCEPT
//! ```
//!
//! The last two are ours alone. They stand after the rules of others: a policy of DROP is overcome, a rule is not; and only
//! for connections that this port has led to the container, no NodePort or service of others.
//!
//! The table is made if need be, as the reference makes it: Docker or ufw may come after the first container, and its policy
//! of DROP must cut off nobody.
//!
//! A constant rule that asks a set of ours would do for any number of containers. But only nf_tables' own words can ask one,
//! which older versions of iptables save and restore without that condition; and a mark that says what the set said is a bit
//! that somebody else has a use for.
//!
//! `nft` places the rules where the newer iptables keeps its filter tables, over netlink; `legacy` where the older one does.
//! Tables that neither owns (`inet filter` of a distribution) are their author's alone: [`obstacles`] names those that drop.

mod accept;
pub(crate) mod former;
mod legacy;
mod nft;
mod others;
mod place;

use std::net::IpAddr;

use linkspan_kernel::nftables::Nftables;
use linkspan_nft::InstalledRule;
use linkspan_spec::Error;

use accept::Wanted;
pub(crate) use accept::{Accept, Opening};
pub(crate) use nft::Outcome;
pub use others::obstacles;
use place::{ADMITTED, PUBLISHED, Place};

use crate::fault::{ask, explain, unless_unsupported};
use crate::iptables::Protocol;
use crate::owner::Owner;

/// Has the host forward for these addresses, after what the administrator's chains decide.
pub(crate) fn admit(
    owner: &Owner,
    addresses: &[IpAddr],
    admin_chains: &[(Protocol, &str)],
) -> Result<Outcome, Error> {
    ensure(
        owner,
        &Wanted::of(&ADMITTED, &admissions(addresses), admin_chains),
    )
}

/// Has the host forward what published ports lead to a container.
pub(crate) fn open(owner: &Owner, openings: &[Accept]) -> Result<(), Error> {
    ensure(owner, &Wanted::of(&PUBLISHED, openings, &[])).map(|_| ())
}

/// As the reference orders them.
fn admissions(addresses: &[IpAddr]) -> Vec<Accept> {
    let both = |address: &IpAddr| [Accept::AnswersTo(*address), Accept::SentBy(*address)];
    addresses.iter().flat_map(both).collect()
}

fn ensure(owner: &Owner, wanted: &[Wanted<'_>]) -> Result<Outcome, Error> {
    if wanted.is_empty() {
        return Ok(Outcome::default());
    }
    let by_legacy = wanted.iter().map(|wanted| wanted.protocol).collect();
    let (mut outcome, legacy) = Nftables::open()
        .and_then(|kernel| nft::ensure(&kernel, wanted, &owner.to_string()))
        .or_else(|error| unless_unsupported(error).map(|()| (Outcome::default(), by_legacy)))
        .map_err(explain)?;
    for one in wanted {
        if legacy.contains(&one.protocol) || legacy::is_in_use(one.protocol)? {
            outcome.has_placed |= legacy::ensure(one)?;
        }
    }
    Ok(outcome)
}

/// What [`admit`] would place, a sentence each.
pub(crate) fn missing_admissions(
    owner: &Owner,
    addresses: &[IpAddr],
    admin_chains: &[(Protocol, &str)],
) -> Result<Vec<String>, Error> {
    missing(
        owner,
        &Wanted::of(&ADMITTED, &admissions(addresses), admin_chains),
    )
}

/// What [`open`] would place, a sentence each.
pub(crate) fn missing_openings(owner: &Owner, openings: &[Accept]) -> Result<Vec<String>, Error> {
    missing(owner, &Wanted::of(&PUBLISHED, openings, &[]))
}

fn missing(owner: &Owner, wanted: &[Wanted<'_>]) -> Result<Vec<String>, Error> {
    let owner = owner.to_string();
    let mut missing = Vec::new();
    for one in wanted {
        let in_nft = Nftables::open()
            .and_then(|kernel| nft::missing(&kernel, one, &owner))
            .or_else(|error| unless_unsupported(error).map(|()| None))
            .map_err(explain)?;
        if in_nft.is_none() || legacy::is_in_use(one.protocol)? {
            missing.extend(legacy::missing(one)?);
        }
        missing.extend(in_nft.into_iter().flatten());
    }
    Ok(missing)
}

/// Removes what an attachment has, all of it. Rules about its addresses that do not say whose they are (those of the reference,
/// those that were saved and restored) count as its own unless `is_taken`.
pub(crate) fn dismiss(
    owner: &Owner,
    addresses: &[IpAddr],
    is_taken: &dyn Fn(IpAddr) -> bool,
) -> Result<(), Error> {
    let is_stale = |address: IpAddr| addresses.contains(&address) && !is_taken(address);
    match remove(&[&ADMITTED, &PUBLISHED], owner, Own::All, &is_stale)? {
        true => former::forget(owner, addresses),
        false => Ok(()),
    }
}

/// Removes what its published ports have, all of it; of rules that do not say whose they are as [`dismiss`] does.
pub(crate) fn close(
    owner: &Owner,
    addresses: &[IpAddr],
    is_taken: &dyn Fn(IpAddr) -> bool,
) -> Result<(), Error> {
    let is_stale = |address: IpAddr| addresses.contains(&address) && !is_taken(address);
    remove(&[&PUBLISHED], owner, Own::All, &is_stale).map(|_| ())
}

/// Removes what an attachment has for one of its addresses. What it has for others stays.
pub(crate) fn dismiss_address(owner: &Owner, address: IpAddr) -> Result<(), Error> {
    let is_it = |one: IpAddr| one == address;
    match remove(&[&ADMITTED, &PUBLISHED], owner, Own::Stale, &is_it)? {
        true => former::forget(owner, &[address]),
        false => Ok(()),
    }
}

/// Removes what its published ports have for one of its addresses. What they have for others stays.
pub(crate) fn close_address(owner: &Owner, address: IpAddr) -> Result<(), Error> {
    let is_it = |one: IpAddr| one == address;
    remove(&[&PUBLISHED], owner, Own::Stale, &is_it).map(|_| ())
}

/// Whether the host's policy may drop what is forwarded for an address. That of the older iptables is not looked at: where
/// it is in use, it may.
pub(crate) fn may_drop(address: IpAddr) -> Result<bool, Error> {
    let protocol = Protocol::of(address);
    let drops = ask(|kernel| nft::drops(kernel, protocol))?;
    Ok(drops || legacy::is_in_use(protocol)?)
}

/// Whether the policy, or a rule of others, may drop it.
pub(crate) fn may_refuse(address: IpAddr) -> Result<bool, Error> {
    let protocol = Protocol::of(address);
    let filters = ask(|kernel| nft::filters(kernel, protocol))?;
    Ok(filters || legacy::is_in_use(protocol)?)
}

/// What stands ahead of rules that others have appended to FORWARD since, a sentence each. It works: but what the host's owner
/// forbids there is to be forbidden.
pub(crate) fn ahead_of_others(openings: &[Accept]) -> Result<Vec<String>, Error> {
    let mut sentences = Vec::new();
    for one in Wanted::of(&PUBLISHED, openings, &[]) {
        let (protocol, place) = (one.protocol, one.place);
        if ask(|kernel| nft::is_ahead(kernel, protocol, place))?
            || legacy::is_ahead(protocol, place)?
        {
            sentences.push(format!(
                "expected the rule {place} of the filter table of {} to be the last, found others behind it",
                protocol.command()
            ));
        }
    }
    Ok(sentences)
}

/// Which of the rules that say that they are an attachment's are removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    /// All of them.
    All,
    /// Those about addresses that are stale.
    Stale,
}

/// Removes rules of an attachment, and those about stale addresses that do not say whose they are. Returns whether an earlier
/// Linkspan has admitted here in another way.
fn remove(
    places: &[&Place],
    owner: &Owner,
    own: Own,
    is_stale: &dyn Fn(IpAddr) -> bool,
) -> Result<bool, Error> {
    let name = owner.to_string();
    let is_about = |rule: &InstalledRule| {
        let mut ends = rule.source.into_iter().chain(rule.destination);
        ends.any(is_stale)
    };
    let is_to_go = |rule: &InstalledRule| match &rule.owner {
        Some(owner) => *owner == name && (own == Own::All || is_about(rule)),
        None => nft::is_admission(rule) && is_about(rule),
    };
    let has_former = remove_where(places, &is_to_go)?;
    legacy::remove(places, is_stale)?;
    Ok(has_former)
}

/// Removes what attachments have whose owner is not in use any more, as far as rules say whose they are.
pub(crate) fn sweep(is_stale: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let is_stale = |rule: &InstalledRule| rule.owner.as_deref().is_some_and(is_stale);
    remove_where(&[&ADMITTED, &PUBLISHED], &is_stale).map(|_| ())
}

fn remove_where(
    places: &[&Place],
    is_stale: &dyn Fn(&InstalledRule) -> bool,
) -> Result<bool, Error> {
    Nftables::open()
        .and_then(|kernel| nft::remove(&kernel, places, is_stale))
        .or_else(|error| unless_unsupported(error).map(|()| false))
        .map_err(explain)
}

/// Removes what is left when no attachment has anything: our chains, unless somebody else's rules are in them.
pub(crate) fn tidy() -> Result<(), Error> {
    if former::is_idle()? {
        former::remove()?;
    }
    Nftables::open()
        .and_then(|kernel| nft::tidy(&kernel))
        .or_else(unless_unsupported)
        .map_err(explain)?;
    legacy::tidy()
}

/// Whose the rules about an address are, as far as they say so.
pub(crate) fn owner_of(address: IpAddr) -> Result<Option<String>, Error> {
    Nftables::open()
        .and_then(|kernel| nft::owner_of(&kernel, Protocol::of(address), address))
        .or_else(|error| unless_unsupported(error).map(|()| None))
        .map_err(explain)
}
