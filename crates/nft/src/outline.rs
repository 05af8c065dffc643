//! What a rule says, as far as it decides on the first packet of a connection.
//!
//! This is for whoever wants to know what becomes of such a packet without knowing all that rules can say: what is not
//! understood makes a rule one that may meet the packet or not, never one that does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use linkspan_netlink::{Attributes, Message};

use crate::family::{Family, HEADER_LEN};
use crate::field::Field;
use crate::uapi::{self, data, expr, rule};
use crate::verdict::Verdict;

/// What a rule says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The interface that the packet came in by; a star at its end stands for any letters.
    pub input: Option<String>,
    /// The interface that it will leave by.
    pub output: Option<String>,
    /// Where it is from: an address and the length of a prefix.
    pub source: Option<(IpAddr, u8)>,
    /// Where it is sent to.
    pub destination: Option<(IpAddr, u8)>,
    /// It is about IPv6 alone, or about IPv4.
    pub is_ipv6: Option<bool>,
    /// The number of the one transport protocol that it is about.
    pub protocol: Option<u8>,
    /// It is about connections that exist, never about the first packet of one.
    pub spares_new: bool,
    /// It has conditions that are not told here.
    pub is_partial: bool,
    /// What becomes of the packet.
    pub action: Action,
}

/// What a rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// The next rule decides.
    #[default]
    Nothing,
    /// It may pass.
    Accept,
    /// It is thrown away, with an answer or without.
    Drop,
    /// The rules of this chain decide, then the next one.
    Jump(String),
    /// The rules of this chain decide, then those behind the jump to this one.
    Goto(String),
    /// Those behind the jump to this chain decide.
    Return,
    /// It cannot be told.
    Unknown,
}

impl Outline {
    /// Reads an answer to [`Query::rules`](crate::Query::rules).
    pub fn decode(message: &Message<'_>) -> Option<Self> {
        if message.kind != uapi::message(uapi::msg::NEWRULE) {
            return None;
        }
        let family = Family::from_number(*message.payload.first()?)?;
        let attributes = Attributes::new(message.attributes(HEADER_LEN));
        let mut reader = Reader::of(family);
        for expression in attributes.get(rule::EXPRESSIONS)?.nested() {
            let attributes = expression.nested();
            let name = attributes.get(expr::NAME)?.as_str()?;
            let data = attributes.get(expr::DATA).map(|data| data.nested());
            reader.take(name, data.unwrap_or_else(|| Attributes::new(&[])));
        }
        Some(reader.outline)
    }

    /// Notes what `-m conntrack` or `-m state` asks for, when these states are all of it.
    pub fn states(&mut self, states: u32) {
        self.spares_new |= states & NEW == 0;
    }

    /// Notes what a match of iptables asks for, by its name and its data.
    pub fn matched(&mut self, name: &str, info: &[u8]) {
        let short = |at: usize| Some(u16::from_ne_bytes(*info.get(at..)?.first_chunk()?));
        match name {
            "comment" => {}
            // `struct xt_conntrack_mtinfo3`, linux/netfilter/xt_conntrack.h
            "conntrack" => {
                let [flags, inverted, states] = [146, 148, 150].map(short);
                match (flags, inverted, states) {
                    (Some(flags), Some(inverted), Some(states))
                        if flags & 1 != 0 && inverted & 1 == 0 =>
                    {
                        self.states(states.into());
                        self.is_partial |= flags != 1;
                    }
                    _ => self.is_partial = true,
                }
            }
            "state" => match info.first_chunk() {
                Some(states) => self.states(u32::from_ne_bytes(*states)),
                None => self.is_partial = true,
            },
            _ => self.is_partial = true,
        }
    }

    /// Notes what a target of iptables does, by its name.
    pub fn targeted(&mut self, name: &str) {
        self.action = match name {
            "REJECT" => Action::Drop,
            "NFQUEUE" | "QUEUE" | "TPROXY" => Action::Unknown,
            _ => return,
        };
    }
}

/// `NF_CT_STATE_BIT(IP_CT_NEW)`, linux/netfilter/nf_conntrack_common.h
const NEW: u32 = 8;

/// What the last expression has loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loaded {
    Input,
    Output,
    Protocol,
    Transport,
    State,
    Source { is_ipv6: bool },
    Destination { is_ipv6: bool },
    Other,
}

