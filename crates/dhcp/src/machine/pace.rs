//! How long to wait before something is sent again.

use std::time::Duration;

use super::action::Random;

/// How many resends follow soon, and after how long; as the reference, so that a container starts although the first
/// packets are lost on a link that has just come up.
pub(super) const FAST_RESENDS: u32 = 4;
const FAST: Duration = Duration::from_secs(2);

/// Where the back-off begins (RFC 2131, 4.1).
const FIRST: Duration = Duration::from_secs(4);

/// How far chance moves a resend, either way (RFC 2131, 4.1).
const SPREAD: Duration = Duration::from_secs(1);

/// No two sends of a client for the same thing are closer together than this, whatever a server or a link makes it do.
pub(super) const LEAST: Duration = Duration::from_secs(1);

/// The longest that a renewal waits for its next try at least (RFC 2131, 4.4.5).
const MINUTE: Duration = Duration::from_secs(60);

/// How long to wait after the `sent`-th send of the same, counted from 1: about 2, 2, 2, 2, 4, 8 … seconds, up to about
/// `most`.
pub(super) fn resend(sent: u32, most: Duration, random: Random<'_>) -> Duration {
    let base = match sent.saturating_sub(1).checked_sub(FAST_RESENDS) {
        None => FAST,
        Some(doublings) => FIRST.saturating_mul(1 << doublings.min(16)),
    };
    let chance = (SPREAD * 2).mul_f64(f64::from(random()) / f64::from(u32::MAX));
    (base.min(most) + chance).saturating_sub(SPREAD).max(LEAST)
}

/// How far apart the requests for more time with a lease of this duration are at least: RFC 2131's minute (4.4.5), or an
/// eighth of a short lease, since it would end unrenewed.
pub(super) fn floor(lease: Duration) -> Duration {
    (lease / 8).clamp(LEAST, MINUTE)
}

/// When to ask for more time again: after half of what is left (RFC 2131, 4.4.5), but not before the floor.
pub(super) fn half(left: Duration, lease: Duration) -> Duration {
    (left / 2).max(floor(lease))
}
