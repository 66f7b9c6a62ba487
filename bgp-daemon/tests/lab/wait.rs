//! Waiting for another process.

use std::thread;
use std::time::{Duration, Instant};

/// For what takes one exchange of messages.
pub(crate) const SHORT: Duration = Duration::from_secs(30);
/// For what may need a few connect retries on a busy machine; the slowest peer waits 30 s after a failed attempt.
pub(crate) const LONG: Duration = Duration::from_secs(40);

const INTERVAL: Duration = Duration::from_millis(100);

/// Calls `probe` repeatedly until it returns `Ok`, or fails the test after `limit` with the probe's last error.
pub(crate) fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(state) if start.elapsed() >= limit => {
                panic!(
                    "waited {} s for {what}; last seen: {state}",
                    limit.as_secs()
                )
            }
            Err(_) => thread::sleep(INTERVAL),
        }
    }
}

/// [`wait_until`] for a question with no more to say than yes or no.
pub(crate) fn wait_for(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) {
    wait_until(what, limit, || {
        if probe() {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    });
}
