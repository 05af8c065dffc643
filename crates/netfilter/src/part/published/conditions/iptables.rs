//! Conditions as arguments of iptables.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use super::matches::{ADDRESS_TYPES, InterfaceName, Match, Property, STATES, Side};
use super::{Conditions, NotUnderstood};

/// The matches (`-m`) whose options are understood below. A match changes nothing by itself.
const MATCHES: [&str; 11] = [
    "addrtype",
    "comment",
    "conntrack",
    "iprange",
    "mac",
    "mark",
    "multiport",
    "sctp",
    "state",
    "tcp",
    "udp",
];

/// Reads arguments.
pub(super) fn parse(
    arguments: &[String],
    conditions: &mut Conditions,
) -> Result<(), NotUnderstood> {
    let mut rest = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.is_empty());
    let mut is_negated = false;
    while let Some(argument) = rest.next() {
        if argument == "!" {
            is_negated = true;
            continue;
        }
        let (option, attached) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            _ => (argument, None),
        };
        if matches!(option, "-4" | "--ipv4" | "-6" | "--ipv6") {
            continue;
        }
        let value = attached
            .or_else(|| rest.next())
            .ok_or_else(|| NotUnderstood::MissingValue(option.to_owned()))?;
        let matches = option_matches(option, value)?;
        if !matches.is_empty() {
            conditions.add(is_negated, &matches)?;
        }
        is_negated = false;
    }
    Ok(())
}

/// What an option with its value asks for: any of these.
fn option_matches(option: &str, value: &str) -> Result<Vec<Match>, NotUnderstood> {
    use Side::{Destination, Source};
    let properties = match option {
        "-s" | "--src" | "--source" => networks(option, value, Source)?,
        "-d" | "--dst" | "--destination" => networks(option, value, Destination)?,
        "-i" | "--in-interface" => vec![Property::Incoming(interface(value, '+'))],
        "-o" | "--out-interface" => vec![Property::Outgoing(interface(value, '+'))],
        "-p" | "--proto" | "--protocol" => protocol(option, value)?,
        "--sport" | "--source-port" | "--sports" | "--source-ports" => {
            ports(option, value, Source)?
        }
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
            ports(option, value, Destination)?
        }
        "--src-range" => vec![addresses(option, value, Source)?],
        "--dst-range" => vec![addresses(option, value, Destination)?],
        "--src-type" => address_types(option, value, Source)?,
        "--dst-type" => address_types(option, value, Destination)?,
        "--mark" => vec![mark(option, value)?],
        "--mac-source" => vec![Property::Mac(mac(option, value)?)],
        "--state" | "--ctstate" => vec![states(option, value)?],
        "--comment" => Vec::new(),
        "-m" | "--match" if MATCHES.contains(&value) => Vec::new(),
        "-m" | "--match" => return Err(untranslatable(&format!("{option} {value}"))),
        _ => return Err(untranslatable(option)),
    };
    Ok(properties.into_iter().map(Match::from).collect())
}

fn untranslatable(text: &str) -> NotUnderstood {
    NotUnderstood::Untranslatable(text.to_owned())
}

/// A value that an option cannot have.
pub(super) fn wrong(option: &str, value: &str, expected: &'static str) -> NotUnderstood {
    NotUnderstood::Value {
        option: option.to_owned(),
        value: value.to_owned(),
        expected,
    }
}

fn networks(option: &str, value: &str, side: Side) -> Result<Vec<Property>, NotUnderstood> {
    value
        .split(',')
        .map(|text| {
            network(text)
                .map(|net| Property::Network(side, net))
                .ok_or_else(|| wrong(option, text, "an address with or without a prefix"))
        })
        .collect()
}

/// An address, with a prefix length or a netmask if there is one.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let Some((address, mask)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    let with_mask = || {
        let net = Ipv4Net::with_netmask(address.parse().ok()?, mask.parse().ok()?);
        net.ok().map(IpNet::from)
    };
    text.parse().ok().or_else(with_mask)
}

/// A name that ends with `wildcard` is how names begin.
pub(super) fn interface(value: &str, wildcard: char) -> InterfaceName {
    let prefix = value.strip_suffix(wildcard);
    InterfaceName {
        name: prefix.unwrap_or(value).to_owned(),
        is_prefix: prefix.is_some(),
    }
}

