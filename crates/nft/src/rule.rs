//! Rules.

use std::net::IpAddr;

use linkspan_netlink::Request;

use crate::expr::{Expr, Nat, NatFlags, NatKind, Reject};
use crate::family::Family;
use crate::field::{CtState, CtStatus, Field, Operand};
use crate::iptables::Match;
use crate::register::Register;
use crate::table::Table;
use crate::uapi::rule;
use crate::userdata;
use crate::value::Value;
use crate::verdict::Verdict;

/// A rule: conditions, then what happens to the packets that meet them all.
///
/// Its methods append instructions in the order of their calls, as one would write them for `nft`.
/// A condition on an address or a port of a table of the family inet comes after the one that says
/// which protocol it is: [`is_ipv4`](Self::is_ipv4), [`is_ipv6`](Self::is_ipv6),
/// [`is`](Self::is)`(Field::L4Proto, …)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its table's family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// The instructions.
    pub expressions: Vec<Expr>,
    /// Shown by `nft list`; at most [`MAX_COMMENT`](crate::MAX_COMMENT) bytes.
    pub comment: Option<String>,
    /// Whose it is: shown by nobody, read back by us. At most [`MAX_COMMENT`](crate::MAX_COMMENT) bytes.
    pub owner: Option<String>,
    /// The kernel's number of it, to name it for removal.
    pub handle: Option<u64>,
}

impl Rule {
    /// An empty rule in this chain.
    pub fn new(table: &Table, chain: impl Into<String>) -> Self {
        Self {
            family: table.family,
            table: table.name.clone(),
            chain: chain.into(),
            expressions: Vec::new(),
            comment: None,
            owner: None,
            handle: None,
        }
    }

    /// Appends one instruction.
    #[must_use]
    pub fn expression(mut self, expression: Expr) -> Self {
        self.expressions.push(expression);
        self
    }

    /// With this comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Of this owner.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Loads the fields into registers one after another, from the first on.
    fn load<O: Into<Operand>>(mut self, fields: impl IntoIterator<Item = O>) -> Self {
        let mut register = Register::FIRST;
        for operand in fields.into_iter().map(Into::into) {
            self.expressions.push(Expr::Load(operand.field, register));
            if let Some(mask) = operand.mask() {
                self.expressions.push(Expr::Mask(register, mask));
            }
            register = register.after(operand.words());
        }
        self
    }

    /// If the field has this value.
    #[must_use]
    pub fn is(self, field: impl Into<Operand>, value: impl Into<Value>) -> Self {
        let value = value.into().to_bytes();
        self.load([field])
            .expression(Expr::Compare(Register::FIRST, true, value))
    }

    /// If the field has another value.
    #[must_use]
    pub fn is_not(self, field: impl Into<Operand>, value: impl Into<Value>) -> Self {
        let value = value.into().to_bytes();
        self.load([field])
            .expression(Expr::Compare(Register::FIRST, false, value))
    }

    /// If the field is from the first to the last of these values.
    #[must_use]
    pub fn is_between(self, field: Field, first: impl Into<Value>, last: impl Into<Value>) -> Self {
        let (first, last) = (first.into().to_bytes(), last.into().to_bytes());
        self.load([field])
            .expression(Expr::Range(Register::FIRST, true, first, last))
    }

    /// If the field, a 32-bit number, has any of these bits.
    #[must_use]
    fn has_any(self, field: Field, bits: u32) -> Self {
        self.load([field])
            .expression(Expr::Mask(Register::FIRST, bits.to_ne_bytes().into()))
            .expression(Expr::Compare(Register::FIRST, false, vec![0; 4]))
    }

    /// `meta nfproto ipv4`
    #[must_use]
    pub fn is_ipv4(self) -> Self {
        self.is(Field::NfProto, Value::Byte(Family::Ip.number()))
    }

    /// `meta nfproto ipv6`
    #[must_use]
    pub fn is_ipv6(self) -> Self {
        self.is(Field::NfProto, Value::Byte(Family::Ip6.number()))
    }

    /// If the connection is in any of these states.
    #[must_use]
    pub fn ct_state(self, states: CtState) -> Self {
        self.has_any(Field::CtState, states.bits())
    }

    /// If the connection has this status.
    #[must_use]
    pub fn ct_status(self, status: CtStatus) -> Self {
        self.has_any(Field::CtStatus, status.bits())
    }

    /// `meta mark & bits == bits`: if the packet's mark has all of these bits.
    #[must_use]
    pub fn mark_has(self, bits: u32) -> Self {
        self.load([Field::Mark])
            .expression(Expr::Mask(Register::FIRST, bits.to_ne_bytes().into()))
            .expression(Expr::Compare(
                Register::FIRST,
                true,
                bits.to_ne_bytes().into(),
            ))
    }

    /// `fib daddr type local`: if the destination is an address of this host.
    #[must_use]
    pub fn to_this_host(self) -> Self {
        self.is(Field::FibDaddrType, Value::Mark(u32::from(libc::RTN_LOCAL)))
    }

    /// If the concatenation of these fields is in the set.
    #[must_use]
    pub fn in_set<O: Into<Operand>>(
        self,
        fields: impl IntoIterator<Item = O>,
        set: impl Into<String>,
    ) -> Self {
        self.load(fields)
            .expression(Expr::Lookup(Register::FIRST, true, set.into()))
    }

    /// If the concatenation of these fields is not in the set.
    #[must_use]
    pub fn not_in_set<O: Into<Operand>>(
        self,
        fields: impl IntoIterator<Item = O>,
        set: impl Into<String>,
    ) -> Self {
        self.load(fields)
            .expression(Expr::Lookup(Register::FIRST, false, set.into()))
    }

