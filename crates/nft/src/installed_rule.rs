//! Rules as the kernel has them.

use std::net::IpAddr;

use linkspan_netlink::{Attribute, Attributes, Message};

use crate::Rule;
use crate::family::{Family, HEADER_LEN};
use crate::field::Field;
use crate::uapi::{self, data, expr, rule};
use crate::userdata;
use crate::verdict::Verdict;

/// A rule as it was read: what names it and what tells whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledRule {
    /// Its table's family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// The kernel's number of it.
    pub handle: u64,
    /// Its comment, as `nft` and Linkspan keep it, or as iptables does: a match of that name.
    pub comment: Option<String>,
    /// Its owner, when Linkspan made it and nobody has saved and restored it since.
    pub owner: Option<String>,
    /// The chain that it jumps or goes to.
    pub target: Option<String>,
    /// It lets pass what it is about.
    pub accepts: bool,
    /// The one source address that it is about, as `ip saddr` and `iptables -s` write it.
    pub source: Option<IpAddr>,
    /// The one destination address that it is about.
    pub destination: Option<IpAddr>,
}

impl InstalledRule {
    /// Reads an answer to [`Query::rules`](crate::Query::rules).
    pub fn decode(message: &Message<'_>) -> Option<Self> {
        if message.kind != uapi::message(uapi::msg::NEWRULE) {
            return None;
        }
        let family = Family::from_number(*message.payload.first()?)?;
        let attributes = Attributes::new(message.attributes(HEADER_LEN));
        let expressions = attributes.get(rule::EXPRESSIONS)?.nested();
        let [source, destination] = addresses(&expressions);
        let userdata = attributes.get(rule::USERDATA);
        let userdata = userdata
            .map(|userdata| userdata.payload)
            .unwrap_or_default();
        Some(Self {
            family,
            table: attributes.get(rule::TABLE)?.as_str()?.to_owned(),
            chain: attributes.get(rule::CHAIN)?.as_str()?.to_owned(),
            handle: attributes.get(rule::HANDLE)?.as_be64()?,
            comment: userdata::read_comment(userdata).or_else(|| {
                expressions
                    .clone()
                    .find_map(|expression| comment(&expression))
            }),
            owner: userdata::read_owner(userdata),
            target: expressions
                .clone()
                .find_map(|expression| target(&expression)),
            accepts: expressions
                .clone()
                .any(|expression| verdict(&expression) == Some(Verdict::Accept)),
            source,
            destination,
        })
    }

    /// This rule as a batch names it, to delete it.
    pub fn to_delete(&self) -> Rule {
        Rule {
            family: self.family,
            table: self.table.clone(),
            chain: self.chain.clone(),
            expressions: Vec::new(),
            comment: self.comment.clone(),
            owner: self.owner.clone(),
            handle: Some(self.handle),
        }
    }
}

/// The text of `-m comment`.
fn comment(expression: &Attribute<'_>) -> Option<String> {
    let attributes = expression.nested();
    if attributes.get(expr::NAME)?.as_str()? != "match" {
        return None;
    }
    let data = attributes.get(expr::DATA)?.nested();
    let is_comment = data.get(MATCH_NAME)?.as_str()? == "comment";
    is_comment.then_some(data.get(MATCH_INFO)?.as_str()?.to_owned())
}

/// `NFTA_MATCH_NAME`, `NFTA_MATCH_INFO`
const MATCH_NAME: u16 = 1;
const MATCH_INFO: u16 = 3;

/// The chain that an expression sends packets to, when it is a verdict.
fn target(expression: &Attribute<'_>) -> Option<String> {
    verdict(expression)?.chain().map(str::to_owned)
}

fn verdict(expression: &Attribute<'_>) -> Option<Verdict> {
    let attributes = expression.nested();
    if attributes.get(expr::NAME)?.as_str()? != "immediate" {
        return None;
    }
    let immediate = attributes.get(expr::DATA)?.nested();
    let verdict = immediate.get(2)?.nested().get(data::VERDICT)?;
    Verdict::decode(&verdict)
}

/// The source and the destination address that a rule compares the packet's with, each as a whole.
fn addresses(expressions: &Attributes<'_>) -> [Option<IpAddr>; 2] {
    let mut found = [None; 2];
    let mut loaded = None;
    for expression in expressions.clone() {
        let attributes = expression.nested();
        let name = attributes.get(expr::NAME).and_then(|name| name.as_str());
        let data = attributes.get(expr::DATA).map(|data| data.nested());
        let (Some(name), Some(data)) = (name, data) else {
            continue;
        };
        match (name, loaded.take()) {
            ("payload", _) => loaded = address_at(&data),
            ("cmp", Some(side)) => found[side] = found[side].or(compared(&data)),
            _ => {}
        }
    }
    found
}

/// Which of the two addresses a payload expression loads.
fn address_at(payload: &Attributes<'_>) -> Option<usize> {
    let number = |kind| payload.get(kind).and_then(|value| value.as_be32());
    let loads = |field: Field| {
        field
            .is_payload(number(2)?, number(3)?, number(4)?)
            .then_some(())
    };
    let side = |fields: [Field; 2]| fields.into_iter().find_map(loads);
    side([Field::IpSaddr, Field::Ip6Saddr])
        .map(|()| 0)
        .or_else(|| side([Field::IpDaddr, Field::Ip6Daddr]).map(|()| 1))
}

/// The address that a comparison for equality is with.
fn compared(cmp: &Attributes<'_>) -> Option<IpAddr> {
    const EQUAL: u32 = 0;
    if cmp.get(2)?.as_be32()? != EQUAL {
        return None;
    }
    let value = cmp.get(3)?.nested().get(data::VALUE)?.payload;
    let four = || <[u8; 4]>::try_from(value).ok().map(IpAddr::from);
    four().or_else(|| <[u8; 16]>::try_from(value).ok().map(IpAddr::from))
}
