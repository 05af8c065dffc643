//! Numbers and texts as bytes.

use super::GobError;

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], GobError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(GobError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number below 128 is its own byte; before others stands how many bytes they have, negated.
    pub(super) fn uint(&mut self) -> Result<u64, GobError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let length = usize::from(first.wrapping_neg());
        if length > size_of::<u64>() {
            return Err(GobError::Malformed);
        }
        let bytes = self.take(length)?.iter();
        Ok(bytes.fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// The sign is the lowest bit.
    pub(super) fn int(&mut self) -> Result<i64, GobError> {
        let bits = self.uint()?;
        let magnitude = (bits >> 1).cast_signed();
        Ok(if bits & 1 == 0 { magnitude } else { !magnitude })
    }

    /// A length and as many bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], GobError> {
        let length = self.length()?;
        self.take(length)
    }

    /// The number of elements that follow, of which each has a byte or more.
    pub(super) fn length(&mut self) -> Result<usize, GobError> {
        let length = usize::try_from(self.uint()?).map_err(|_large| GobError::Malformed)?;
        if length > self.left() {
            return Err(GobError::Malformed);
        }
        Ok(length)
    }

    fn byte(&mut self) -> Result<u8, GobError> {
        match *self.take(1)? {
            [byte] => Ok(byte),
            _ => Err(GobError::Malformed),
        }
    }
}

/// The length of the first message in these bytes, with the length of what states it; nothing where that is not whole yet.
pub(super) fn message_length(bytes: &[u8]) -> Result<Option<(usize, u64)>, GobError> {
    let mut reader = Reader::new(bytes);
    match (reader.uint(), bytes.first()) {
        (Ok(length), _) => Ok(Some((bytes.len() - reader.left(), length))),
        (Err(_cut_off), None) => Ok(None),
        (Err(error), Some(first)) => {
            let length = usize::from(first.wrapping_neg());
            let is_whole = *first < 0x80 || length > size_of::<u64>() || bytes.len() > length;
            if is_whole { Err(error) } else { Ok(None) }
        }
    }
}

pub(super) fn put_uint(out: &mut Vec<u8>, number: u64) {
    let bytes = number.to_be_bytes();
    let zeros = number.leading_zeros() as usize / 8;
    match number {
        0..0x80 => out.push(bytes[7]),
        _ => {
            let length = size_of::<u64>() - zeros;
            out.push((length as u8).wrapping_neg());
            out.extend_from_slice(&bytes[zeros..]);
        }
    }
}

pub(super) fn put_int(out: &mut Vec<u8>, number: i64) {
    let bits = number.cast_unsigned();
    put_uint(
        out,
        if number < 0 {
            !bits << 1 | 1
        } else {
            bits << 1
        },
    );
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
