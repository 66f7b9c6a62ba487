//! The part of the state machine before OPEN: Idle, Connect and Active (RFC 4271 §8.2.2), that is whether the session tries
//! to open a connection of its own, and for how long it stays Idle after an error.
//!
//! It goes on beside a connection that the peer opened until an OPEN has been accepted on that: a peer that connects and
//! then stays silent keeps nobody from dialling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::SessionConfig;
use super::timers::{Backoff, Jitter, Timer, Timers};
use crate::wire::notification::cease;
use crate::wire::{ErrorCode, Notification};

/// How far a connection of our own has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    /// Idle: not started, or stopped for good. Connections are refused.
    Off,
    /// Idle until the IdleHold timer. Whether the peer may connect meanwhile depends on why.
    Held { refuses: bool },
    /// Active: until the ConnectRetry timer; for ever if passive.
    Waiting,
    /// Connect: the owner is dialling.
    UnderWay,
    /// There is a connection of our own, or one on which the OPENs have been exchanged.
    Done,
}

/// How a session without connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Active: try again after the ConnectRetry timer (RFC 4271 §8.2.2, OpenSent, event 18).
    Retry,
    /// Idle for a while.
    Hold {
        /// It was an error, the next stay is longer.
        grows: bool,
        /// The peer must not connect meanwhile.
        refuses: bool,
    },
}

impl Next {
    /// After a NOTIFICATION in either direction.
    ///
    /// The longer stays are against errors that will come again; a collision is no error, and a refused version does not
    /// count (RFC 4271 §8.2.2, event 24). Whoever broke the protocol is refused meanwhile; but one who was silent or said
    /// farewell (Cease) is welcome as soon as it comes back, which matters to a peer that restarts gracefully.
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

    /// After TCP was lost on a connection whose OPENs had been exchanged.
    pub(super) const LOST: Self = Self::Hold {
        grows: true,
        refuses: false,
    };
}

/// Tries to open a connection of our own, with the waits between them.
#[derive(Debug)]
pub(super) struct Dialler {
    config: Arc<SessionConfig>,
    pub(super) state: Dial,
    /// IdleHold and ConnectRetry; the others belong to a connection.
    pub(super) timers: Timers,
    pub(super) backoff: Backoff,
    /// Random numbers of the whole session.
    pub(super) jitter: Jitter,
}

impl Dialler {
    /// In Idle. All randomness comes from `seed`.
    pub(super) fn new(config: Arc<SessionConfig>, seed: u64) -> Self {
        Self {
            jitter: Jitter::new(seed),
            backoff: Backoff::new(config.idle_hold),
            state: Dial::Off,
            timers: Timers::default(),
            config,
        }
    }

    /// Leaves Idle as if for the first time.
    pub(super) fn begin(&mut self, now: Instant) {
        self.backoff.reset();
        self.timers.cancel(Timer::IdleHold);
        self.wait(now, self.config.connect_delay);
    }

    /// Goes on after the fall of a connection, without another one that makes it pointless. Tells whether to cancel a try.
    #[must_use]
    pub(super) fn go_on(&mut self, now: Instant, next: Next) -> bool {
        match (next, self.state) {
            (Next::Retry, Dial::Done) => {
                self.wait(now, self.retry_time());
                false
            }
            // An incoming connection was lost before its OPEN: nothing has changed.
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

    /// Idle for so long. Tells whether to cancel a try.
    #[must_use]
    pub(super) fn hold(&mut self, now: Instant, stay: Duration, refuses: bool) -> bool {
        let cancel = self.stop(Dial::Held { refuses });
        self.timers.arm(Timer::IdleHold, now, stay);
        cancel
    }

    /// Ends every wait and try, and is in `state` then. Tells whether to cancel a try.
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

    /// A new try begins. Tells whether to cancel an earlier one, which took as long as the ConnectRetry timer runs.
    #[must_use]
    pub(super) fn connect_retry_expired(&mut self, now: Instant) -> bool {
        let timed_out = self.state == Dial::UnderWay;
        self.state = Dial::UnderWay;
        self.arm_connect_retry(now, self.retry_time());
        timed_out
    }

    /// Whether there was a try to succeed.
    pub(super) fn succeeded(&mut self) -> bool {
        let dialled = self.state == Dial::UnderWay;
        if dialled {
            self.state = Dial::Done;
            self.timers.cancel(Timer::ConnectRetry);
        }
        dialled
    }

    /// Whether there was a try to fail.
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

    /// Active for so long.
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

/// No configuration makes the session dial more often.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
