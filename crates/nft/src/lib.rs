//! A typed model of nf_tables turned into netlink messages.
//!
//! [`Table`], [`Chain`], [`Rule`], [`Set`] and [`Element`] say what is wanted; a [`Batch`] puts them in
//! order and becomes one buffer that the kernel takes as one transaction, all or nothing. [`Query`] asks
//! for what is there, and the same types read the answer. No I/O happens here.
//!
//! Everything is written the way the `nft` command writes it, comments and the byte order of keys
//! included, so that `nft list ruleset` shows it as a person would have typed it.
//!
//! ```
//! use linkspan_nft::{Batch, Chain, DataType, Element, Family, Field, Hook, Rule, Set, Table};
//! use std::net::Ipv4Addr;
//!
//! let table = Table::new(Family::Inet, "example");
//! let mut batch = Batch::new();
//! batch.add(table.clone());
//! batch.add(Set::new(&table, "sources", [DataType::Ipv4Addr]));
//! batch.add(Chain::nat(&table, "postrouting", Hook::Postrouting, 100));
//! batch.add(
//!     Rule::new(&table, "postrouting")
//!         .is_ipv4()
//!         .in_set([Field::IpSaddr], "sources")
//!         .masquerade(),
//! );
//! let mine = Element::new(Ipv4Addr::new(10, 22, 0, 2)).comment("mynet/c1/eth0");
//! batch.add_elements(&table, "sources", [mine]);
//! let encoded = batch.encode(1);
//! assert_eq!(encoded.item_of(1), None); // the batch's beginning
//! assert_eq!(batch.describe(4), "add element 10.22.0.2 to set inet example sources");
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod batch;
mod chain;
mod element;
mod expr;
mod family;
mod field;
mod installed_rule;
mod iptables;
mod outline;
mod query;
mod register;
mod rule;
mod set;
mod table;
mod translation;
mod types;
mod uapi;
mod userdata;
mod value;
mod verdict;

pub use batch::{Batch, Elements, Encoded, Object};
pub use chain::{Base, Chain, ChainKind, Hook};
pub use element::{Element, Target};
pub use expr::{Expr, Nat, NatFlags, NatKind, Reject};
pub use family::Family;
pub use field::{CtState, CtStatus, Field, Operand};
pub use installed_rule::InstalledRule;
pub use iptables::{Connection, Match};
pub use outline::{Action, Outline};
pub use query::{Query, generation};
pub use register::Register;
pub use rule::Rule;
pub use set::{Data, Set};
pub use table::Table;
pub use translation::Translation;
pub use types::DataType;
pub use userdata::MAX_COMMENT;
pub use value::{Key, Value};
pub use verdict::Verdict;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
