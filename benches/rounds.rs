//! How often something is measured, and in which order.

use std::array;
use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `ROUNDS` where nothing else is said: so many pairs of a call that takes milliseconds.
const USUAL: usize = 100;

/// What a call of each side took in each round, for each of the commands.
pub(crate) type Times<const N: usize> = Vec<[Vec<Duration>; N]>;

/// Random orders from a seed, and how many rounds are wanted.
pub(crate) struct Rounds {
    pub(crate) seed: u64,
    state: u64,
    wanted: usize,
}

impl Rounds {
    /// By `SEED`, else by the clock; by `ROUNDS`.
    pub(crate) fn from_env() -> Self {
        let number = |key| env::var(key).ok().and_then(|text| text.parse::<u64>().ok());
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(1, |since| u64::from(since.subsec_nanos()))
        };
        let seed = number("SEED").unwrap_or_else(clock);
        let wanted = number("ROUNDS").and_then(|wanted| usize::try_from(wanted).ok());
        Self {
            seed,
            state: seed,
            wanted: wanted.unwrap_or(USUAL),
        }
    }

    /// How many of what is measured `usual` times, in proportion to `ROUNDS`.
    pub(crate) fn count(&self, usual: usize) -> usize {
        (usual * self.wanted / USUAL).max(1)
    }

    /// The numbers below `count` in random order.
    pub(crate) fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for place in (1..count).rev() {
            let other = self.next() % (place as u64 + 1);
            order.swap(place, other as usize);
        }
        order
    }

    /// In each round calls every side once, in random order. The first round warms caches and makes what all share, and is not counted.
    pub(crate) fn paired<const N: usize>(
        &mut self,
        usual: usize,
        sides: usize,
        mut call: impl FnMut(usize) -> [Duration; N],
    ) -> Times<N> {
        let mut times: Times<N> = (0..sides).map(|_| array::from_fn(|_| Vec::new())).collect();
        for round in 0..=self.count(usual) {
            for side in self.order(sides) {
                let took = call(side);
                if round > 0 {
                    for (all, one) in times[side].iter_mut().zip(took) {
                        all.push(one);
                    }
                }
            }
        }
        times
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
