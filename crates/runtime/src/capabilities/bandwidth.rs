//! The capability `bandwidth`.

use linkspan_spec::Value;
use linkspan_spec::decode::{self, DecodeError, Map};

/// The largest burst that plugins take, in bits: the kernel counts the bytes in 32 bits, of which they refuse the largest number.
const MAX_BURST_BITS: u64 = u32::MAX as u64 * 8 - 1;

/// Limits to a container's traffic.
///
/// ```
/// use linkspan_runtime::{Bandwidth, RateLimit};
///
/// // 10 Mbit/s, of which 1 Mbit may come at once after a pause.
/// let limit = RateLimit::new(10_000_000, 1_000_000)?;
/// let bandwidth = Bandwidth::default().with_ingress(limit);
/// # Ok::<(), linkspan_runtime::InvalidLimit>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bandwidth {
    /// Of what the container receives.
    pub ingress: Option<RateLimit>,
    /// Of what the container sends.
    pub egress: Option<RateLimit>,
}

/// A limit to the traffic in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// Bits per second, not bytes; never 0.
    pub rate_bits_per_sec: u64,
    /// How much may pass at once after a pause, in bits. The reference's plugin refuses 0, Linkspan's then takes it from rate and MTU.
    pub burst_bits: u64,
}

/// What cannot be a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// No limit is said by none.
    #[error("a rate of 0 bits per second is no limit")]
    NoRate,
    /// The kernel knows no larger one.
    #[error("a burst of {0} bits is too large: at most {MAX_BURST_BITS} are possible")]
    Burst(u64),
}

impl RateLimit {
    /// A limit.
    ///
    /// # Errors
    /// When the rate is 0, or the burst is larger than plugins take.
    pub fn new(rate_bits_per_sec: u64, burst_bits: u64) -> Result<Self, InvalidLimit> {
        if rate_bits_per_sec == 0 {
            return Err(InvalidLimit::NoRate);
        }
        if burst_bits > MAX_BURST_BITS {
            return Err(InvalidLimit::Burst(burst_bits));
        }
        Ok(Self {
            rate_bits_per_sec,
            burst_bits,
        })
    }
}

impl Bandwidth {
    /// The same with a limit to what the container receives.
    #[must_use]
    pub fn with_ingress(mut self, limit: RateLimit) -> Self {
        self.ingress = Some(limit);
        self
    }

    /// The same with a limit to what the container sends.
    #[must_use]
    pub fn with_egress(mut self, limit: RateLimit) -> Self {
        self.egress = Some(limit);
        self
    }

    pub(super) fn to_json(self) -> Value {
        let mut map = Map::new();
        for (limit, rate, burst) in [
            (self.ingress, "ingressRate", "ingressBurst"),
            (self.egress, "egressRate", "egressBurst"),
        ] {
            if let Some(limit) = limit {
                map.insert(rate.into(), limit.rate_bits_per_sec.into());
                map.insert(burst.into(), limit.burst_bits.into());
            }
        }
        Value::Object(map)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, DecodeError> {
        let map = decode::object(value)?;
        Ok(Self {
            ingress: limit(map, "ingressRate", "ingressBurst")?,
            egress: limit(map, "egressRate", "egressBurst")?,
        })
    }
}

/// The limit of one direction; a rate of 0 is none.
fn limit(map: &Map, rate: &str, burst: &str) -> Result<Option<RateLimit>, DecodeError> {
    let rate: u64 = decode::optional(map, rate, decode::unsigned)?.unwrap_or_default();
    let possible = |value| match decode::unsigned(value)? {
        burst if burst > MAX_BURST_BITS => {
            let expected = format!("a whole number from 0 to {MAX_BURST_BITS}");
            Err(DecodeError::mismatch(expected, value))
        }
        burst => Ok(burst),
    };
    let burst = decode::optional(map, burst, possible)?.unwrap_or_default();
    Ok(RateLimit::new(rate, burst).ok())
}
