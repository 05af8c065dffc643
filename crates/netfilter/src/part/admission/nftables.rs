//! Admission by nf_tables.
//!
//! ```text
//! set admitted4 { type ipv4_addr; elements = { 10.22.0.2 comment "mynet/c1/eth0" } }
//! chain admit { meta mark set meta mark | 0x1000 }
//! chain inbound { ct state established,related goto admit; ct status dnat goto admit }
//! chain forward { type filter hook forward priority -10;
//!     ip saddr @admitted4 goto admit; ip daddr @admitted4 goto inbound; ... }
//! chain forwarded { type filter hook forward priority 200; meta mark set meta mark & ~0x1000 }
//! ```
//!
//! One element for each address, everything else is constant. A packet costs at most two lookups. The mark
//! tells the tables of others, which drop by default, that the packet may pass; see
//! [`forward`](crate::forward).

use std::net::IpAddr;

use linkspan_nft::{Chain, CtState, CtStatus, Element, Hook, Object, Rule, Set, Table, Value};

use super::{Group, Placed};
use crate::forward::MARK;
use crate::inet::{self, IpVersion};

/// Before the filters (0) and after what iptables' table mangle (-150) may do to marks.
const BEFORE_FILTERS: i32 = -10;

/// After all filters: those of iptables (0), of firewalld (10) and of security modules (50).
const AFTER_FILTERS: i32 = 200;

/// Whether a set of the table is one of these.
pub(super) fn owns(set: &str) -> bool {
    set.starts_with("admitted")
}

/// The elements of one address.
pub(super) fn elements(address: IpAddr) -> Vec<Placed> {
    let set = set(IpVersion::of(address));
    vec![Placed::new(set, Element::new(Value::from(address)))]
}

fn set(version: &IpVersion) -> Set {
    let name = format!("admitted{}", version.digit);
    Set::new(&inet::table(), name, [version.address])
        .comment("containers' addresses that may be forwarded for")
}

const FORWARD: &str = "forward";
const FORWARDED: &str = "forwarded";
const INBOUND: &str = "inbound";
const ADMIT: &str = "admit";

/// What all addresses share.
pub(super) fn group() -> Group {
    let table = inet::table();
    let regular = |name| Chain::regular(&table, name);
    let forward = Chain::filter(&table, FORWARD, Hook::Forward, BEFORE_FILTERS);
    let forwarded = Chain::filter(&table, FORWARDED, Hook::Forward, AFTER_FILTERS);
    let mut objects: Vec<Object> = vec![table.clone().into()];
    objects.extend(IpVersion::both().map(|version| set(version).into()));
    objects.extend([ADMIT, INBOUND].map(|name| regular(name).into()));
    objects.push(forwarded.clone().into());
    Group {
        objects,
        marker: forward.clone().into(),
        chains: vec![forward, forwarded, regular(ADMIT), regular(INBOUND)],
        rules: rules(&table),
    }
}

fn rules(table: &Table) -> Vec<Rule> {
    let rule = |chain: &str| Rule::new(table, chain);
    let known = CtState::ESTABLISHED | CtState::RELATED;
    // What arrives with the mark would pass every filter that trusts it.
    let unmark = rule(FORWARD).mark_has(MARK).clear_mark_bits(MARK);
    let mut rules = vec![unmark.comment("marked by somebody else")];
    rules.extend(IpVersion::both().into_iter().flat_map(of_containers));
    rules.extend([
        rule(INBOUND).ct_state(known).goto(ADMIT).comment("replies"),
        rule(INBOUND)
            .ct_status(CtStatus::DNAT)
            .goto(ADMIT)
            .comment("to a published port"),
        rule(ADMIT)
            .set_mark_bits(MARK)
            .comment("for the tables that drop by default"),
        rule(FORWARDED)
            .mark_has(MARK)
            .clear_mark_bits(MARK)
            .comment("the mark ends here"),
    ]);
    rules
}

fn of_containers(version: &IpVersion) -> [Rule; 2] {
    let (set, name) = (set(version).name, version.name());
    [
        version
            .rule(FORWARD)
            .in_set([version.source], set.clone())
            .goto(ADMIT)
            .comment(format!("from a container, {name}")),
        version
            .rule(FORWARD)
            .in_set([version.destination], set)
            .goto(INBOUND)
            .comment(format!("to a container, {name}")),
    ]
}
