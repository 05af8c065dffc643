//! Chance that a seed repeats: SplitMix64.

#[derive(Debug, Clone)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }

    pub(super) fn below(&mut self, limit: u32) -> u32 {
        self.next() % limit.max(1)
    }

    /// True in so many of a hundred cases.
    pub(super) fn often(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }
}
