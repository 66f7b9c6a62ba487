//! How a peer's path is to be watched.

use std::num::NonZeroU8;
use std::time::Duration;

use bgp_core::bfd::{Config, Interval};

use crate::config::ConfigError;

/// How a peer's path is to be watched by BFD (RFC 5882). A change of it never ends a session.
///
/// ```
/// use std::time::Duration;
/// use bgp_speaker::{BfdPath, BfdSpec};
///
/// let mut bfd = BfdSpec::new(Duration::from_millis(300), 3);
/// bfd.path = BfdPath::Multihop { min_ttl: 254 };
/// assert!(bfd.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BfdSpec {
    /// The peer may send as often as this, 10 ms to 60 s.
    pub min_rx: Duration,
    /// We would like to send as often as this, 10 ms to 60 s.
    pub min_tx: Duration,
    /// Interval between our packets while the peer is not heard, 1 s to 60 s.
    pub idle_tx: Duration,
    /// So many packets in a row are lost before the path is dead, 1 to 255.
    pub multiplier: u8,
    /// How far away the peer is.
    pub path: BfdPath,
    /// Keep the BGP session down until BFD is up, or held down by an operator of either side (RFC 5882 §4.1).
    pub strict: bool,
}

/// How far away a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BfdPath {
    /// On a network that both are connected to (RFC 5881): port 3784, and only packets that no router has passed on.
    SingleHop,
    /// Behind routers (RFC 5883): port 4784.
    Multihop {
        /// The least TTL, or hop limit, with which a packet may come; it is sent with 255.
        min_ttl: u8,
    },
}

impl BfdSpec {
    /// The same interval in both directions, to a peer on a connected network.
    pub const fn new(interval: Duration, multiplier: u8) -> Self {
        Self {
            min_rx: interval,
            min_tx: interval,
            idle_tx: IDLE,
            multiplier,
            path: BfdPath::SingleHop,
            strict: false,
        }
    }

    /// Looks for values that no session can have.
    ///
    /// # Errors
    ///
    /// The first one.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let error = |reason: String| Err(ConfigError::new("bfd", reason));
        for (name, interval, shortest) in [
            ("min_rx", self.min_rx, SHORTEST),
            ("min_tx", self.min_tx, SHORTEST),
            ("idle_tx", self.idle_tx, IDLE),
        ] {
            if !(shortest..=LONGEST).contains(&interval) {
                let reason =
                    format!("{name}: expected {shortest:?} to {LONGEST:?}, found {interval:?}");
                return error(reason);
            }
        }
        match self.multiplier {
            0 => error("multiplier: expected 1 to 255, found 0".into()),
            _ => Ok(()),
        }
    }

    pub(super) fn config(&self) -> Config {
        // Values that do not fit were refused before.
        let interval = |time| Interval::try_from(time).unwrap_or(Interval::SECOND);
        let multiplier = NonZeroU8::new(self.multiplier).unwrap_or(NonZeroU8::MIN);
        let mut config = Config::new(interval(self.min_tx), multiplier);
        config.required_min_rx = interval(self.min_rx);
        config.idle_tx = interval(self.idle_tx);
        config
    }

    /// One session serves all who watch the same path (RFC 5882 §4.4): the shortest times of all count.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            min_rx: self.min_rx.min(other.min_rx),
            min_tx: self.min_tx.min(other.min_tx),
            idle_tx: self.idle_tx.min(other.idle_tx),
            multiplier: self.multiplier.min(other.multiplier),
            ..self
        }
    }
}

impl BfdPath {
    /// Where packets go to.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::SingleHop => 3784,
            Self::Multihop { .. } => 4784,
        }
    }

    /// What a packet has at least when it comes (RFC 5881 §5, RFC 5883 §5).
    pub(super) fn min_ttl(self) -> u8 {
        match self {
            Self::SingleHop => u8::MAX,
            Self::Multihop { min_ttl } => min_ttl,
        }
    }
}

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_no_session_can_have_are_named() {
        let good = BfdSpec::new(Duration::from_millis(300), 3);
        assert_eq!(good.validate(), Ok(()));
        type Damage = fn(&mut BfdSpec);
        let damages: [(&str, Damage); 5] = [
            ("min_rx: expected 10ms to 60s, found 9ms", |bfd| {
                bfd.min_rx = Duration::from_millis(9)
            }),
            ("min_tx: expected 10ms to 60s, found 300µs", |bfd| {
                bfd.min_tx = Duration::from_micros(300)
            }),
            ("min_tx: expected 10ms to 60s, found 300s", |bfd| {
                bfd.min_tx = Duration::from_secs(300)
            }),
            ("idle_tx: expected 1s to 60s, found 300ms", |bfd| {
                bfd.idle_tx = Duration::from_millis(300)
            }),
            ("multiplier: expected 1 to 255, found 0", |bfd| {
                bfd.multiplier = 0
            }),
        ];
        for (reason, damage) in damages {
            let mut bfd = good;
            damage(&mut bfd);
            assert_eq!(bfd.validate().expect_err(reason).reason, reason);
        }
    }

    #[test]
    fn milliseconds_are_no_microseconds() {
        let config = BfdSpec::new(Duration::from_millis(300), 3).config();
        assert_eq!(config.desired_min_tx.as_micros(), 300_000);
        assert_eq!(config.required_min_rx.as_micros(), 300_000);
        assert_eq!(config.idle_tx, Interval::SECOND);
    }
}
