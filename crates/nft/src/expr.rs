//! Expressions: the instructions that a rule is made of.

use linkspan_netlink::AttributeWriter;

use crate::family::Family;
use crate::field::{CT_MARK, Field, META_MARK};
use crate::iptables::Match;
use crate::register::Register;
use crate::uapi::{self, data, expr};
use crate::verdict::Verdict;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Fetch a field.
    Load(Field, Register),
    /// Keep the bits of the mask.
    Mask(Register, Vec<u8>),
    /// Set these bits of a 32-bit number, keep the others.
    SetBits(Register, u32),
    /// Go on if the register holds this value (`true`), or if it does not.
    Compare(Register, bool, Vec<u8>),
    /// Go on if the register is from the first to the second value (`true`), or if it is not.
    Range(Register, bool, Vec<u8>, Vec<u8>),
    /// Put a value into the register.
    Immediate(Register, Vec<u8>),
    /// Decide.
    Verdict(Verdict),
    /// Go on if the key is in the set (`true`), or if it is not.
    Lookup(Register, bool, String),
    /// Fetch what a map leads to: key, map, destination.
    Map(Register, String, Register),
    /// Decide as a verdict map says.
    VerdictMap(Register, String),
    /// Set the packet's mark.
    SetMark(Register),
    /// Set the connection's mark.
    SetCtMark(Register),
    /// Translate addresses.
    Nat(Nat),
    /// Translate the source to the address of the interface that the packet leaves by.
    Masquerade(NatFlags),
    /// Translate the destination to this host, to the port in the register if there is one.
    Redirect(Option<Register>, NatFlags),
    /// Count packets and bytes.
    Counter,
    /// Go on for at most this many packets each second, with this burst.
    Limit(u64, u32),
    /// Refuse with an answer.
    Reject(Reject),
    /// Write to the kernel's log with this prefix.
    Log(String),
    /// Go on if a match of iptables does.
    Match(Match),
}

/// Source or destination NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Which side is translated.
    pub kind: NatKind,
    /// [`Family::Ip`] or [`Family::Ip6`].
    pub family: Family,
    /// Registers with the first and last new address.
    pub address: Option<(Register, Register)>,
    /// Registers with the first and last new port.
    pub port: Option<(Register, Register)>,
    /// How ports are chosen.
    pub flags: NatFlags,
}

/// Which side [`Nat`] translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// How a translated port is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatFlags {
    /// A client keeps the same address for all its connections.
    pub persistent: bool,
    /// Ports are chosen at random.
    pub random: bool,
    /// Ports are chosen at random, independent of the packet.
    pub fully_random: bool,
}

impl NatFlags {
    fn bits(self) -> u32 {
        // `NF_NAT_RANGE_…` of linux/netfilter/nf_nat.h
        [
            (self.random, 1 << 2),
            (self.persistent, 1 << 3),
            (self.fully_random, 1 << 4),
        ]
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(0, |bits, (_, flag)| bits | flag)
    }
}

/// The answer of [`Expr::Reject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// A TCP reset.
    TcpReset,
    /// ICMP or ICMPv6: no route.
    NoRoute,
    /// ICMP or ICMPv6: port unreachable.
    PortUnreachable,
    /// ICMP or ICMPv6: host unreachable.
    HostUnreachable,
    /// ICMP or ICMPv6: administratively prohibited.
    AdminProhibited,
}

impl Reject {
    /// `NFT_REJECT_…` type and `NFT_REJECT_ICMPX_…` code.
    fn numbers(self) -> (u32, u8) {
        const TCP_RST: u32 = 1;
        const ICMPX: u32 = 2;
        match self {
            Self::TcpReset => (TCP_RST, 0),
            Self::NoRoute => (ICMPX, 0),
            Self::PortUnreachable => (ICMPX, 1),
            Self::HostUnreachable => (ICMPX, 2),
            Self::AdminProhibited => (ICMPX, 3),
        }
    }
}

