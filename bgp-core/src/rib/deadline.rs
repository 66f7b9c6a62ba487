//! Deadlines that the clock may be too small for.

use std::time::{Duration, Instant};

/// A deadline that is further away than the clock can tell is this far away.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The instant after a time, or one that is a hundred years away if the clock does not reach so far.
pub(super) fn later(now: Instant, time: Duration) -> Instant {
    let far = || now + FAR;
    now.checked_add(time).unwrap_or_else(far)
}