    /// Decides as a verdict map says about these fields.
    #[must_use]
    pub fn verdict_map<O: Into<Operand>>(
        self,
        fields: impl IntoIterator<Item = O>,
        map: impl Into<String>,
    ) -> Self {
        self.load(fields)
            .expression(Expr::VerdictMap(Register::FIRST, map.into()))
    }

    /// Decides.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.expression(Expr::Verdict(verdict))
    }

    /// Lets the packet pass.
    #[must_use]
    pub fn accept(self) -> Self {
        self.verdict(Verdict::Accept)
    }

    /// Throws the packet away.
    #[must_use]
    pub fn drop(self) -> Self {
        self.verdict(Verdict::Drop)
    }

    /// Back to the calling chain.
    #[must_use]
    pub fn return_(self) -> Self {
        self.verdict(Verdict::Return)
    }

    /// Into another chain, and back afterwards.
    #[must_use]
    pub fn jump(self, chain: impl Into<String>) -> Self {
        self.verdict(Verdict::Jump(chain.into()))
    }

    /// Into another chain for good.
    #[must_use]
    pub fn goto(self, chain: impl Into<String>) -> Self {
        self.verdict(Verdict::Goto(chain.into()))
    }

    /// If this match of iptables does.
    #[must_use]
    pub fn matches(self, one: Match) -> Self {
        self.expression(Expr::Match(one))
    }

    /// Refuses with this answer.
    #[must_use]
    pub fn reject(self, reject: Reject) -> Self {
        self.expression(Expr::Reject(reject))
    }

    /// Counts packets and bytes.
    #[must_use]
    pub fn counter(self) -> Self {
        self.expression(Expr::Counter)
    }

    /// Sets bits of the packet's mark, leaving the others: `meta mark set meta mark | bits`.
    #[must_use]
    pub fn set_mark_bits(self, bits: u32) -> Self {
        self.load([Field::Mark])
            .expression(Expr::SetBits(Register::FIRST, bits))
            .expression(Expr::SetMark(Register::FIRST))
    }

    /// Clears bits of the packet's mark, leaving the others: `meta mark set meta mark & ~bits`.
    #[must_use]
    pub fn clear_mark_bits(self, bits: u32) -> Self {
        self.load([Field::Mark])
            .expression(Expr::Mask(Register::FIRST, (!bits).to_ne_bytes().into()))
            .expression(Expr::SetMark(Register::FIRST))
    }

    /// Sets the connection's mark.
    #[must_use]
    pub fn set_ct_mark(self, mark: u32) -> Self {
        self.expression(Expr::Immediate(Register::FIRST, mark.to_ne_bytes().into()))
            .expression(Expr::SetCtMark(Register::FIRST))
    }

    /// Translates the source to the address of the interface that the packet leaves by.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.expression(Expr::Masquerade(NatFlags::default()))
    }

    /// Translates the destination to this address, and to this port if there is one.
    #[must_use]
    pub fn dnat(self, address: IpAddr, port: Option<u16>) -> Self {
        self.nat(NatKind::Destination, address, port)
    }

    /// Translates the source to this address, and to this port if there is one.
    #[must_use]
    pub fn snat(self, address: IpAddr, port: Option<u16>) -> Self {
        self.nat(NatKind::Source, address, port)
    }

    fn nat(mut self, kind: NatKind, address: IpAddr, port: Option<u16>) -> Self {
        let at = Register::FIRST;
        let port_at = at.after(ADDRESS_WORDS);
        let bytes = Value::from(address).to_bytes();
        self.expressions.push(Expr::Immediate(at, bytes));
        if let Some(port) = port {
            let bytes = Value::Port(port).to_bytes();
            self.expressions.push(Expr::Immediate(port_at, bytes));
        }
        self.expression(Expr::Nat(Nat {
            kind,
            family: family_of(address),
            address: Some((at, at)),
            port: port.map(|_| (port_at, port_at)),
            flags: NatFlags::default(),
        }))
    }

    /// Translates the destination to what a map leads to, an address of `family` and a port.
    #[must_use]
    pub fn dnat_by_map<O: Into<Operand>>(
        self,
        family: Family,
        fields: impl IntoIterator<Item = O>,
        map: impl Into<String>,
    ) -> Self {
        let at = Register::FIRST;
        let port_at = at.after(if family == Family::Ip6 {
            ADDRESS_WORDS
        } else {
            1
        });
        self.load(fields)
            .expression(Expr::Map(at, map.into(), at))
            .expression(Expr::Nat(Nat {
                kind: NatKind::Destination,
                family,
                address: Some((at, at)),
                port: Some((port_at, port_at)),
                flags: NatFlags::default(),
            }))
    }

    pub(crate) fn write(&self, request: &mut Request) {
        request
            .header(&self.family.header())
            .string(rule::TABLE, &self.table)
            .string(rule::CHAIN, &self.chain);
        if let Some(handle) = self.handle {
            request.be64(rule::HANDLE, handle);
        }
    }

    pub(crate) fn write_definition(&self, request: &mut Request) {
        self.write(request);
        request.nest(rule::EXPRESSIONS, |list| {
            for expression in &self.expressions {
                expression.write(list);
            }
        });
        let userdata = userdata::of_rule(self.comment.as_deref(), self.owner.as_deref());
        if !userdata.is_empty() {
            request.bytes(rule::USERDATA, &userdata);
        }
    }
}

/// Registers that an IPv6 address takes.
const ADDRESS_WORDS: u8 = 4;

fn family_of(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::Ip,
        IpAddr::V6(_) => Family::Ip6,
    }
}
