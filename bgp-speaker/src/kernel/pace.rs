//! When the kernel is read in full, and how long the task waits before it opens its sockets again.

use std::time::Duration;

use tokio::time::Instant;

/// The schedule of full readings. A reading follows shortly after the event that asks for it, and at most once a second, so that
/// a storm of events costs little. While a route is rejected, readings repeat with growing intervals, as retries.
#[derive(Debug)]
pub(super) struct Readings {
    pub(super) due: Instant,
    last: Instant,
    /// Pause before the next retry of rejected routes.
    retry: Duration,
    interval: Duration,
    pub(super) count: u64,
}

impl Readings {
    pub(super) fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            due: now + interval,
            last: now,
            retry: FIRST_RETRY,
            interval,
            count: 0,
        }
    }

    /// Asks for a reading.
    pub(super) fn ask(&mut self) {
        let soon = (Instant::now() + SETTLE).max(self.last + SPACING);
        self.due = self.due.min(soon);
    }

    /// A reading is complete.
    pub(super) fn done(&mut self, rejected: bool) {
        self.count += 1;
        self.last = Instant::now();
        self.retry = if rejected {
            (self.retry * 2).min(self.interval)
        } else {
            FIRST_RETRY
        };
        self.due = self.last + if rejected { self.retry } else { self.interval };
    }
}

/// Pauses before failed sockets are opened again: each twice as long as the last, from [`SHORTEST_PAUSE`] to [`LONGEST_PAUSE`].
/// Sockets that worked for longer than the longest pause reset it to the shortest.
#[derive(Debug)]
pub(super) struct Pauses {
    pause: Duration,
    end: Instant,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            pause: SHORTEST_PAUSE,
            end: Instant::now(),
        }
    }
}

impl Pauses {
    /// When the pause that begins now will end.
    pub(super) fn next(&mut self) -> Instant {
        let now = Instant::now();
        if now > self.end + LONGEST_PAUSE {
            self.pause = SHORTEST_PAUSE;
        }
        self.end = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.end
    }
}

/// Delay of a reading after the event that asks for it: more events usually follow.
const SETTLE: Duration = Duration::from_millis(100);
/// Least time between readings.
const SPACING: Duration = Duration::from_secs(1);
/// Half of the pause before the first retry of a rejected route.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_while_sockets_fail_and_start_over_after_some_that_worked() {
        let mut pauses = Pauses::default();
        let mut lengths = Vec::new();
        let mut fail = async |worked_for: Duration| {
            tokio::time::advance(worked_for).await;
            let end = pauses.next();
            lengths.push(end - Instant::now());
            tokio::time::advance(end - Instant::now()).await;
        };
        for _ in 0..10 {
            fail(Duration::from_secs(1)).await;
        }
        fail(LONGEST_PAUSE + Duration::from_secs(1)).await;
        let millis: Vec<u128> = lengths.iter().map(Duration::as_millis).collect();
        assert_eq!(
            millis,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 100
            ]
        );
    }
}
