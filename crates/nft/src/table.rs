//! Tables.

use linkspan_netlink::{Attributes, Message, Request};

use crate::family::{Family, HEADER_LEN};
use crate::uapi::{self, table};
use crate::userdata;

/// A table: the name space of chains and sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which packets its chains see.
    pub family: Family,
    /// Its name, unique in the family.
    pub name: String,
    /// Shown by `nft list`; at most [`MAX_COMMENT`](crate::MAX_COMMENT) bytes.
    pub comment: Option<String>,
}

impl Table {
    /// A table without a comment.
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self {
            family,
            name: name.into(),
            comment: None,
        }
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
            .string(table::NAME, &self.name);
    }

    pub(crate) fn write_definition(&self, request: &mut Request) {
        self.write(request);
        if let Some(comment) = &self.comment {
            request.bytes(table::USERDATA, &userdata::comment(comment));
        }
    }

    /// Reads an answer to [`Query::tables`](crate::Query::tables).
    pub fn decode(message: &Message<'_>) -> Option<Self> {
        if message.kind != uapi::message(uapi::msg::NEWTABLE) {
            return None;
        }
        let family = Family::from_number(*message.payload.first()?)?;
        let attributes = Attributes::new(message.attributes(HEADER_LEN));
        Some(Self {
            family,
            name: attributes.get(table::NAME)?.as_str()?.to_owned(),
            comment: attributes
                .get(table::USERDATA)
                .and_then(|userdata| userdata::read_comment(userdata.payload)),
        })
    }
}
