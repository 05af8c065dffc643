//! Where a rule keeps the values that it works with.

/// A register of 32 bits, the first of as many as a value needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register(u8);

impl Register {
    /// The first register.
    pub const FIRST: Self = Self(0);

    /// How many there are.
    const COUNT: u8 = 16;

    /// The register at this position; positions beyond the last are the last.
    pub fn at(position: u8) -> Self {
        Self(position.min(Self::COUNT - 1))
    }

    /// The register `words` further on.
    #[must_use]
    pub fn after(self, words: u8) -> Self {
        Self::at(self.0.saturating_add(words))
    }

    pub(crate) fn number(self) -> u32 {
        libc::NFT_REG32_00.cast_unsigned() + u32::from(self.0)
    }
}