fn protocol(option: &str, value: &str) -> Result<Vec<Property>, NotUnderstood> {
    match protocol_number(value) {
        // Any protocol is no condition.
        Some(0) => Ok(Vec::new()),
        Some(number) => Ok(vec![Property::Protocol(number)]),
        None => Err(wrong(
            option,
            value,
            "tcp, udp, sctp, all or the number of a protocol",
        )),
    }
}

pub(super) fn protocol_number(value: &str) -> Option<u8> {
    match value.to_ascii_lowercase().as_str() {
        "all" => Some(0),
        "icmp" => Some(1),
        "tcp" => Some(6),
        "udp" => Some(17),
        "ipv6-icmp" | "icmpv6" => Some(58),
        "sctp" => Some(132),
        number => number.parse().ok(),
    }
}

fn ports(option: &str, value: &str, side: Side) -> Result<Vec<Property>, NotUnderstood> {
    value
        .split(',')
        .map(|text| {
            range(text, ':', 0, u16::MAX)
                .map(|(first, last)| Property::Ports(side, first, last))
                .ok_or_else(|| wrong(option, text, "a port or a range of ports"))
        })
        .collect()
}

/// One number, or two with `between` in between, either of which may be left out.
pub(super) fn range<N: FromStr + PartialOrd + Copy>(
    text: &str,
    between: char,
    least: N,
    most: N,
) -> Option<(N, N)> {
    let number = |text: &str, missing| match text {
        "" => Some(missing),
        text => text.parse().ok(),
    };
    let (first, last) = match text.split_once(between) {
        Some((first, last)) => (number(first, least)?, number(last, most)?),
        None => {
            let only = text.parse().ok()?;
            (only, only)
        }
    };
    (first <= last).then_some((first, last))
}

fn addresses(option: &str, value: &str, side: Side) -> Result<Property, NotUnderstood> {
    let parse = || -> Option<(IpAddr, IpAddr)> {
        let (first, last) = value.split_once('-').unwrap_or((value, value));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        let same_version = matches!(
            (first, last),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_))
        );
        (same_version && first <= last).then_some((first, last))
    };
    parse()
        .map(|(first, last)| Property::Addresses(side, first, last))
        .ok_or_else(|| wrong(option, value, "a range of addresses"))
}

fn address_types(option: &str, value: &str, side: Side) -> Result<Vec<Property>, NotUnderstood> {
    value
        .split(',')
        .map(|text| {
            address_type(text)
                .map(|kind| Property::AddressType(side, kind))
                .ok_or_else(|| wrong(option, text, "a type of addresses"))
        })
        .collect()
}

pub(super) fn address_type(text: &str) -> Option<u32> {
    let mut all = ADDRESS_TYPES.iter();
    all.find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, kind)| *kind)
}

fn mark(option: &str, value: &str) -> Result<Property, NotUnderstood> {
    let (value, mask) = value.split_once('/').unwrap_or((value, "0xffffffff"));
    match (number(value), number(mask)) {
        (Some(number), Some(mask)) => Ok(Property::Mark(number, mask)),
        _ => Err(wrong(option, value, "a mark with or without a mask")),
    }
}

/// A number as C reads it, but for octal ones.
pub(super) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn mac(option: &str, value: &str) -> Result<[u8; 6], NotUnderstood> {
    octets(value).ok_or_else(|| wrong(option, value, "a MAC address"))
}

pub(super) fn octets(value: &str) -> Option<[u8; 6]> {
    let octets: Option<Vec<u8>> = value
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).ok())
        .collect();
    octets?.try_into().ok()
}

fn states(option: &str, value: &str) -> Result<Property, NotUnderstood> {
    let bits = |text: &str| {
        let mut all = STATES.iter();
        all.find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, state)| state.bits())
            .ok_or_else(|| wrong(option, text, "a state of connections"))
    };
    let all = value.split(',').map(bits).collect::<Result<Vec<_>, _>>()?;
    Ok(Property::State(
        all.into_iter().fold(0, |all, bits| all | bits),
    ))
}
