//! Rates and bursts as traffic control counts them.
//!
//! The kernel wants rates in bytes for each second, and bursts as the time that they take at the rate,
//! in ticks. The tables of times for packet sizes that `tc` sends along (`TCA_TBF_RTAB`,
//! `TCA_HTB_RTAB`) tell it nothing but the link layer since Linux 3.8; a link layer that is named
//! spares them (`TC_LINKLAYER_ETHERNET`).

/// Nanoseconds of a tick (`PSCHED_SHIFT`, include/net/pkt_sched.h, since Linux 2.6.31).
const TICK: u128 = 64;
const SECOND: u128 = 1_000_000_000;
/// Ticks of a microsecond, which other programs count in, rounded up.
const MICROSECOND: u64 = 16;

/// Bytes of `struct tc_ratespec`.
pub(super) const RATE_SPEC: usize = 12;
/// `TC_LINKLAYER_ETHERNET`, linux/pkt_sched.h.
const ETHERNET: u8 = 1;

/// Bytes for each second of a rate in bits for each second; never 0, which the kernel takes for no limit.
pub(super) fn bytes_per_second(bits: u64) -> u64 {
    (bits / 8).max(1)
}

/// `struct tc_ratespec`. A rate that does not fit must be given in an attribute of 64 bits beside it.
pub(super) fn rate_spec(bits: u64) -> [u8; RATE_SPEC] {
    let rate = u32::try_from(bytes_per_second(bits)).unwrap_or(u32::MAX);
    let mut spec = [0; RATE_SPEC];
    spec[1] = ETHERNET;
    spec[8..].copy_from_slice(&rate.to_ne_bytes());
    spec
}

/// The rate for the attribute of 64 bits, when it does not fit otherwise.
pub(super) fn large_rate(bits: u64) -> Option<u64> {
    let rate = bytes_per_second(bits);
    (rate > u64::from(u32::MAX)).then_some(rate)
}

/// Bits for each second of what the kernel wrote in a `struct tc_ratespec` and an attribute beside it.
pub(super) fn rate_of(spec: &[u8], large: Option<u64>) -> Option<u64> {
    let rate = super::u32_at(spec, 8)?;
    Some(large.unwrap_or(rate.into()).saturating_mul(8))
}

/// The time in ticks that `burst` bytes take at a rate in bits for each second.
pub(super) fn ticks(rate: u64, burst: u32) -> u64 {
    let ticks = u128::from(burst) * SECOND / (TICK * u128::from(bytes_per_second(rate)));
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The ticks of the whole microseconds that `burst` bytes take at a rate.
pub(super) fn microsecond_ticks(rate: u64, burst: u32) -> u64 {
    let microseconds = u64::from(burst) * 1_000_000 / bytes_per_second(rate);
    // 15.625 of them
    microseconds.saturating_mul(125) / 8
}

/// The bytes that take this many ticks at a rate, to the nearest.
pub(super) fn burst_of(rate: u64, ticks: u32) -> u32 {
    let product = u128::from(ticks) * TICK * u128::from(bytes_per_second(rate));
    u32::try_from((product + SECOND / 2) / SECOND).unwrap_or(u32::MAX)
}

/// Whether two bursts at a rate are the same to the kernel, which keeps the ticks in `bits` bits. A
/// byte or a microsecond of difference is what counting in the one or the other makes.
pub(super) fn same_burst(rate: u64, one: u32, other: u32, bits: u32) -> bool {
    let mask = u64::MAX >> (64 - bits);
    let difference = ticks(rate, one).wrapping_sub(ticks(rate, other)) & mask;
    let distance = difference.min((mask - difference).saturating_add(1));
    distance <= MICROSECOND.max(ticks(rate, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_survives_the_kernels_ticks() {
        for rate in [8, 1_000, 64_000, 1_000_000, 999_999_999, 40_000_000_000] {
            for burst in [1, 1500, 15_000, 20_480, 100_000_000] {
                let Ok(ticks) = u32::try_from(ticks(rate, burst)) else {
                    continue;
                };
                let read = burst_of(rate, ticks);
                assert!(
                    same_burst(rate, burst, read, 32),
                    "{burst} at {rate}: {read}"
                );
                // Two microseconds more, or two bytes.
                let other = burst + 2 + (bytes_per_second(rate) / 500_000) as u32;
                assert!(!same_burst(rate, burst, other, 32), "{other} at {rate}");
            }
        }
    }

    #[test]
    fn a_burst_of_minutes_is_compared_as_the_kernel_has_cut_it() {
        // What runtimes ask for who want no burst limit: 2^31 - 1 bits, here at 1 Mbit/s: 2147 s.
        let (rate, burst) = (1_000_000, 268_435_455);
        let cut = ticks(rate, burst) as u32;
        assert!(u64::from(cut) < ticks(rate, burst));
        assert!(same_burst(rate, burst, burst_of(rate, cut), 32));
    }

    #[test]
    fn a_rate_of_zero_is_not_without_limit() {
        assert_eq!(bytes_per_second(7), 1);
        assert_eq!(large_rate(8 * 0x1_0000_0000), Some(0x1_0000_0000));
        assert_eq!(large_rate(8 * 0xffff_ffff), None);
    }
}
