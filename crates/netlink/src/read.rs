//! Reading answers.

use crate::{ATTRIBUTE_HEADER_LEN, HEADER_LEN, NESTED, NET_BYTE_ORDER, align};

/// Iterates over the messages of one datagram; ends at the first that is cut short.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Reads the datagram `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

/// One received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The type: `NLMSG_ERROR`, `NLMSG_DONE`, or one of the family's.
    pub kind: u16,
    /// `NLM_F_…`.
    pub flags: u16,
    /// The sequence number of the request that this answers.
    pub sequence: u32,
    /// The port that it is addressed to.
    pub port: u32,
    /// All after the message's header: the family's fixed header, then attributes.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first `N` bytes of the family's fixed header, or `None` when the message is shorter.
    pub fn header<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.payload.first_chunk()
    }

    /// What follows a fixed header of `header_len` bytes; empty when there is nothing.
    pub fn attributes(&self, header_len: usize) -> &'a [u8] {
        self.payload.get(align(header_len)..).unwrap_or_default()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32::from_ne_bytes(*self.rest.first_chunk()?) as usize;
        let bytes = self.rest.get(..length)?;
        let payload = bytes.get(HEADER_LEN..)?;
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Message {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            port: u32_at(bytes, 12)?,
            payload,
        })
    }
}

/// Iterates over attributes; ends at the first that is cut short.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Reads the attributes in `bytes`, as [`Message::attributes`] or [`Attribute::payload`] gives them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The first attribute of this type.
    pub fn get(&self, kind: u16) -> Option<Attribute<'a>> {
        self.clone().find(|attribute| attribute.kind == kind)
    }
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type, without the flags of its upper bits.
    pub kind: u16,
    /// The value.
    pub payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The attributes in the payload.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }

    /// An 8-bit integer.
    pub fn as_u8(&self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// A 16-bit integer in the machine's byte order.
    pub fn as_u16(&self) -> Option<u16> {
        u16_at(self.payload, 0)
    }

    /// A 32-bit integer in the machine's byte order.
    pub fn as_u32(&self) -> Option<u32> {
        u32_at(self.payload, 0)
    }

    /// A 64-bit integer in the machine's byte order.
    pub fn as_u64(&self) -> Option<u64> {
        self.payload
            .first_chunk()
            .map(|bytes| u64::from_ne_bytes(*bytes))
    }

    /// A 16-bit integer in network byte order.
    pub fn as_be16(&self) -> Option<u16> {
        self.as_u16().map(u16::from_be)
    }

    /// A 32-bit integer in network byte order.
    pub fn as_be32(&self) -> Option<u32> {
        self.as_u32().map(u32::from_be)
    }

    /// A 64-bit integer in network byte order.
    pub fn as_be64(&self) -> Option<u64> {
        self.as_u64().map(u64::from_be)
    }

    /// A string up to its first zero byte, when it is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        let end = self
            .payload
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.payload.len());
        std::str::from_utf8(&self.payload[..end]).ok()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let length = usize::from(u16_at(self.rest, 0)?);
        let kind = u16_at(self.rest, 2)? & !(NESTED | NET_BYTE_ORDER);
        let payload = self.rest.get(ATTRIBUTE_HEADER_LEN..length)?;
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Attribute { kind, payload })
    }
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    #[test]
    fn a_nest_is_read_back() {
        let mut request = Request::new(1, 2);
        request.header(&[9; 6]).u16(1, 0x1234).nest(2, |nest| {
            nest.string(3, "abc").be32(4, 5).flag(6);
        });
        let bytes = request.finish(42);
        assert_eq!(bytes.len() % 4, 0);
        let message = Messages::new(&bytes).next().expect("a message");
        assert_eq!((message.kind, message.flags, message.sequence), (1, 2, 42));
        assert_eq!(message.header(), Some(&[9u8; 6]));
        let attributes = Attributes::new(message.attributes(6));
        assert_eq!(attributes.get(1).and_then(|a| a.as_u16()), Some(0x1234));
        let nest = attributes.get(2).expect("a nest").nested();
        assert_eq!(nest.get(3).and_then(|a| a.as_str()), Some("abc"));
        assert_eq!(nest.get(4).and_then(|a| a.as_be32()), Some(5));
        assert_eq!(nest.get(6).map(|a| a.payload), Some(&[][..]));
    }

    #[test]
    fn several_messages_travel_in_one_buffer() {
        let mut buffer = Vec::new();
        for sequence in 1..=3 {
            let mut request = Request::new(10, 0);
            request.bytes(1, &[1, 2, 3]);
            request.append_to(&mut buffer, sequence);
        }
        let sequences: Vec<u32> = Messages::new(&buffer).map(|m| m.sequence).collect();
        assert_eq!(sequences, [1, 2, 3]);
    }

    #[test]
    fn cut_and_lying_input_ends_the_iteration() {
        let mut request = Request::new(1, 0);
        request.string(3, "eth0").u32(4, 1);
        let whole = request.finish(1);
        for end in 0..whole.len() {
            assert_eq!(Messages::new(&whole[..end]).count(), 0, "cut at {end}");
            assert!(Attributes::new(&whole[..end]).count() <= end);
        }
        // Lengths of 0 (would loop for ever) and beyond the end.
        assert_eq!(Attributes::new(&[0, 0, 1, 0, 0, 0, 0, 0]).count(), 0);
        assert_eq!(Attributes::new(&[200, 0, 1, 0]).count(), 0);
        assert_eq!(Messages::new(&[0; 64]).count(), 0);
    }
}