/// Expressions are taken one after the other, as the kernel evaluates them.
struct Reader {
    family: Family,
    loaded: Option<Loaded>,
    mask: Option<Vec<u8>>,
    outline: Outline,
}

/// `NFT_CMP_EQ`, `NFT_CMP_NEQ`
const EQUAL: u32 = 0;
const UNEQUAL: u32 = 1;

impl Reader {
    fn of(family: Family) -> Self {
        let is_ipv6 = match family {
            Family::Ip => Some(false),
            Family::Ip6 => Some(true),
            _ => None,
        };
        Self {
            family,
            loaded: None,
            mask: None,
            outline: Outline {
                is_ipv6,
                ..Outline::default()
            },
        }
    }

    fn take(&mut self, name: &str, data: Attributes<'_>) {
        match name {
            "meta" => self.load(match number(&data, 2) {
                Some(6) => Loaded::Input,
                Some(7) => Loaded::Output,
                Some(15) => Loaded::Protocol,
                Some(Field::L4PROTO_KEY) => Loaded::Transport,
                _ => Loaded::Other,
            }),
            "payload" => self.load(self.place(&data).unwrap_or(Loaded::Other)),
            "ct" => self.load(match number(&data, 2) {
                Some(0) => Loaded::State,
                _ => Loaded::Other,
            }),
            "bitwise" => {
                let mask = data.get(4).map(|mask| mask.nested());
                let mask = mask.and_then(|mask| Some(mask.get(data::VALUE)?.payload.to_vec()));
                self.mask = mask;
            }
            "cmp" => self.compare(&data),
            "lookup" => {
                // With a verdict for each key it may lead anywhere.
                if number(&data, 3) == Some(0) {
                    self.outline.action = Action::Unknown;
                }
                self.outline.is_partial = true;
                self.loaded = None;
            }
            "immediate" => self.decide(&data),
            "reject" => self.outline.action = Action::Drop,
            "queue" => self.outline.action = Action::Unknown,
            "match" => {
                let name = data.get(1).and_then(|name| name.as_str());
                let info = data.get(3).map(|info| info.payload);
                let (name, info) = (name.unwrap_or_default(), info.unwrap_or_default());
                self.outline.matched(name, info);
            }
            "target" => {
                let name = data.get(1).and_then(|name| name.as_str());
                self.outline.targeted(name.unwrap_or_default());
            }
            "counter" | "log" | "notrack" | "nat" | "masq" | "redir" => {}
            "fib" | "rt" | "socket" | "osf" | "hash" | "exthdr" | "numgen" => {
                self.load(Loaded::Other);
            }
            _ => self.outline.is_partial = true,
        }
    }

    fn load(&mut self, loaded: Loaded) {
        self.loaded = Some(loaded);
        self.mask = None;
    }

    /// Which address is fetched. `nft` and iptables fetch no more of it than a prefix of whole bytes needs.
    fn place(&self, payload: &Attributes<'_>) -> Option<Loaded> {
        const NETWORK: u32 = 1;
        if number(payload, 2)? != NETWORK {
            return None;
        }
        let is_ipv6 = self.outline.is_ipv6;
        match number(payload, 3)? {
            9 if is_ipv6 == Some(false) => Some(Loaded::Transport),
            8 if is_ipv6 == Some(true) => Some(Loaded::Source { is_ipv6: true }),
            24 if is_ipv6 == Some(true) => Some(Loaded::Destination { is_ipv6: true }),
            12 if is_ipv6 != Some(true) => Some(Loaded::Source { is_ipv6: false }),
            16 if is_ipv6 != Some(true) => Some(Loaded::Destination { is_ipv6: false }),
            _ => None,
        }
    }

    fn compare(&mut self, cmp: &Attributes<'_>) {
        let (loaded, mask) = (self.loaded.take(), self.mask.take());
        let value = cmp.get(3).map(|value| value.nested());
        let value = value.and_then(|value| Some(value.get(data::VALUE)?.payload.to_vec()));
        let (Some(loaded), Some(value), Some(operator)) = (loaded, value, number(cmp, 2)) else {
            self.outline.is_partial = true;
            return;
        };
        let is_known = match (loaded, operator) {
            (Loaded::State, EQUAL | UNEQUAL) => self.compare_states(operator, &value, mask),
            (Loaded::Input, EQUAL) => put(&mut self.outline.input, Some(name(&value))),
            (Loaded::Output, EQUAL) => put(&mut self.outline.output, Some(name(&value))),
            (Loaded::Transport, EQUAL) => put(&mut self.outline.protocol, value.first().copied()),
            (Loaded::Protocol, EQUAL) => self.compare_protocol(&value),
            (Loaded::Source { is_ipv6 }, EQUAL) => put(
                &mut self.outline.source,
                prefix(is_ipv6, &value, mask.as_deref()),
            ),
            (Loaded::Destination { is_ipv6 }, EQUAL) => put(
                &mut self.outline.destination,
                prefix(is_ipv6, &value, mask.as_deref()),
            ),
            _ => false,
        };
        self.outline.is_partial |= !is_known;
    }

