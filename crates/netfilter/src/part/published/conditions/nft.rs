//! Conditions in the words of nft.

use super::iptables::{
    address_type, interface, network, number, octets, protocol_number, range, wrong,
};
use super::matches::{Match, Property, Side};
use super::{Conditions, NotUnderstood};

/// What a condition is about, and how its values are read.
struct Subject {
    text: String,
    expected: &'static str,
    read: fn(&str) -> Option<Property>,
    /// What is said beside it: that the packet has the protocol whose ports are meant.
    also: Option<Property>,
}

/// Reads a line of conditions.
pub(super) fn parse(line: &str, conditions: &mut Conditions) -> Result<(), NotUnderstood> {
    let spaced = line
        .replace('{', " { ")
        .replace('}', " } ")
        .replace(',', " ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    while !rest.is_empty() {
        let subject = subject(&mut rest)?;
        let is_negated = match rest {
            ["!=" | "ne", ..] => {
                rest = &rest[1..];
                true
            }
            ["==" | "eq", ..] => {
                rest = &rest[1..];
                false
            }
            _ => false,
        };
        let values = values(&subject.text, &mut rest)?;
        let matches = values
            .iter()
            .map(|value| {
                let value = value.trim_matches('"');
                (subject.read)(value)
                    .map(Match::from)
                    .ok_or_else(|| wrong(&subject.text, value, subject.expected))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(also) = subject.also {
            conditions.any_of(&[Match::from(also)])?;
        }
        conditions.add(is_negated, &matches)?;
    }
    Ok(())
}

/// One value, or those between braces.
fn values<'w>(subject: &str, rest: &mut &[&'w str]) -> Result<Vec<&'w str>, NotUnderstood> {
    let missing = || NotUnderstood::MissingValue(subject.to_owned());
    let (first, after) = rest.split_first().ok_or_else(missing)?;
    if *first != "{" {
        *rest = after;
        return Ok(vec![first]);
    }
    let end = after
        .iter()
        .position(|word| *word == "}")
        .ok_or_else(missing)?;
    *rest = &after[end + 1..];
    match after[..end].to_vec() {
        values if values.is_empty() => Err(missing()),
        values => Ok(values),
    }
}

/// Takes the words that say what a condition is about.
fn subject(rest: &mut &[&str]) -> Result<Subject, NotUnderstood> {
    type Read = fn(&str) -> Option<Property>;
    let protocol = |name| protocol_number(name).map(Property::Protocol);
    let (length, expected, read, also): (_, _, Read, _) = match **rest {
        ["ip" | "ip6", "saddr", ..] => (2, ADDRESS, source, None),
        ["ip" | "ip6", "daddr", ..] => (2, ADDRESS, destination, None),
        ["iifname" | "iif", ..] => (1, INTERFACE, incoming, None),
        ["meta", "iifname" | "iif", ..] => (2, INTERFACE, incoming, None),
        ["oifname" | "oif", ..] => (1, INTERFACE, outgoing, None),
        ["meta", "oifname" | "oif", ..] => (2, INTERFACE, outgoing, None),
        [name @ ("tcp" | "udp" | "sctp"), "sport", ..] => (2, PORT, source_port, protocol(name)),
        [name @ ("tcp" | "udp" | "sctp"), "dport", ..] => {
            (2, PORT, destination_port, protocol(name))
        }
        ["th", "sport", ..] => (2, PORT, source_port, None),
        ["th", "dport", ..] => (2, PORT, destination_port, None),
        ["meta", "l4proto", ..] => (2, "a protocol", by_protocol, None),
        ["meta", "mark", ..] => (2, MARK, by_mark, None),
        ["mark", ..] => (1, MARK, by_mark, None),
        ["ether", "saddr", ..] => (2, "a MAC address", by_mac, None),
        ["fib", "saddr", "type", ..] => (3, TYPE, source_type, None),
        ["fib", "daddr", "type", ..] => (3, TYPE, destination_type, None),
        _ => return Err(NotUnderstood::Untranslatable(rest.join(" "))),
    };
    let text = rest[..length].join(" ");
    *rest = &rest[length..];
    Ok(Subject {
        text,
        expected,
        read,
        also,
    })
}

const ADDRESS: &str = "an address with or without a prefix";
const INTERFACE: &str = "the name of an interface";
const PORT: &str = "a port or a range of ports";
const MARK: &str = "a mark";
const TYPE: &str = "a type of addresses";

fn source(text: &str) -> Option<Property> {
    network(text).map(|net| Property::Network(Side::Source, net))
}

fn destination(text: &str) -> Option<Property> {
    network(text).map(|net| Property::Network(Side::Destination, net))
}

fn incoming(text: &str) -> Option<Property> {
    Some(Property::Incoming(interface(text, '*')))
}

fn outgoing(text: &str) -> Option<Property> {
    Some(Property::Outgoing(interface(text, '*')))
}

fn source_port(text: &str) -> Option<Property> {
    let (first, last) = range(text, '-', 0, u16::MAX)?;
    Some(Property::Ports(Side::Source, first, last))
}

fn destination_port(text: &str) -> Option<Property> {
    let (first, last) = range(text, '-', 0, u16::MAX)?;
    Some(Property::Ports(Side::Destination, first, last))
}

fn by_protocol(text: &str) -> Option<Property> {
    protocol_number(text).map(Property::Protocol)
}

fn by_mark(text: &str) -> Option<Property> {
    number(text).map(|number| Property::Mark(number, u32::MAX))
}

fn by_mac(text: &str) -> Option<Property> {
    octets(text).map(Property::Mac)
}

fn source_type(text: &str) -> Option<Property> {
    address_type(text).map(|kind| Property::AddressType(Side::Source, kind))
}

fn destination_type(text: &str) -> Option<Property> {
    address_type(text).map(|kind| Property::AddressType(Side::Destination, kind))
}
