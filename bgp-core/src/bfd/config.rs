//! How a session is to run.

use std::num::NonZeroU8;

use super::interval::Interval;

/// Settings of one session. A change of any of them ends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How often we would like to send while the session is up; the peer may want less.
    pub desired_min_tx: Interval,
    /// How often the peer may send; not zero.
    pub required_min_rx: Interval,
    /// How many of our packets in a row may be lost before the peer finds the path dead.
    pub multiplier: NonZeroU8,
    /// How often we send while the peer is not heard; at least one second is kept, which is the interval between the first packet of the
    /// peer and the time that the session is up (RFC 5880 §6.8.3).
    pub idle_tx: Interval,
    /// Our BFD goes on while our control plane restarts (C bit, RFC 5882 §4.3).
    pub control_plane_independent: bool,
}

impl Config {
    /// The same interval in both directions, one second while the session is not up, and a BFD that shares the fate of the control
    /// plane.
    pub const fn new(interval: Interval, multiplier: NonZeroU8) -> Self {
        Self {
            desired_min_tx: interval,
            required_min_rx: interval,
            multiplier,
            idle_tx: Interval::SECOND,
            control_plane_independent: false,
        }
    }
}
