//! A text of limited length, without memory from anywhere.

use core::ffi::c_char;

/// At most `ROOM` bytes, the zero at the end included.
pub(crate) struct Text<const ROOM: usize> {
    bytes: [u8; ROOM],
    length: usize,
    is_whole: bool,
}

impl<const ROOM: usize> Text<ROOM> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            length: 0,
            is_whole: true,
        }
    }

    /// Adds bytes, as far as there is room.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push_byte(*byte);
        }
    }

    pub(crate) fn push_byte(&mut self, byte: u8) {
        match self.bytes.get_mut(self.length) {
            Some(place) if self.length + 1 < ROOM => {
                *place = byte;
                self.length += 1;
            }
            _ => self.is_whole = false,
        }
    }

    /// All of the room, to be written to from outside; what counts of it is said by [`Self::keep`].
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn keep(&mut self, length: usize) {
        self.length = length.min(ROOM.saturating_sub(1));
        self.is_whole = self.length == length;
        self.end();
    }

    /// Leaves what is up to the last of these bytes; nothing where there is none.
    pub(crate) fn cut_behind(&mut self, byte: u8) {
        let last = self.as_bytes().iter().rposition(|one| *one == byte);
        self.length = last.map_or(0, |last| last + 1);
        self.end();
    }

    fn end(&mut self) {
        if let Some(rest) = self.bytes.get_mut(self.length..) {
            rest.fill(0);
        }
    }

    /// Whether there was room for all of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// With a zero at its end.
    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}
