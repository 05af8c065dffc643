//! Options as codes and bytes: in order, each code once.

use super::MalformedMessage;

/// Codes that say how options lie in a message, and so are no options to whoever reads or sets them.
const PAD: u8 = 0;
const OVERLOAD: u8 = 52;
const END: u8 = 255;

/// The codes that are read or written by name (RFC 2132; the others' RFCs beside them).
pub(crate) const SUBNET_MASK: u8 = 1;
pub(crate) const ROUTERS: u8 = 3;
pub(crate) const DNS: u8 = 6;
pub(crate) const HOST_NAME: u8 = 12;
pub(crate) const DOMAIN: u8 = 15;
pub(crate) const MTU: u8 = 26;
pub(crate) const STATIC_ROUTES: u8 = 33;
pub(crate) const REQUESTED_ADDRESS: u8 = 50;
pub(crate) const LEASE_TIME: u8 = 51;
pub(crate) const KIND: u8 = 53;
pub(crate) const SERVER_ID: u8 = 54;
pub(crate) const PARAMETERS: u8 = 55;
pub(crate) const TEXT: u8 = 56;
pub(crate) const LONGEST_MESSAGE: u8 = 57;
pub(crate) const RENEWAL_TIME: u8 = 58;
pub(crate) const REBINDING_TIME: u8 = 59;
pub(crate) const VENDOR_CLASS: u8 = 60;
pub(crate) const CLIENT_ID: u8 = 61;
/// RFC 3004.
pub(crate) const USER_CLASS: u8 = 77;
/// RFC 3397.
pub(crate) const DOMAIN_SEARCH: u8 = 119;
/// RFC 3442.
pub(crate) const CLASSLESS_ROUTES: u8 = 121;
/// The same before it had a number of its own: Microsoft's, in DHCP servers for Windows.
pub(crate) const OLD_CLASSLESS_ROUTES: u8 = 249;

/// The options of a message, in their order. A code stands once: what a message has in several pieces is one value
/// (RFC 3396).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    /// The bytes of an option.
    #[must_use]
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        let (_, value) = self.0.iter().find(|(known, _)| *known == code)?;
        Some(value)
    }

    /// Sets an option, in the place of one with the same code. The codes 0, 52 and 255 say how options lie in a message
    /// and are not set.
    pub fn set(&mut self, code: u8, value: &[u8]) {
        if [PAD, OVERLOAD, END].contains(&code) {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == code) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.0.push((code, value.to_vec())),
        }
    }

    /// The codes and bytes of all.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.0.iter().map(|(code, value)| (*code, value.as_slice()))
    }

    /// Reads the options' field, and those of the fields `file` and `sname` that it says carry options too, in this
    /// order (RFC 2131, 4.1; RFC 3396, 5).
    pub(super) fn parse(area: &[u8], file: &[u8], sname: &[u8]) -> Result<Self, MalformedMessage> {
        let mut options = Self::default();
        let overload = options.read(area)?.unwrap_or(0);
        if overload & 1 != 0 {
            options.read(file)?;
        }
        if overload & 2 != 0 {
            options.read(sname)?;
        }
        Ok(options)
    }

    /// Reads one field up to its end option or its end; gives the value of the overload option.
    fn read(&mut self, mut field: &[u8]) -> Result<Option<u8>, MalformedMessage> {
        let mut overload = None;
        while let Some((&code, rest)) = field.split_first() {
            if code == PAD {
                field = rest;
                continue;
            }
            if code == END {
                break;
            }
            let Some((value, rest)) = rest
                .split_first()
                .and_then(|(&length, rest)| rest.split_at_checked(usize::from(length)))
            else {
                return Err(MalformedMessage::Option(code));
            };
            match code {
                OVERLOAD => overload = value.first().copied(),
                _ => self.append(code, value),
            }
            field = rest;
        }
        Ok(overload)
    }

    fn append(&mut self, code: u8, piece: &[u8]) {
        match self.0.iter_mut().find(|(known, _)| *known == code) {
            Some((_, value)) => value.extend(piece),
            None => self.0.push((code, piece.to_vec())),
        }
    }

    /// Writes all of them and the end option; what is longer than 255 bytes in pieces (RFC 3396, 6).
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        for (code, value) in &self.0 {
            let mut rest = value.as_slice();
            loop {
                let (piece, after) = rest.split_at(rest.len().min(usize::from(u8::MAX)));
                bytes.push(*code);
                bytes.push(piece.len() as u8);
                bytes.extend(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
        }
        bytes.push(END);
    }
}
