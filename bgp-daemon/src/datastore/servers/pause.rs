//! Delays between a reader's retries.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// First and longest delay after a failure.
pub(super) const RETRY: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(30);

/// Delays between retries, doubled each time. They are spread, so that nodes that lost the same server do not come back together.
pub(super) struct Pause {
    next: Duration,
    /// From 0 to 1, different for each reader.
    spread: f64,
}

impl Pause {
    /// Delays for a reader; others have different ones.
    pub(super) fn new(whose: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        whose.hash(&mut hasher);
        let share = u32::try_from(hasher.finish() >> 32).unwrap_or_default();
        Self {
            next: RETRY,
            spread: f64::from(share) / f64::from(u32::MAX),
        }
    }

    /// It works again.
    pub(super) fn reset(&mut self) {
        self.next = RETRY;
    }

    /// The next delay after a failure.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(RETRY_MOST);
        self.spread(pause)
    }

    /// Between three quarters and five quarters of a delay.
    pub(super) fn spread(&self, pause: Duration) -> Duration {
        pause.mul_f64(0.75 + self.spread / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_nodes() {
        let mut pause = Pause::new(&"a");
        let first = pause.next();
        assert!((RETRY.mul_f64(0.75)..=RETRY.mul_f64(1.25)).contains(&first));
        for _ in 0..10 {
            pause.next();
        }
        assert!(pause.next() <= RETRY_MOST.mul_f64(1.25));
        pause.reset();
        assert_eq!(pause.next(), first);
        assert_ne!(Pause::new(&"b").next(), first);
    }
}