    /// `ct state established,related` is a mask and a comparison with nothing.
    fn compare_states(&mut self, operator: u32, value: &[u8], mask: Option<Vec<u8>>) -> bool {
        let states = |bytes: &[u8]| bytes.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk));
        let (value, mask) = (states(value), mask.as_deref().map(states));
        match (operator, value, mask) {
            (UNEQUAL, Some(0), Some(Some(mask))) => self.outline.states(mask),
            (EQUAL, Some(value), None) => self.outline.states(value),
            _ => return false,
        }
        true
    }

    fn compare_protocol(&mut self, value: &[u8]) -> bool {
        let of = |family: Family| value == [family.number()];
        self.outline.is_ipv6 = match (of(Family::Ip), of(Family::Ip6)) {
            (true, _) => Some(false),
            (_, true) => Some(true),
            _ => return false,
        };
        self.family == Family::Inet
    }

    fn decide(&mut self, immediate: &Attributes<'_>) {
        let verdict = immediate.get(2).map(|data| data.nested());
        let verdict = verdict.and_then(|data| data.get(data::VERDICT));
        let Some(verdict) = verdict else { return };
        self.outline.action = match Verdict::decode(&verdict) {
            Some(Verdict::Accept) => Action::Accept,
            Some(Verdict::Drop) => Action::Drop,
            Some(Verdict::Continue) => Action::Nothing,
            Some(Verdict::Return) => Action::Return,
            Some(Verdict::Jump(chain)) => Action::Jump(chain),
            Some(Verdict::Goto(chain)) => Action::Goto(chain),
            None => Action::Unknown,
        };
    }
}

/// Whether it is the first that is said of it.
fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_known = place.is_none() && value.is_some();
    if place.is_none() {
        *place = value;
    }
    is_known
}

/// The name of an interface, as long as it is compared: with the zero behind it all of it is.
fn name(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0);
    let text = String::from_utf8_lossy(&value[..end.unwrap_or(value.len())]).into_owned();
    match end {
        Some(_) => text,
        None => text + "*",
    }
}

fn prefix(is_ipv6: bool, value: &[u8], mask: Option<&[u8]>) -> Option<(IpAddr, u8)> {
    let length = match mask {
        Some(mask) => ones(mask)?,
        None => u8::try_from(value.len() * 8).ok()?,
    };
    let address = match is_ipv6 {
        true => Ipv6Addr::from(padded::<16>(value)?).into(),
        false => Ipv4Addr::from(padded::<4>(value)?).into(),
    };
    Some((address, length))
}

/// The length of the prefix that a mask lets through; `None` where it is none of a prefix.
fn ones(mask: &[u8]) -> Option<u8> {
    let count: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
    let all: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let is_first = mask
        .iter()
        .skip_while(|byte| **byte == 0xff)
        .skip(1)
        .all(|byte| *byte == 0);
    (count == all && is_first).then(|| u8::try_from(count).ok())?
}

fn padded<const LEN: usize>(value: &[u8]) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    bytes.get_mut(..value.len())?.copy_from_slice(value);
    Some(bytes)
}

fn number(data: &Attributes<'_>, kind: u16) -> Option<u32> {
    data.get(kind)?.as_be32()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_prefixes_or_not() {
        for (mask, length) in [
            (&[0xff, 0xff, 0, 0][..], Some(16)),
            (&[0xff, 0xf0, 0, 0], Some(12)),
            (&[0xff, 0, 0xff, 0], None),
            (&[0x0f, 0, 0, 0], None),
            (&[0, 0], Some(0)),
        ] {
            assert_eq!(ones(mask), length, "{mask:?}");
        }
    }

    #[test]
    fn a_name_that_is_compared_in_part_stands_for_more() {
        assert_eq!(name(b"cni0\0\0\0\0"), "cni0");
        assert_eq!(name(b"veth"), "veth*");
    }
}
