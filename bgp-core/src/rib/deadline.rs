//! Deadlines beyond the range of the clock.

use std::time::{Duration, Instant};

/// Replaces a deadline beyond the range of the clock.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The instant after a duration, or one in a hundred years if it is beyond the range of the clock.
pub(super) fn later(now: Instant, time: Duration) -> Instant {
    let far = || now + FAR;
    now.checked_add(time).unwrap_or_else(far)
}
