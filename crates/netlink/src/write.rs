//! Writing requests.

use crate::{NESTED, align};

/// Bytes that most requests fit in.
const USUAL_SIZE: usize = 128;

/// One netlink message under construction.
///
/// Lengths are filled in by [`finish`](Request::finish); attributes are aligned as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    kind: u16,
    flags: u16,
    payload: AttributeWriter,
}

impl Request {
    /// A message of the type `kind` (`RTM_NEWLINK`, …) with the flags `flags` (`NLM_F_…`).
    pub fn new(kind: u16, flags: u16) -> Self {
        Self {
            kind,
            flags,
            payload: AttributeWriter {
                bytes: Vec::with_capacity(USUAL_SIZE),
            },
        }
    }

    /// Appends the family's fixed header (`struct ifinfomsg`, `struct nfgenmsg`, …), padded to the
    /// alignment. It comes before any attribute.
    pub fn header(&mut self, bytes: &[u8]) -> &mut Self {
        self.payload.raw(bytes);
        self
    }

    /// The message's type.
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// The message's flags.
    pub fn flags(&self) -> u16 {
        self.flags
    }

    /// Adds flags to those given at the start.
    pub fn add_flags(&mut self, flags: u16) -> &mut Self {
        self.flags |= flags;
        self
    }

    /// The complete message with the sequence number `sequence`; the port is left to the kernel.
    pub fn finish(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(crate::HEADER_LEN + self.payload.bytes.len());
        self.append_to(&mut bytes, sequence);
        bytes
    }

    /// Appends the complete message to `buffer`, so that several travel in one send.
    pub fn append_to(&self, buffer: &mut Vec<u8>, sequence: u32) {
        self.append_with(self.flags, buffer, sequence);
    }

    /// The same with other flags.
    pub fn append_with(&self, flags: u16, buffer: &mut Vec<u8>, sequence: u32) {
        let length = crate::HEADER_LEN + self.payload.bytes.len();
        buffer.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
        buffer.extend_from_slice(&self.kind.to_ne_bytes());
        buffer.extend_from_slice(&flags.to_ne_bytes());
        buffer.extend_from_slice(&sequence.to_ne_bytes());
        buffer.extend_from_slice(&0u32.to_ne_bytes());
        buffer.extend_from_slice(&self.payload.bytes);
    }
}

impl std::ops::Deref for Request {
    type Target = AttributeWriter;

    fn deref(&self) -> &AttributeWriter {
        &self.payload
    }
}

impl std::ops::DerefMut for Request {
    fn deref_mut(&mut self) -> &mut AttributeWriter {
        &mut self.payload
    }
}

/// Writes attributes one after another; the same inside a nest as at the top of a message.
///
/// An attribute's payload is at most 65,531 bytes, since its length is a `u16`. Longer ones are cut
/// there: the kernel then rejects the request instead of misreading it. Nothing that Linkspan writes
/// comes near.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeWriter {
    bytes: Vec<u8>,
}

impl AttributeWriter {
    /// The attributes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends attributes (or a fixed header) written elsewhere.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.pad();
        self
    }

    /// An attribute with these bytes as its payload.
    pub fn bytes(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        let start = self.open(kind);
        self.bytes.extend_from_slice(payload);
        self.close(start);
        self
    }

    /// An attribute without payload (`NLA_FLAG`).
    pub fn flag(&mut self, kind: u16) -> &mut Self {
        self.bytes(kind, &[])
    }

    /// An 8-bit integer.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// A 16-bit integer in the machine's byte order.
    pub fn u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A 16-bit integer in network byte order.
    pub fn be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A 32-bit integer in the machine's byte order.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A 32-bit integer in network byte order, as nf_tables and conntrack use throughout.
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A 64-bit integer in the machine's byte order.
    pub fn u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A 64-bit integer in network byte order.
    pub fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A string, ended by a zero byte as the kernel's `NLA_NUL_STRING` asks.
    pub fn string(&mut self, kind: u16, value: &str) -> &mut Self {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.close(start);
        self
    }

    /// An attribute whose payload is what `write` writes, marked with [`NESTED`].
    pub fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.nest_unmarked(kind | NESTED, write)
    }

    /// Like [`nest`](Self::nest) without the mark: a few old parts of the routing family compare the
    /// type to the letter.
    pub fn nest_unmarked(&mut self, kind: u16, write: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.open(kind);
        write(self);
        self.close(start);
        self
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        // The length is written at the end.
        let [low, high] = kind.to_ne_bytes();
        self.bytes.extend_from_slice(&[0, 0, low, high]);
        start
    }

    fn close(&mut self, start: usize) {
        if self.bytes.len() - start > usize::from(u16::MAX) {
            self.bytes.truncate(start + usize::from(u16::MAX));
        }
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(align(self.bytes.len()), 0);
    }
}
