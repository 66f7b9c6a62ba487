//! The part of the state machine before OPEN: Idle, Connect and Active (RFC 4271 §8.2.2), that is whether the session tries
//! to open a connection of its own, and for how long it stays Idle after an error.
//!
//! It goes on beside a connection that the peer opened until an OPEN has been accepted on that: a peer that connects and
//! then stays silent keeps nobody from dialling.

use std::time::{Duration, Instant};

use super::Session;
use super::connection::{Connection, Direction};
use super::output::Output;
use super::status::ErrorClass;
use super::timers::Timer;
use crate::wire::notification::cease;
use crate::wire::{ErrorCode, Notification};

/// Where the session stands with a connection of its own.
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

impl Session {
    /// Leaves Idle as if for the first time.
    pub(super) fn begin(&mut self, now: Instant) {
        self.backoff.reset();
        self.timers.cancel(Timer::IdleHold);
        self.wait(now, self.config.connect_delay);
    }

    /// Goes on after the fall of a connection, unless another one makes it pointless.
    pub(super) fn go_on(&mut self, now: Instant, next: Next) {
        if self.connections.iter().any(settles) {
            return;
        }
        match (next, self.dial) {
            (Next::Retry, Dial::Done) => {
                self.wait(now, self.config.connect_retry_time.max(SHORTEST_RETRY));
            }
            // An incoming connection was lost before its OPEN: nothing has changed.
            (Next::Retry, Dial::Off | Dial::Held { .. } | Dial::Waiting | Dial::UnderWay) => {}
            (Next::Hold { grows, refuses }, _) => {
                let stay = if grows {
                    self.backoff.grow()
                } else {
                    self.backoff.stay()
                };
                let stay = self.jitter.shorten(stay);
                self.hold(now, stay, refuses);
            }
        }
    }

    /// Idle for so long.
    pub(super) fn hold(&mut self, now: Instant, stay: Duration, refuses: bool) {
        self.stop_dialling(Dial::Held { refuses });
        self.timers.arm(Timer::IdleHold, now, stay);
    }

    /// Ends every wait and try, and stands at `dial`.
    pub(super) fn stop_dialling(&mut self, dial: Dial) {
        if self.dial == Dial::UnderWay {
            self.outputs.push_back(Output::CancelConnect);
        }
        self.dial = dial;
        self.timers.cancel(Timer::ConnectRetry);
        self.timers.cancel(Timer::IdleHold);
    }

    pub(super) fn idle_hold_expired(&mut self, now: Instant) {
        self.wait(now, Duration::ZERO);
    }

    /// Dials; a dialling that took as long as the ConnectRetry timer runs is given up for a new one.
    pub(super) fn connect_retry_expired(&mut self, now: Instant) {
        if self.dial == Dial::UnderWay {
            self.outputs.push_back(Output::CancelConnect);
            self.record
                .error(now, ErrorClass::Socket, "Connection timed out");
        }
        self.dial = Dial::UnderWay;
        self.outputs.push_back(Output::Connect);
        self.arm_connect_retry(now, self.config.connect_retry_time.max(SHORTEST_RETRY));
    }

    /// Whether there was a dial to succeed.
    pub(super) fn dial_succeeded(&mut self) -> bool {
        let dialled = self.dial == Dial::UnderWay;
        if dialled {
            self.dial = Dial::Done;
            self.timers.cancel(Timer::ConnectRetry);
        }
        dialled
    }

    /// Whether the peer may connect.
    pub(super) fn listens(&self) -> bool {
        match self.dial {
            Dial::Off | Dial::Held { refuses: true } => false,
            Dial::Held { refuses: false } | Dial::Waiting | Dial::UnderWay | Dial::Done => true,
        }
    }

    pub(super) fn dial_failed(&mut self, now: Instant, error: &str) {
        if self.dial == Dial::UnderWay {
            self.record.error(now, ErrorClass::Socket, error);
            self.wait(now, self.config.connect_retry_time.max(SHORTEST_RETRY));
        }
    }

    /// Active for so long.
    fn wait(&mut self, now: Instant, delay: Duration) {
        self.dial = Dial::Waiting;
        if !self.config.passive {
            self.arm_connect_retry(now, delay);
        }
    }

    fn arm_connect_retry(&mut self, now: Instant, delay: Duration) {
        let delay = self.jitter.shorten(delay);
        self.timers.arm(Timer::ConnectRetry, now, delay);
    }
}

/// Whether there is no need to dial beside this connection.
fn settles(connection: &Connection) -> bool {
    connection.direction == Direction::Outgoing || connection.negotiated().is_some()
}

/// Subcode of [`ErrorCode::OPEN`].
const UNSUPPORTED_VERSION: u8 = 1;

/// No configuration makes the session dial more often.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
