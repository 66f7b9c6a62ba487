//! Stale routes: those of a peer that is away, or that announces everything again (RFC 4724 §4.2, RFC 7313 §4, RFC 9494).
//!
//! A path is stale if its epoch is not the peer's current one. A route that is announced again gets the current epoch. The others
//! are removed when the peer has sent End-of-RIB, or when the time is up. Long-lived graceful restart extends the time, during
//! which stale paths are a last resort. The session decides on the times; this module reads no clock.

use std::time::{Duration, Instant};

use super::deadline::later;
use crate::handover::{Malformed, Reader, Writer};

/// Longest time that stale routes of a returned peer are kept without an End-of-RIB (RFC 8538 §4.1).
const STALE_TIME: Duration = Duration::from_secs(180);

/// How long the stale routes of an absent peer are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepStale {
    /// How long they are used normally (RFC 4724 §4.2).
    pub restart_time: Duration,
    /// How long they are then kept as a last resort (RFC 9494 §4.2). Zero: not at all.
    pub long_lived: Duration,
    /// Also keep routes that were stale before (RFC 8538 §4.1), or that belong to the same restart.
    pub again: bool,
}

/// Whether a returned peer has preserved its forwarding state: the F bits of its capabilities. Otherwise its stale routes are
/// removed at once (RFC 4724 §4.2, RFC 9494 §4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preserved {
    /// Applies during the restart time.
    pub restart: bool,
    /// Applies while its routes are a last resort.
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
    /// The paths are used normally, and after that kept for `long_lived` as a last resort.
    Restart {
        long_lived: Duration,
    },
    LongLived,
    /// The peer answers a refresh (RFC 7313 §4): it was not away.
    Refresh,
}

impl Stale {
    /// The peer is back and announces everything; nothing is removed until its End-of-RIB.
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

    /// Appends the octets of a handover.
    pub(super) fn encode(self, now: Instant, out: &mut Writer) {
        out.duration(self.until.saturating_duration_since(now));
        let (stage, long_lived) = match self.stage {
            Stage::Restart { long_lived } => (0, long_lived),
            Stage::LongLived => (1, Duration::ZERO),
            Stage::Refresh => (2, Duration::ZERO),
        };
        out.u8(stage);
        out.duration(long_lived);
    }

    /// Reads what [`Stale::encode`] appended.
    pub(super) fn decode(now: Instant, input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let until = later(now, input.duration()?);
        let stage = match (input.u8()?, input.duration()?) {
            (0, long_lived) => Stage::Restart { long_lived },
            (1, _) => Stage::LongLived,
            (2, _) => Stage::Refresh,
            _ => return Err(Malformed),
        };
        Ok(Self { until, stage })
    }

    /// Whether the peer is or was away, rather than just asked for a refresh.
    pub(super) fn is_restart(self) -> bool {
        self.stage != Stage::Refresh
    }

    /// The peer is back; `None` if nothing that it announced may stay.
    pub(super) fn back(self, now: Instant, preserved: Preserved) -> Option<Self> {
        match self.stage {
            Stage::Restart { .. } | Stage::Refresh => {
                preserved.restart.then(|| Self::after_restart(now))
            }
            Stage::LongLived => preserved.long_lived.then_some(self),
        }
    }

    /// The next phase when the time is up; `None` if the paths are removed.
    pub(super) fn when_over(self, now: Instant) -> Option<Self> {
        match self.stage {
            Stage::Restart { long_lived } if !long_lived.is_zero() => Some(Self {
                until: later(now, long_lived),
                stage: Stage::LongLived,
            }),
            Stage::Restart { .. } | Stage::LongLived | Stage::Refresh => None,
        }
    }

    /// Whether the paths are a last resort (RFC 9494 §4.2).
    pub(super) fn is_long_lived(self) -> bool {
        self.stage == Stage::LongLived
    }
}
