//! Converts between the monotonic clock of sessions and the wall clock.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// The wall-clock time of an instant.
pub(crate) fn timestamp(at: Instant) -> Timestamp {
    let (now, now_by_wall) = (Instant::now(), Timestamp::now());
    let elapsed = SignedDuration::try_from(now.saturating_duration_since(at)).unwrap_or_default();
    now_by_wall.checked_sub(elapsed).unwrap_or(now_by_wall)
}

/// Whole seconds since a wall-clock time.
pub(crate) fn elapsed_secs(since: Timestamp) -> u64 {
    u64::try_from(Timestamp::now().duration_since(since).as_secs()).unwrap_or(0)
}
