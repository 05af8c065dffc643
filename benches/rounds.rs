//! How often something is measured, and in which order.

use std::array;
use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `ROUNDS` where nothing else is said: so many pairs of a call that takes milliseconds.
const USUAL: usize = 100;

/// What a call of each side took in each round, for each of the commands.
pub type Times<const N: usize> = Vec<[Vec<Duration>; N]>;

/// Random orders from a seed, and how many rounds are wanted.
#[derive(Debug, Clone)]
pub struct Rounds {
    /// What the orders are drawn from.
    pub seed: u64,
    state: u64,
    wanted: usize,
}

impl Rounds {
    /// So many where a call takes milliseconds, in orders from a seed.
    #[must_use]
    pub fn new(seed: u64, wanted: usize) -> Self {
        Self {
            seed,
            state: seed,
            wanted,
        }
    }

    /// By `SEED`, else by the clock; by `ROUNDS`.
    #[must_use]
    pub fn from_env() -> Self {
        let number = |key| env::var(key).ok().and_then(|text| text.parse::<u64>().ok());
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(1, |since| u64::from(since.subsec_nanos()))
        };
        let seed = number("SEED").unwrap_or_else(clock);
        let wanted = number("ROUNDS").and_then(|wanted| usize::try_from(wanted).ok());
        Self::new(seed, wanted.unwrap_or(USUAL))
    }

    /// How many of what is measured `usual` times, in proportion to `ROUNDS`.
    #[must_use]
    pub fn count(&self, usual: usize) -> usize {
        (usual * self.wanted / USUAL).max(1)
    }

    /// The numbers below `count` in random order.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for place in (1..count).rev() {
            let other = self.next() % (place as u64 + 1);
            order.swap(place, other as usize);
        }
        order
    }

    /// In each round calls every side once, in random order. The first round warms caches and makes what all share, and is not counted.
    pub fn paired<const N: usize>(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_each_once_and_a_seed_repeats_it() {
        let orders = |seed| {
            let mut rounds = Rounds::new(seed, USUAL);
            (0..50).map(|_| rounds.order(4)).collect::<Vec<_>>()
        };
        for mut order in orders(7) {
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3]);
        }
        assert_eq!(orders(7), orders(7));
        assert_ne!(orders(7), orders(8));
    }

    /// Whoever always came first would have colder caches, or warmer ones.
    #[test]
    fn every_side_is_first_as_often_as_others() {
        let mut rounds = Rounds::new(7, USUAL);
        let mut first = [0; 3];
        for _ in 0..3000 {
            first[rounds.order(3)[0]] += 1;
        }
        assert!(
            first.iter().all(|count| (900..1100).contains(count)),
            "{first:?}"
        );
    }

    #[test]
    fn the_first_round_is_not_counted_and_samples_of_a_round_belong_together() {
        let mut calls = [0; 2];
        let times = Rounds::new(7, 10).paired(50, 2, |side| {
            let round = calls[side];
            calls[side] += 1;
            [Duration::from_secs(round), Duration::from_secs(100 + round)]
        });
        assert_eq!(calls, [6, 6]);
        for [first, second] in times {
            assert_eq!(first, [1, 2, 3, 4, 5].map(Duration::from_secs));
            assert_eq!(second, [101, 102, 103, 104, 105].map(Duration::from_secs));
        }
    }

    #[test]
    fn what_is_repeated_is_in_proportion_and_happens_once_at_least() {
        for (wanted, usual, count) in [
            (100, 3, 3),
            (10, 50, 5),
            (10, 3, 1),
            (0, 3, 1),
            (200, 15, 30),
        ] {
            assert_eq!(Rounds::new(1, wanted).count(usual), count);
        }
    }
}
