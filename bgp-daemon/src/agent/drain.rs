//! The time of a drain: how long service addresses carry GRACEFUL_SHUTDOWN before they are withdrawn.

use std::time::{Duration, Instant};

/// The time since when the node is drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DrainTimer {
    /// The node is not drained.
    #[default]
    Off,
    /// Service addresses carry GRACEFUL_SHUTDOWN until then.
    Until(Instant),
    /// Service addresses are withdrawn.
    Over,
}

impl DrainTimer {
    /// The timer after a look at the resources. A node that is drained when its speaker starts announces no service at all: nobody is to
    /// be drawn to paths that are about to go.
    pub(super) fn next(self, drained: bool, starting: bool, now: Instant, after: Duration) -> Self {
        match self {
            _ if !drained => Self::Off,
            Self::Off if starting => Self::Over,
            Self::Off => Self::Until(now.checked_add(after).unwrap_or(now + MAX)),
            Self::Until(at) if at <= now => Self::Over,
            Self::Until(_) | Self::Over => self,
        }
    }

    /// Waits until service addresses are to be withdrawn; for ever if there is no such time.
    pub(super) async fn elapsed(self) {
        match self {
            Self::Until(at) => tokio::time::sleep_until(at.into()).await,
            Self::Off | Self::Over => std::future::pending().await,
        }
    }
}

/// The longest time of a drain.
const MAX: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(60);

    #[test]
    fn a_drain_has_its_time_and_is_undone() {
        let now = Instant::now();
        let later = now + AFTER;
        let until = DrainTimer::Off.next(true, false, now, AFTER);
        assert_eq!(until, DrainTimer::Until(later));
        // Other changes of the resources prolong nothing.
        assert_eq!(until.next(true, false, now + AFTER / 2, AFTER), until);
        let over = until.next(true, false, later, AFTER);
        assert_eq!(over, DrainTimer::Over);
        assert_eq!(over.next(true, false, later + AFTER, AFTER), over);
        assert_eq!(over.next(false, false, later, AFTER), DrainTimer::Off);
        assert_eq!(until.next(false, false, now, AFTER), DrainTimer::Off);
    }

    #[test]
    fn a_speaker_that_starts_drained_announces_no_service() {
        let now = Instant::now();
        let start = |drained| DrainTimer::Off.next(drained, true, now, AFTER);
        assert_eq!(start(true), DrainTimer::Over);
        assert_eq!(start(false), DrainTimer::Off);
    }

    #[test]
    fn a_time_beyond_the_clock_is_a_year() {
        let now = Instant::now();
        let timer = DrainTimer::Off.next(true, false, now, Duration::MAX);
        assert_eq!(timer, DrainTimer::Until(now + MAX));
    }
}