impl Expr {
    fn name(&self) -> &'static str {
        match self {
            Self::Load(field, _) => field.expression(),
            Self::Mask(..) | Self::SetBits(..) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::Range(..) => "range",
            Self::Immediate(..) | Self::Verdict(_) => "immediate",
            Self::Lookup(..) | Self::Map(..) | Self::VerdictMap(..) => "lookup",
            Self::SetMark(_) => "meta",
            Self::SetCtMark(_) => "ct",
            Self::Nat(_) => "nat",
            Self::Masquerade(_) => "masq",
            Self::Redirect(..) => "redir",
            Self::Counter => "counter",
            Self::Limit(..) => "limit",
            Self::Reject(_) => "reject",
            Self::Log(_) => "log",
            Self::Match(_) => "match",
        }
    }

    pub(crate) fn write(&self, list: &mut AttributeWriter) {
        list.nest(uapi::LIST_ELEM, |element| {
            element
                .string(expr::NAME, self.name())
                .nest(expr::DATA, |to| self.write_attributes(to));
        });
    }

    fn write_attributes(&self, to: &mut AttributeWriter) {
        match self {
            Self::Load(field, register) => field.write(to, *register),
            Self::Mask(register, mask) => write_bitwise(to, *register, mask, &vec![0; mask.len()]),
            Self::SetBits(register, bits) => {
                let keep = (!bits).to_ne_bytes();
                write_bitwise(to, *register, &keep, &bits.to_ne_bytes());
            }
            Self::Compare(register, equal, value) => {
                to.be32(1, register.number()).be32(2, u32::from(!equal));
                write_value(to, 3, value);
            }
            Self::Range(register, inside, first, last) => {
                to.be32(1, register.number()).be32(2, u32::from(!inside));
                write_value(to, 3, first);
                write_value(to, 4, last);
            }
            Self::Immediate(register, value) => {
                to.be32(1, register.number());
                write_value(to, 2, value);
            }
            Self::Verdict(verdict) => {
                to.be32(1, VERDICT_REGISTER)
                    .nest(2, |data| verdict.write(data));
            }
            Self::Lookup(key, inside, set) => {
                to.string(1, set)
                    .be32(2, key.number())
                    .be32(5, u32::from(!inside));
            }
            Self::Map(key, map, destination) => {
                to.string(1, map)
                    .be32(2, key.number())
                    .be32(3, destination.number());
            }
            Self::VerdictMap(key, map) => {
                to.string(1, map)
                    .be32(2, key.number())
                    .be32(3, VERDICT_REGISTER);
            }
            Self::SetMark(source) => {
                to.be32(2, META_MARK).be32(3, source.number());
            }
            Self::SetCtMark(source) => {
                to.be32(2, CT_MARK).be32(4, source.number());
            }
            Self::Nat(nat) => nat.write(to),
            Self::Masquerade(flags) => write_flags(to, 1, *flags),
            Self::Redirect(port, flags) => {
                if let Some(port) = port {
                    to.be32(1, port.number());
                }
                write_flags(to, 3, *flags);
            }
            Self::Counter => {}
            Self::Limit(packets, burst) => {
                to.be64(1, *packets).be64(2, 1).be32(3, *burst);
            }
            Self::Reject(reject) => {
                let (kind, code) = reject.numbers();
                to.be32(1, kind).u8(2, code);
            }
            Self::Log(prefix) => {
                to.string(2, prefix);
            }
            Self::Match(one) => {
                to.string(1, one.name)
                    .be32(2, one.revision)
                    .bytes(3, &one.info);
            }
        }
    }
}

/// `NFT_REG_VERDICT`
const VERDICT_REGISTER: u32 = 0;

fn write_value(to: &mut AttributeWriter, kind: u16, value: &[u8]) {
    to.nest(kind, |data| {
        data.bytes(data::VALUE, value);
    });
}

/// `register = (register & mask) ^ xor`
fn write_bitwise(to: &mut AttributeWriter, register: Register, mask: &[u8], xor: &[u8]) {
    to.be32(1, register.number())
        .be32(2, register.number())
        .be32(3, u32::try_from(mask.len()).unwrap_or_default());
    write_value(to, 4, mask);
    write_value(to, 5, xor);
}

fn write_flags(to: &mut AttributeWriter, kind: u16, flags: NatFlags) {
    if flags.bits() != 0 {
        to.be32(kind, flags.bits());
    }
}

impl Nat {
    fn write(&self, to: &mut AttributeWriter) {
        let kind = match self.kind {
            NatKind::Source => 0,
            NatKind::Destination => 1,
        };
        to.be32(1, kind).be32(2, u32::from(self.family.number()));
        for (registers, min, max) in [(self.address, 3, 4), (self.port, 5, 6)] {
            if let Some((first, last)) = registers {
                to.be32(min, first.number()).be32(max, last.number());
            }
        }
        write_flags(to, 7, self.flags);
    }
}
