//! Sets and maps.

use std::time::Duration;

use linkspan_netlink::{Attributes, Message, Request};

use crate::family::{Family, HEADER_LEN};
use crate::table::Table;
use crate::types::{DataType, concatenated_byte_order, concatenated_id, concatenated_len, from_id};
use crate::uapi::{self, set};
use crate::userdata;

/// A named set, or a map when it has data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its table's family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name, unique in the table.
    pub name: String,
    /// The fields of its key. Empty in what was read when a type is not known here.
    pub key: Vec<DataType>,
    /// What its elements lead to; `None` for a plain set.
    pub data: Option<Data>,
    /// Whether keys are ranges.
    pub intervals: bool,
    /// Whether its elements never change.
    pub constant: bool,
    /// Whether elements may expire.
    pub timeouts: bool,
    /// How long an element without a timeout of its own lives.
    pub default_timeout: Option<Duration>,
    /// Shown by `nft list`; at most [`MAX_COMMENT`](crate::MAX_COMMENT) bytes.
    pub comment: Option<String>,
}

/// What the elements of a map lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A value, or several concatenated. Empty in what was read when a type is not known here.
    Values(Vec<DataType>),
    /// A verdict.
    Verdict,
}

impl Set {
    /// A plain set with this key.
    pub fn new(
        table: &Table,
        name: impl Into<String>,
        key: impl IntoIterator<Item = DataType>,
    ) -> Self {
        Self {
            family: table.family,
            table: table.name.clone(),
            name: name.into(),
            key: key.into_iter().collect(),
            data: None,
            intervals: false,
            constant: false,
            timeouts: false,
            default_timeout: None,
            comment: None,
        }
    }

    /// As a map to these values.
    #[must_use]
    pub fn to_values(mut self, data: impl IntoIterator<Item = DataType>) -> Self {
        self.data = Some(Data::Values(data.into_iter().collect()));
        self
    }

    /// As a map to verdicts.
    #[must_use]
    pub fn to_verdicts(mut self) -> Self {
        self.data = Some(Data::Verdict);
        self
    }

    /// With ranges and prefixes as keys.
    ///
    /// # Kernel
    /// Such a set is a tree or a lookup table that is copied as a whole at each commit that changes
    /// it: use it for what is few, not for what grows with the number of attachments.
    #[must_use]
    pub fn with_intervals(mut self) -> Self {
        self.intervals = true;
        self
    }

    /// With elements that never change.
    #[must_use]
    pub fn constant(mut self) -> Self {
        self.constant = true;
        self
    }

    /// With elements that may expire.
    #[must_use]
    pub fn with_timeouts(mut self) -> Self {
        self.timeouts = true;
        self
    }

    /// With elements that live this long unless they say otherwise.
    #[must_use]
    pub fn default_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts = true;
        self.default_timeout = Some(timeout);
        self
    }

    /// With this comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    fn flags(&self) -> u32 {
        let mut flags = 0;
        for (wanted, flag) in [
            (self.constant, set::F_CONSTANT),
            (self.intervals, set::F_INTERVAL),
            (self.data.is_some(), set::F_MAP),
            (self.timeouts, set::F_TIMEOUT),
            (self.intervals && self.key.len() > 1, set::F_CONCAT),
        ] {
            if wanted {
                flags |= flag;
            }
        }
        flags
    }

    fn userdata(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let order = concatenated_byte_order(&self.key) as u32;
        userdata::push_u32(&mut bytes, userdata::SET_KEY_BYTE_ORDER, order);
        if let Some(Data::Values(fields)) = &self.data {
            let order = concatenated_byte_order(fields) as u32;
            userdata::push_u32(&mut bytes, userdata::SET_DATA_BYTE_ORDER, order);
        }
        if let Some(comment) = &self.comment {
            userdata::push_set_comment(&mut bytes, comment);
        }
        bytes
    }

    pub(crate) fn write(&self, request: &mut Request) {
        request
            .header(&self.family.header())
            .string(set::TABLE, &self.table)
            .string(set::NAME, &self.name);
    }

    /// `id` names the set within its batch; the kernel insists on one.
    pub(crate) fn write_definition(&self, request: &mut Request, id: u32) {
        self.write(request);
        request
            .be32(set::FLAGS, self.flags())
            .be32(set::KEY_TYPE, concatenated_id(&self.key))
            .be32(set::KEY_LEN, length(&self.key));
        match &self.data {
            None => {}
            Some(Data::Values(fields)) => {
                request
                    .be32(set::DATA_TYPE, concatenated_id(fields))
                    .be32(set::DATA_LEN, length(fields));
            }
            Some(Data::Verdict) => {
                request.be32(set::DATA_TYPE, set::DATA_VERDICT);
            }
        }
        if self.flags() & set::F_CONCAT != 0 {
            self.write_field_lengths(request);
        }
        request.be32(set::ID, id);
        if let Some(timeout) = self.default_timeout {
            request.be64(set::TIMEOUT, milliseconds(timeout));
        }
        request.bytes(set::USERDATA, &self.userdata());
    }

    /// Concatenated intervals are compared field by field, so the kernel must know their lengths.
    fn write_field_lengths(&self, request: &mut Request) {
        request.nest(set::DESC, |desc| {
            desc.nest(set::DESC_CONCAT, |concat| {
                for field in &self.key {
                    concat.nest(uapi::LIST_ELEM, |one| {
                        one.be32(set::FIELD_LEN, length(&[*field]));
                    });
                }
            });
        });
    }

    /// Reads an answer to [`Query::sets`](crate::Query::sets). Sets without a name of their own, which
    /// belong to a rule, are left out.
    pub fn decode(message: &Message<'_>) -> Option<Self> {
        if message.kind != uapi::message(uapi::msg::NEWSET) {
            return None;
        }
        let family = Family::from_number(*message.payload.first()?)?;
        let attributes = Attributes::new(message.attributes(HEADER_LEN));
        let number = |kind| attributes.get(kind).and_then(|value| value.as_be32());
        let flags = number(set::FLAGS).unwrap_or_default();
        if flags & set::F_ANONYMOUS != 0 {
            return None;
        }
        let data = (flags & set::F_MAP != 0).then(|| match number(set::DATA_TYPE) {
            Some(set::DATA_VERDICT) => Data::Verdict,
            id => Data::Values(id.and_then(from_id).unwrap_or_default()),
        });
        Some(Self {
            family,
            table: attributes.get(set::TABLE)?.as_str()?.to_owned(),
            name: attributes.get(set::NAME)?.as_str()?.to_owned(),
            key: number(set::KEY_TYPE).and_then(from_id).unwrap_or_default(),
            data,
            intervals: flags & set::F_INTERVAL != 0,
            constant: flags & set::F_CONSTANT != 0,
            timeouts: flags & set::F_TIMEOUT != 0,
            default_timeout: attributes
                .get(set::TIMEOUT)
                .and_then(|timeout| timeout.as_be64())
                .map(Duration::from_millis),
            comment: attributes
                .get(set::USERDATA)
                .and_then(|userdata| userdata::read_set_comment(userdata.payload)),
        })
    }
}

fn length(fields: &[DataType]) -> u32 {
    u32::try_from(concatenated_len(fields)).unwrap_or(u32::MAX)
}

/// A timeout as the kernel takes it; at least one millisecond, since zero means none.
pub(crate) fn milliseconds(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
