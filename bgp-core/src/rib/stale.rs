//! Stale routes: those of a peer that is away, or that is announcing everything again (RFC 4724 §4.2, RFC 7313 §4, RFC 9494).
//!
//! A path is stale if its epoch is not the peer's. What is announced again gets the new epoch; what has not when the peer says
//! that it is done, or when time is up, goes. Long-lived graceful restart gives a peer more time, in which its stale paths are
//! the last resort. How long is the session's to say; no clock is read here.

use std::time::{Duration, Instant};

use super::deadline::later;

/// Stale routes of a peer that came back are kept no longer than this if it never sends End-of-RIB (RFC 8538 §4.1).
const STALE_TIME: Duration = Duration::from_secs(180);

/// How long the stale routes of a peer that is away are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepStale {
    /// As if nothing had happened (RFC 4724 §4.2).
    pub restart_time: Duration,
    /// After that, as the last resort (RFC 9494 §4.2). Zero: not at all.
    pub long_lived: Duration,
    /// Those too that were stale before (RFC 8538 §4.1), or that are of the same restart.
    pub again: bool,
}

/// Whether a peer that comes back has kept its forwarding state: the F bits of its capabilities. Its stale routes go at once
/// if it has not (RFC 4724 §4.2, RFC 9494 §4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preserved {
    /// Counts while the restart time lasts.
    pub restart: bool,
    /// Counts while its routes are the last resort.
    pub long_lived: bool,
}

/// Until when stale paths of a peer stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stale {
    pub(crate) until: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// They are used like any other; after that, for so long, as the last resort.
    Restart {
        long_lived: Duration,
    },
    LongLived,
    /// The peer answers a refresh (RFC 7313 §4): it has not been away.
    Refresh,
}

impl Stale {
    /// The peer is back and announces everything; so long as it does not say that it is done, nothing goes.
    fn after_restart(now: Instant) -> Self {
        Self {
            until: later(now, STALE_TIME),
            stage: Stage::Restart {
                long_lived: Duration::ZERO,
            },
        }
    }

    /// The peer announces everything again.
    pub(super) fn refreshing(now: Instant) -> Self {
        Self {
            until: later(now, STALE_TIME),
            stage: Stage::Refresh,
        }
    }

    /// The peer is away.
    pub(super) fn away(now: Instant, keep: KeepStale) -> Self {
        Self {
            until: later(now, keep.restart_time),
            stage: Stage::Restart {
                long_lived: keep.long_lived,
            },
        }
    }

    /// Whether the peer is or was away, and has not merely been asked for everything again.
    pub(super) fn is_restart(self) -> bool {
        self.stage != Stage::Refresh
    }

    /// The peer is back; `None`: it has nothing left of what it announced.
    pub(super) fn back(self, now: Instant, preserved: Preserved) -> Option<Self> {
        match self.stage {
            Stage::Restart { .. } | Stage::Refresh => {
                preserved.restart.then(|| Self::after_restart(now))
            }
            Stage::LongLived => preserved.long_lived.then_some(self),
        }
    }

    /// What follows when the time is up; `None`: the paths go.
    pub(super) fn when_over(self, now: Instant) -> Option<Self> {
        match self.stage {
            Stage::Restart { long_lived } if !long_lived.is_zero() => Some(Self {
                until: later(now, long_lived),
                stage: Stage::LongLived,
            }),
            Stage::Restart { .. } | Stage::LongLived | Stage::Refresh => None,
        }
    }

    /// Whether the paths are the last resort (RFC 9494 §4.2).
    pub(super) fn is_long_lived(self) -> bool {
        self.stage == Stage::LongLived
    }
}
