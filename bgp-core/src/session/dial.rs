//! The state machine before OPEN: Idle, Connect and Active (RFC 4271 §8.2.2). It decides whether the session dials, and how long
//! it stays Idle after an error.
//!
//! It continues next to a connection that the peer opened until an OPEN was accepted on that one: a peer that connects and stays
//! silent does not prevent dialling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::SessionConfig;
use super::timers::{Backoff, Jitter, Timer, Timers};
use crate::wire::notification::cease;
use crate::wire::{ErrorCode, Notification};

/// The state of our own dialling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    /// Idle: not started, or stopped for good. Connections are refused.
    Off,
    /// Idle until the IdleHold timer. The reason decides whether the peer may connect meanwhile.
    Held { refuses: bool },
    /// Active: until the ConnectRetry timer; forever if passive.
    Waiting,
    /// Connect: the owner is dialling.
    UnderWay,
    /// Our own connection is up, or the OPENs were exchanged on another one.
    Done,
}

/// How a session without a connection continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Active: try again after the ConnectRetry timer (RFC 4271 §8.2.2, OpenSent, event 18).
    Retry,
    /// Idle for a while.
    Hold {
        /// An error: the next time in Idle is longer.
        grows: bool,
        /// The peer must not connect meanwhile.
        refuses: bool,
    },
}

impl Next {
    /// What follows a NOTIFICATION in either direction.
    ///
    /// The time in Idle only grows after errors that will recur: not after a collision, and not after a refused version (RFC 4271
    /// §8.2.2, event 24). A peer that violated the protocol is refused meanwhile. A peer that was silent or sent a Cease may come
    /// back at once, which matters for graceful restart.
    pub(super) fn after(notification: &Notification) -> Self {
        let Notification { code, subcode, .. } = *notification;
        let collision = code == ErrorCode::CEASE && subcode == cease::COLLISION;
        let version = code == ErrorCode::OPEN && subcode == UNSUPPORTED_VERSION;
        let parted = [
            ErrorCode::CEASE,
            ErrorCode::HOLD_TIMER,
            ErrorCode::SEND_HOLD_TIMER,
        ];
        Self::Hold {
            grows: !collision && !version,
            refuses: !parted.contains(&code),
        }
    }

    /// After the loss of TCP on a connection with exchanged OPENs.
    pub(super) const LOST: Self = Self::Hold {
        grows: true,
        refuses: false,
    };
}

/// Dials, and waits between attempts.
#[derive(Debug)]
pub(super) struct Dialler {
    config: Arc<SessionConfig>,
    pub(super) state: Dial,
    /// IdleHold and ConnectRetry; other timers belong to a connection.
    pub(super) timers: Timers,
    pub(super) backoff: Backoff,
    /// Random numbers for the whole session.
    pub(super) jitter: Jitter,
}

impl Dialler {
    /// Creates a dialler in Idle. All randomness comes from `seed`.
    pub(super) fn new(config: Arc<SessionConfig>, seed: u64) -> Self {
        Self {
            jitter: Jitter::new(seed),
            backoff: Backoff::new(config.idle_hold),
            state: Dial::Off,
            timers: Timers::default(),
            config,
        }
    }

    /// Leaves Idle as for the first time.
    pub(super) fn begin(&mut self, now: Instant) {
        self.backoff.reset();
        self.timers.cancel(Timer::IdleHold);
        self.wait(now, self.config.connect_delay);
    }

    /// Continues after the end of a connection, if no other connection makes dialling unnecessary. Returns whether to cancel an
    /// attempt.
    #[must_use]
    pub(super) fn go_on(&mut self, now: Instant, next: Next) -> bool {
        match (next, self.state) {
            (Next::Retry, Dial::Done) => {
                self.wait(now, self.retry_time());
                false
            }
            // An incoming connection was lost before its OPEN: nothing changes.
            (Next::Retry, Dial::Off | Dial::Held { .. } | Dial::Waiting | Dial::UnderWay) => false,
            (Next::Hold { grows, refuses }, _) => {
                let stay = if grows {
                    self.backoff.grow()
                } else {
                    self.backoff.stay()
                };
                let stay = self.jitter.shorten(stay);
                self.hold(now, stay, refuses)
            }
        }
    }

    /// Goes to Idle for this time. Returns whether to cancel an attempt.
    #[must_use]
    pub(super) fn hold(&mut self, now: Instant, stay: Duration, refuses: bool) -> bool {
        let cancel = self.stop(Dial::Held { refuses });
        self.timers.arm(Timer::IdleHold, now, stay);
        cancel
    }

    /// Ends every wait and attempt, and goes to `state`. Returns whether to cancel an attempt.
    #[must_use]
    pub(super) fn stop(&mut self, state: Dial) -> bool {
        let cancel = self.state == Dial::UnderWay;
        self.state = state;
        self.timers.cancel(Timer::ConnectRetry);
        self.timers.cancel(Timer::IdleHold);
        cancel
    }

    pub(super) fn idle_hold_expired(&mut self, now: Instant) {
        self.wait(now, Duration::ZERO);
    }

    /// Starts a new attempt. Returns whether to cancel an earlier one, which took as long as the ConnectRetry timer.
    #[must_use]
    pub(super) fn connect_retry_expired(&mut self, now: Instant) -> bool {
        let timed_out = self.state == Dial::UnderWay;
        self.state = Dial::UnderWay;
        self.arm_connect_retry(now, self.retry_time());
        timed_out
    }

    /// An attempt succeeded; `false` if none was in progress.
    pub(super) fn succeeded(&mut self) -> bool {
        let dialled = self.state == Dial::UnderWay;
        if dialled {
            self.state = Dial::Done;
            self.timers.cancel(Timer::ConnectRetry);
        }
        dialled
    }

    /// An attempt failed; `false` if none was in progress.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let dialled = self.state == Dial::UnderWay;
        if dialled {
            self.wait(now, self.retry_time());
        }
        dialled
    }

    /// Whether the peer may connect.
    pub(super) fn listens(&self) -> bool {
        match self.state {
            Dial::Off | Dial::Held { refuses: true } => false,
            Dial::Held { refuses: false } | Dial::Waiting | Dial::UnderWay | Dial::Done => true,
        }
    }

    /// Goes to Active for this time.
    fn wait(&mut self, now: Instant, delay: Duration) {
        self.state = Dial::Waiting;
        if !self.config.passive {
            self.arm_connect_retry(now, delay);
        }
    }

    fn retry_time(&self) -> Duration {
        self.config.connect_retry_time.max(SHORTEST_RETRY)
    }

    fn arm_connect_retry(&mut self, now: Instant, delay: Duration) {
        let delay = self.jitter.shorten(delay);
        self.timers.arm(Timer::ConnectRetry, now, delay);
    }
}

/// Subcode of [`ErrorCode::OPEN`].
const UNSUPPORTED_VERSION: u8 = 1;

/// Lower bound of any configured retry interval.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
