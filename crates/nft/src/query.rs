//! Questions.

use linkspan_netlink::{Attributes, Message, Request};

use crate::chain::Chain;
use crate::element::Element;
use crate::family::{Family, HEADER_LEN, header};
use crate::set::Set;
use crate::table::Table;
use crate::uapi::{self, chain, elem, generation, rule, set, table};

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const DUMP: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

/// A question about what is there. A dump is answered by any number of messages and `NLMSG_DONE`,
/// other questions by one message or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    request: Request,
    description: String,
}

impl Query {
    fn new(kind: u16, flags: u16, family: u8, description: String) -> Self {
        let mut request = Request::new(uapi::message(kind), flags);
        request.header(&header(family, 0));
        Self {
            request,
            description,
        }
    }

    /// The number of the ruleset's generation; see [`generation()`].
    pub fn generation() -> Self {
        Self::new(uapi::msg::GETGEN, REQUEST, 0, "get the generation".into())
    }

    /// Dumps the tables of a family.
    pub fn tables(family: Family) -> Self {
        let description = format!("list tables of family {family}");
        Self::new(uapi::msg::GETTABLE, DUMP, family.number(), description)
    }

    /// One table.
    pub fn table(family: Family, name: &str) -> Self {
        let description = format!("get table {family} {name}");
        let mut query = Self::new(uapi::msg::GETTABLE, REQUEST, family.number(), description);
        query.request.string(table::NAME, name);
        query
    }

    /// Dumps the chains of a family.
    pub fn chains(family: Family) -> Self {
        let description = format!("list chains of family {family}");
        Self::new(uapi::msg::GETCHAIN, DUMP, family.number(), description)
    }

    /// One chain.
    pub fn chain(wanted: &Chain) -> Self {
        let Chain {
            family,
            table,
            name,
            ..
        } = wanted;
        let description = format!("get chain {family} {table} {name}");
        let mut query = Self::new(uapi::msg::GETCHAIN, REQUEST, family.number(), description);
        query
            .request
            .string(chain::TABLE, table)
            .string(chain::NAME, name);
        query
    }

    /// Dumps the rules of one chain.
    pub fn rules(of: &Chain) -> Self {
        let description = format!("list rules of chain {} {} {}", of.family, of.table, of.name);
        let mut query = Self::new(uapi::msg::GETRULE, DUMP, of.family.number(), description);
        query
            .request
            .string(rule::TABLE, &of.table)
            .string(rule::CHAIN, &of.name);
        query
    }

    /// Dumps the sets of one table.
    pub fn sets(of: &Table) -> Self {
        let description = format!("list sets of table {} {}", of.family, of.name);
        let mut query = Self::new(uapi::msg::GETSET, DUMP, of.family.number(), description);
        query.request.string(set::TABLE, &of.name);
        query
    }

    /// One set.
    pub fn set(wanted: &Set) -> Self {
        let Set {
            family,
            table,
            name,
            ..
        } = wanted;
        let description = format!("get set {family} {table} {name}");
        let mut query = Self::new(uapi::msg::GETSET, REQUEST, family.number(), description);
        query
            .request
            .string(set::TABLE, table)
            .string(set::NAME, name);
        query
    }

    /// Dumps the elements of one set.
    pub fn elements(of: &Set) -> Self {
        let description = format!(
            "list elements of set {} {} {}",
            of.family, of.table, of.name
        );
        let mut query = Self::new(uapi::msg::GETSETELEM, DUMP, of.family.number(), description);
        query
            .request
            .string(elem::LIST_TABLE, &of.table)
            .string(elem::LIST_SET, &of.name);
        query
    }

    /// The element of one set that has the key of `wanted`.
    pub fn element(of: &Set, wanted: &Element) -> Self {
        let description = format!(
            "get element {} of set {} {} {}",
            wanted.key, of.family, of.table, of.name
        );
        let family = of.family.number();
        let mut query = Self::new(uapi::msg::GETSETELEM, REQUEST, family, description);
        query
            .request
            .string(elem::LIST_TABLE, &of.table)
            .string(elem::LIST_SET, &of.name)
            .nest(elem::LIST_ELEMENTS, |list| wanted.write(list, true));
        query
    }

    /// Whether the answer is any number of messages, ended by `NLMSG_DONE`.
    pub fn is_dump(&self) -> bool {
        self.request.flags() == DUMP
    }

    /// The message, to be sent.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What is asked, for an error's text.
    pub fn description(&self) -> &str {
        &self.description
    }
}

/// The ruleset's generation in an answer to [`Query::generation`]: it changes with each commit, so a
/// [`Batch`](crate::Batch) can be made to fail when something changed since it was read.
pub fn generation(message: &Message<'_>) -> Option<u32> {
    if message.kind != uapi::message(uapi::msg::NEWGEN) {
        return None;
    }
    Attributes::new(message.attributes(HEADER_LEN))
        .get(generation::ID)?
        .as_be32()
}
