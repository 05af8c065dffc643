//! What a rule says that leads a port elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;

use linkspan_netlink::{Attributes, Message};

use crate::family::HEADER_LEN;
use crate::field::Field;
use crate::uapi::{self, data, expr, rule};

/// What a rule like `tcp dport 8080 dnat to 10.22.0.2:80` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The number of the transport protocol.
    pub protocol: u8,
    /// The one port that it is about.
    pub port: u16,
    /// The address that it leads to.
    pub to: IpAddr,
}

/// What a register was loaded with and is compared next.
enum Loaded {
    Protocol,
    Port,
}

impl Translation {
    /// Reads it from an answer to [`Query::rules`](crate::Query::rules), if it is that of such a rule, which `nft` made.
    pub fn decode(message: &Message<'_>) -> Option<Self> {
        if message.kind != uapi::message(uapi::msg::NEWRULE) {
            return None;
        }
        let attributes = Attributes::new(message.attributes(HEADER_LEN));
        Self::read(&attributes.get(rule::EXPRESSIONS)?.nested())
    }

    fn read(expressions: &Attributes<'_>) -> Option<Self> {
        let (mut protocol, mut port, mut to) = (None, None, None);
        let mut loaded = None;
        let mut registers = HashMap::new();
        for expression in expressions.clone() {
            let attributes = expression.nested();
            let data = attributes.get(expr::DATA).map(|data| data.nested());
            let (Some(name), Some(data)) = (attributes.get(expr::NAME)?.as_str(), data) else {
                continue;
            };
            match (name, loaded.take()) {
                ("meta" | "payload", _) => loaded = load(name, &data),
                ("cmp", Some(Loaded::Protocol)) => {
                    protocol = equal(&data).and_then(|value| value.first().copied());
                }
                ("cmp", Some(Loaded::Port)) => {
                    port = equal(&data)
                        .and_then(|value| Some(u16::from_be_bytes(*value.first_chunk()?)));
                }
                ("immediate", _) => {
                    if let (Some(register), Some(value)) = (number(&data, 1), value(&data, 2)) {
                        registers.insert(register, value);
                    }
                }
                ("nat", _) if number(&data, NAT_KIND) == Some(DESTINATION) => {
                    let register = number(&data, NAT_ADDRESS)?;
                    to = registers.get(&register).and_then(|value| address(value));
                }
                _ => {}
            }
        }
        Some(Self {
            protocol: protocol?,
            port: port?,
            to: to?,
        })
    }
}

/// `NFTA_NAT_TYPE`, `NFTA_NAT_REG_ADDR_MIN`; `NFT_NAT_DNAT`
const NAT_KIND: u16 = 1;
const NAT_ADDRESS: u16 = 3;
const DESTINATION: u32 = 1;

/// Versions of `nft` differ in where they look for an IPv4 packet's protocol.
const IP_PROTOCOL: [u32; 3] = [1, 9, 1];

fn load(name: &str, data: &Attributes<'_>) -> Option<Loaded> {
    if name == "meta" {
        return (number(data, 2)? == Field::L4PROTO_KEY).then_some(Loaded::Protocol);
    }
    let place = [number(data, 2)?, number(data, 3)?, number(data, 4)?];
    let [header, offset, length] = place;
    match Field::DestinationPort.is_payload(header, offset, length) {
        true => Some(Loaded::Port),
        false => (place == IP_PROTOCOL).then_some(Loaded::Protocol),
    }
}

/// What a comparison for equality is with.
fn equal<'a>(cmp: &Attributes<'a>) -> Option<&'a [u8]> {
    const EQUAL: u32 = 0;
    (number(cmp, 2)? == EQUAL).then(|| value(cmp, 3))?
}

fn number(data: &Attributes<'_>, kind: u16) -> Option<u32> {
    data.get(kind)?.as_be32()
}

fn value<'a>(data: &Attributes<'a>, kind: u16) -> Option<&'a [u8]> {
    Some(data.get(kind)?.nested().get(data::VALUE)?.payload)
}

fn address(value: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(value).ok().map(IpAddr::from);
    four().or_else(|| <[u8; 16]>::try_from(value).ok().map(IpAddr::from))
}
