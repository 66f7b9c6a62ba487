//! The clock of the speaker, which is the runtime's: where that is paused, time is virtual. And a timer that may be off.

use std::time::Instant;

/// Sleeps until an instant; for ever without one.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The time by the clock of the runtime.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
