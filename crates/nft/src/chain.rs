//! Chains.

use std::fmt;

use linkspan_netlink::{Attributes, Message, Request};

use crate::family::{Family, HEADER_LEN};
use crate::table::Table;
use crate::uapi::{self, chain, hook};
use crate::userdata;

/// A chain of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its table's family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name, unique in the table.
    pub name: String,
    /// Where packets enter it; `None` for a chain that only others jump to.
    pub base: Option<Base>,
    /// Shown by `nft list`; at most [`MAX_COMMENT`](crate::MAX_COMMENT) bytes.
    pub comment: Option<String>,
    /// Rules in it and jumps to it, as the kernel counts; only set in what was read.
    pub references: Option<u32>,
}

/// What makes a chain a base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// What its rules may do.
    pub kind: ChainKind,
    /// Where in the packet's path.
    pub hook: Hook,
    /// Order among the chains of one hook: lower comes first.
    pub priority: i32,
    /// Whether a packet that no rule decided on is dropped rather than accepted.
    pub drops_by_default: bool,
}

/// The type of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// Accepts and drops.
    Filter,
    /// Translates addresses; sees the first packet of a connection only.
    Nat,
    /// Routes again after a change.
    Route,
}

/// The hook of a base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// To this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// After routing.
    Postrouting,
    /// As it arrives at this device (family netdev).
    Ingress(String),
    /// As it leaves through this device (family netdev).
    Egress(String),
}

impl Hook {
    fn number(&self) -> u32 {
        match self {
            Self::Prerouting | Self::Ingress(_) => 0,
            Self::Input | Self::Egress(_) => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }

    fn device(&self) -> Option<&str> {
        match self {
            Self::Ingress(device) | Self::Egress(device) => Some(device),
            _ => None,
        }
    }

    fn decode(number: u32, device: Option<&str>) -> Option<Self> {
        Some(match (number, device) {
            (0, Some(device)) => Self::Ingress(device.to_owned()),
            (1, Some(device)) => Self::Egress(device.to_owned()),
            (0, None) => Self::Prerouting,
            (1, None) => Self::Input,
            (2, None) => Self::Forward,
            (3, None) => Self::Output,
            (4, None) => Self::Postrouting,
            _ => return None,
        })
    }
}

impl fmt::Display for ChainKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        })
    }
}

impl Chain {
    /// A chain that packets reach by a jump only.
    pub fn regular(table: &Table, name: impl Into<String>) -> Self {
        Self {
            family: table.family,
            table: table.name.clone(),
            name: name.into(),
            base: None,
            comment: None,
            references: None,
        }
    }

    /// A filter chain at a hook, accepting by default.
    pub fn filter(table: &Table, name: impl Into<String>, hook: Hook, priority: i32) -> Self {
        Self::regular(table, name).at(ChainKind::Filter, hook, priority)
    }

    /// A NAT chain at a hook.
    pub fn nat(table: &Table, name: impl Into<String>, hook: Hook, priority: i32) -> Self {
        Self::regular(table, name).at(ChainKind::Nat, hook, priority)
    }

    /// A route chain: its rules may change what routing looks at.
    pub fn route(table: &Table, name: impl Into<String>, hook: Hook, priority: i32) -> Self {
        Self::regular(table, name).at(ChainKind::Route, hook, priority)
    }

    fn at(mut self, kind: ChainKind, hook: Hook, priority: i32) -> Self {
        self.base = Some(Base {
            kind,
            hook,
            priority,
            drops_by_default: false,
        });
        self
    }

    /// Drops what no rule decided on. Has no effect on a regular chain.
    #[must_use]
    pub fn drop_by_default(mut self) -> Self {
        if let Some(base) = &mut self.base {
            base.drops_by_default = true;
        }
        self
    }

    /// With this comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    pub(crate) fn write(&self, request: &mut Request) {
        request
            .header(&self.family.header())
            .string(chain::TABLE, &self.table)
            .string(chain::NAME, &self.name);
    }

    pub(crate) fn write_definition(&self, request: &mut Request) {
        self.write(request);
        if let Some(base) = &self.base {
            request.nest(chain::HOOK, |at| {
                at.be32(hook::HOOKNUM, base.hook.number())
                    .be32(hook::PRIORITY, base.priority.cast_unsigned());
                if let Some(device) = base.hook.device() {
                    at.string(hook::DEV, device);
                }
            });
            let policy = if base.drops_by_default {
                libc::NF_DROP
            } else {
                libc::NF_ACCEPT
            };
            request
                .be32(chain::POLICY, policy.cast_unsigned())
                .string(chain::TYPE, &base.kind.to_string());
        }
        if let Some(comment) = &self.comment {
            request.bytes(chain::USERDATA, &userdata::comment(comment));
        }
    }

    /// Reads an answer to [`Query::chain`](crate::Query::chain) or [`Query::chains`](crate::Query::chains).
    pub fn decode(message: &Message<'_>) -> Option<Self> {
        if message.kind != uapi::message(uapi::msg::NEWCHAIN) {
            return None;
        }
        let family = Family::from_number(*message.payload.first()?)?;
        let attributes = Attributes::new(message.attributes(HEADER_LEN));
        let number = |kind| attributes.get(kind).and_then(|value| value.as_be32());
        Some(Self {
            family,
            table: attributes.get(chain::TABLE)?.as_str()?.to_owned(),
            name: attributes.get(chain::NAME)?.as_str()?.to_owned(),
            base: decode_base(&attributes),
            comment: attributes
                .get(chain::USERDATA)
                .and_then(|userdata| userdata::read_comment(userdata.payload)),
            references: number(chain::USE),
        })
    }
}

fn decode_base(attributes: &Attributes<'_>) -> Option<Base> {
    let at = attributes.get(chain::HOOK)?.nested();
    let device = at.get(hook::DEV).and_then(|device| device.as_str());
    let policy = attributes.get(chain::POLICY)?.as_be32()?;
    Some(Base {
        kind: match attributes.get(chain::TYPE)?.as_str()? {
            "filter" => ChainKind::Filter,
            "nat" => ChainKind::Nat,
            "route" => ChainKind::Route,
            _ => return None,
        },
        hook: Hook::decode(at.get(hook::HOOKNUM)?.as_be32()?, device)?,
        priority: at.get(hook::PRIORITY)?.as_be32()?.cast_signed(),
        drops_by_default: policy == libc::NF_DROP.cast_unsigned(),
    })
}
