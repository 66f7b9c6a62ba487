//! Intervals as packets carry them.

use std::fmt;
use std::time::Duration;

/// A time between two packets: whole microseconds, up to 4294.967295 s (RFC 5880 §4.1).
///
/// ```
/// use std::time::Duration;
/// use bgp_core::bfd::Interval;
///
/// let interval = Interval::try_from(Duration::from_millis(300))?;
/// assert_eq!((interval.as_micros(), interval.to_string()), (300_000, "300ms".to_owned()));
/// # Ok::<(), bgp_core::bfd::IntervalError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(u32);

impl Interval {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The shortest interval between packets of a session that is not up (RFC 5880 §6.8.3).
    pub const SECOND: Self = Self(1_000_000);

    /// So many microseconds.
    pub const fn from_micros(micros: u32) -> Self {
        Self(micros)
    }

    /// In microseconds.
    pub const fn as_micros(self) -> u32 {
        self.0
    }

    /// Whether it is no time at all, by which a peer says that it wants no packets (RFC 5880 §6.8.1).
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<Interval> for Duration {
    fn from(interval: Interval) -> Self {
        Self::from_micros(interval.0.into())
    }
}

impl TryFrom<Duration> for Interval {
    type Error = IntervalError;

    /// Cut to whole microseconds.
    fn try_from(duration: Duration) -> Result<Self, IntervalError> {
        let micros = u32::try_from(duration.as_micros());
        micros.map(Self).map_err(|_| IntervalError)
    }
}

impl fmt::Display for Interval {
    /// With its unit, as `300ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Duration::from(*self), f)
    }
}

/// A time that no packet can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalError;

impl fmt::Display for IntervalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected at most 4294.967295 s")
    }
}

impl std::error::Error for IntervalError {}
