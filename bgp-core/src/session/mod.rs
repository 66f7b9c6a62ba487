//! One neighbour: the finite state machine of RFC 4271 §8 as a value, with up to two simultaneous connections.
//!
//! Input: instants, received octets and events of connections (`handle_*`), and the owner's commands ([`start`](Session::start),
//! [`stop`](Session::stop), [`send`](Session::send)). Output: one ordered queue ([`poll_output`](Session::poll_output)) and one
//! deadline ([`poll_timeout`](Session::poll_timeout)). Every input has a defined effect in every state, and none fails. An input
//! that comes too late, for a closed connection or a past state, has no effect.
//!
//! The session never dials, reads or writes, knows no routes, and buffers no octets: an incomplete message stays in the reader's
//! buffer.
//!
//! # Bounds
//!
//! At most two connections. The queue grows by a few entries per call and one per message in the input of
//! [`handle_bytes`](Session::handle_bytes): an owner that passes bounded buffers and drains the queue after each call bounds
//! both.
//!
//! # Who may connect
//!
//! A stopped session refuses connections, as RFC 4271 requires in Idle. The time in Idle after an error damps oscillation: a peer
//! that violated the protocol, or exceeded its prefix limit, is refused for that time. A peer that disappeared or ended the
//! session with a Cease may come back at once, because it may be restarting gracefully and waiting would lose routes. For a third
//! connection, see [`Session::handle_connected`].

pub mod config;

mod collision;
mod connection;
mod dial;
mod down;
mod fsm;
mod handover;
mod ids;
mod negotiate;
mod negotiated;
mod output;
mod restart;
mod status;
mod stop;
mod tally;
mod timers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use connection::{Connection, Unacceptable};
use dial::{Dial, Next};
use fsm::{Fsm, MAX_CONNECTIONS, send_hold_time};

pub use config::SessionConfig;
pub use down::{Down, DownReason, ErrorClass, LastError};
pub use handover::{Handover, NotContinued};
pub use ids::{ConnId, Direction, State};
pub use negotiated::{LongLived, Negotiated, PeerRestart};
pub use output::Output;
pub use status::{
    ConnectionStatus, Counters, Failures, MessageCounts, NotificationRecord, OpenRecord,
    SessionStatus,
};
pub use stop::Stop;
pub use tally::{Notifications, Tally, Transitions};
pub use timers::Timer;

/// One neighbour. The [module](self) describes how to drive it.
#[derive(Debug)]
pub struct Session {
    fsm: Fsm,
}

impl Session {
    /// Creates a session in Idle. All of its randomness comes from `seed`.
    pub fn new(config: Arc<SessionConfig>, seed: u64) -> Self {
        Self {
            fsm: Fsm::new(config, seed),
        }
    }

    /// Leaves Idle (RFC 4271 §8.1.2, ManualStart), even during the time in Idle after an error. No effect on a started session.
    pub fn start(&mut self, now: Instant) {
        match self.fsm.dialler.state {
            Dial::Off | Dial::Held { .. } => self.fsm.dialler.begin(now),
            Dial::Waiting | Dial::UnderWay | Dial::Done => {}
        }
        self.note_state(now);
    }

    /// Ends all connections and goes to Idle (RFC 4271 §8.1.2, ManualStop). [`Stop`] determines the NOTIFICATION, and whether the
    /// session restarts by itself. No effect on a stopped session.
    pub fn stop(&mut self, now: Instant, why: Stop) {
        if self.fsm.dialler.state == Dial::Off {
            return;
        }
        while let Some(connection) = self.fsm.connections.first() {
            let id = connection.id;
            let notification = why.notification(connection.routes_outlive());
            self.fsm.close(now, id, notification.as_ref());
        }
        self.fsm.stop_dialling(Dial::Off);
        match why {
            Stop::Shutdown(_)
            | Stop::SoftShutdown(_)
            | Stop::Deconfigured
            | Stop::ConfigChange
            | Stop::Restart
            | Stop::BfdRequired => {}
            Stop::Reset(_) => self.fsm.dialler.begin(now),
            Stop::MaxPrefixes { idle, .. } | Stop::OutOfResources { idle } => {
                self.fsm.hold(now, idle, true)
            }
            Stop::BfdDown => self.fsm.go_on(now, Next::LOST),
        }
        self.fsm.record.last_error = None;
        if let Some((class, text)) = why.error() {
            self.fsm.record.error(now, class, text);
        }
        self.note_state(now);
    }

    /// A connection is up: the dialled one, or one from the peer.
    ///
    /// An outgoing connection that was not requested is closed at once, and so is one from the peer in Idle (with exceptions, see the
    /// [module](self)). A third connection is closed as well, unless it can replace one without the peer's OPEN: the peer's own earlier
    /// attempt, or a leftover next to an Established session.
    pub fn handle_connected(&mut self, now: Instant, conn: ConnId, direction: Direction) {
        if self.fsm.find(conn).is_some() {
            return;
        }
        let wanted = match direction {
            Direction::Outgoing => self.fsm.dialler.succeeded(),
            Direction::Incoming => self.fsm.dialler.listens(),
        };
        if wanted && self.make_room(now) {
            self.fsm.open_connection(now, conn, direction);
        } else {
            self.fsm.outputs.push_back(Output::Close { conn });
        }
        self.note_state(now);
    }

    /// The requested dialling failed; `error` is the system's text.
    pub fn handle_connect_failed(&mut self, now: Instant, error: &str) {
        if self.fsm.dialler.failed(now) {
            self.fsm.record.dial_failed(now, error);
        }
        self.note_state(now);
    }

    /// Octets were read. Takes complete messages off the front of `input`; the rest waits for more. After an error that ends the
    /// connection, and for a closed connection, the rest is discarded.
    pub fn handle_bytes(&mut self, now: Instant, conn: ConnId, input: &mut BytesMut) {
        loop {
            let Some(connection) = self.fsm.find(conn) else {
                input.clear();
                break;
            };
            match connection.next_message(&self.fsm.config, input) {
                Ok(Some(message)) => self.fsm.on_message(now, conn, message),
                Ok(None) => break,
                Err(Unacceptable { error, open }) => {
                    if let Some(open) = open {
                        self.fsm.record.opened(now, open);
                    }
                    match error.answerable {
                        true => self.fsm.fail(now, conn, error.notification),
                        false => self.fsm.on_unreadable_notification(now, conn),
                    }
                }
            }
        }
        self.note_state(now);
    }

    /// The peer closed TCP, or TCP failed; `error` is the system's text.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId, error: Option<&str>) {
        if self.fsm.find(conn).is_some() {
            self.fsm
                .lose(now, conn, error.unwrap_or("Connection closed"));
        }
        self.note_state(now);
    }

    /// Handles due deadlines. Harmless if none is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.fsm.dialler.timers.expire(Timer::IdleHold, now) {
            self.fsm.dialler.idle_hold_expired(now);
        }
        if self.fsm.dialler.timers.expire(Timer::ConnectRetry, now) {
            self.fsm.connect_retry_expired(now);
        }
        let ids: Vec<_> = self.fsm.connections.iter().map(|c| c.id).collect();
        for id in ids {
            self.fsm.connection_timeout(now, id);
        }
        self.note_state(now);
    }

    /// TCP has taken octets of an earlier `Transmit`, which restarts the send hold timer (RFC 9687 §3); `pending` tells whether
    /// more are waiting. Without these calls the session ends when that timer expires.
    pub fn handle_written(&mut self, now: Instant, conn: ConnId, pending: bool) {
        let Some(connection) = self.fsm.find_mut(conn) else {
            return;
        };
        match send_hold_time(connection).filter(|_| pending) {
            Some(time) => connection.timers.arm(Timer::SendHold, now, time),
            None => connection.timers.cancel(Timer::SendHold),
        }
    }

    /// Turns reading on or off (back-pressure). While the owner does not read, the hold timer is suspended: the peer may have
    /// sent messages that were not read.
    pub fn set_reading(&mut self, now: Instant, on: bool) {
        if !on {
            self.fsm.unread_since.get_or_insert(now);
        } else if let Some(since) = self.fsm.unread_since.take() {
            let unread = now.saturating_duration_since(since);
            for connection in &mut self.fsm.connections {
                connection
                    .timers
                    .postpone(Timer::Hold, unread, now + CATCH_UP_TIME);
            }
        }
    }

    /// Sends encoded UPDATEs or ROUTE-REFRESHes; they are dropped unless Established.
    pub fn send(&mut self, now: Instant, messages: Bytes) {
        let Some(connection) = self.fsm.connections.iter().find(|c| c.is_established()) else {
            return;
        };
        let id = connection.id;
        self.fsm.transmit_bytes(now, id, messages);
        // RFC 4271 §4.4: an UPDATE counts as a KEEPALIVE.
        self.fsm.arm_keepalive(now, id);
    }

    /// The session as a value, if it is Established. A second connection that is being opened is not part of it. The session
    /// itself does not change: until the successor has taken over, it can go on.
    pub fn hand_over(&self, now: Instant) -> Option<Handover> {
        handover::hand_over(&self.fsm, now)
    }

    /// Continues a session over a connection that is its owner's now. There is no output: neither the peer nor the RIB is to
    /// notice.
    ///
    /// # Errors
    ///
    /// See [`NotContinued`].
    pub fn take_over(
        config: Arc<SessionConfig>,
        seed: u64,
        now: Instant,
        id: ConnId,
        session: &Handover,
    ) -> Result<Self, NotContinued> {
        let fsm = handover::take_over(config, seed, now, id, session)?;
        Ok(Self { fsm })
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let unchecked = self.fsm.unread_since.map(|_| Timer::Hold);
        let connections = self.fsm.connections.iter().map(|c| &c.timers);
        connections
            .chain([&self.fsm.dialler.timers])
            .filter_map(|timers| timers.next(unchecked))
            .min()
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.fsm.outputs.pop_front()
    }

    /// State of the most advanced connection; without one, the state of dialling.
    pub fn state(&self) -> State {
        let connections = self.fsm.connections.iter().map(Connection::state);
        connections.max().unwrap_or(match self.fsm.dialler.state {
            Dial::Off | Dial::Held { .. } => State::Idle,
            Dial::UnderWay => State::Connect,
            Dial::Waiting | Dial::Done => State::Active,
        })
    }

    /// The settings.
    pub fn config(&self) -> &Arc<SessionConfig> {
        &self.fsm.config
    }

    /// The negotiated capabilities of a connection, once both OPENs were exchanged.
    pub fn negotiated(&self, conn: ConnId) -> Option<&Arc<Negotiated>> {
        self.fsm.find(conn)?.negotiated()
    }

    /// Counters since the creation of the session; also in its [status](Self::status).
    pub fn counters(&self) -> &Counters {
        &self.fsm.record.counters
    }

    /// More detailed counters; also in the session's [status](Self::status).
    pub fn tally(&self) -> &Tally {
        &self.fsm.record.tally
    }

    /// A snapshot for operators.
    pub fn status(&self) -> SessionStatus {
        let furthest = self.fsm.connections.iter().max_by_key(|c| c.state());
        SessionStatus {
            state: self.state(),
            since: self.fsm.record.since,
            passive: self.fsm.config.passive,
            connections: self
                .fsm
                .connections
                .iter()
                .map(ConnectionStatus::of)
                .collect(),
            idle_until: self.fsm.dialler.timers.deadline(Timer::IdleHold),
            connect_retry_at: self.fsm.dialler.timers.deadline(Timer::ConnectRetry),
            last_error: self.fsm.record.last_error.clone(),
            negotiated: furthest.and_then(Connection::negotiated).cloned(),
            last_sent: self.fsm.record.last_sent.clone(),
            last_received: self.fsm.record.last_received.clone(),
            last_open: self.fsm.record.last_open.clone(),
            failed_dials: self.fsm.record.failed_dials.clone(),
            unheard: self.fsm.record.unheard.clone(),
            counters: self.fsm.record.counters,
            tally: self.fsm.record.tally.clone(),
        }
    }

    /// Closes a connection that gives way to a new one, if needed; `false` if none does.
    ///
    /// The peer dials once at a time, so its own earlier attempt without an OPEN is dead. Beside an Established session, a
    /// connection without an OPEN is no loss.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.fsm.connections.len() < MAX_CONNECTIONS {
            return true;
        }
        let established = self.fsm.connections.iter().any(Connection::is_established);
        let victim = self.fsm.connections.iter().find(|c| {
            c.state() == State::OpenSent && (established || c.direction == Direction::Incoming)
        });
        let Some(victim) = victim.map(|c| c.id) else {
            return false;
        };
        self.fsm.close(now, victim, None);
        true
    }

    fn note_state(&mut self, now: Instant) {
        self.fsm.record.state_is(self.state(), now);
    }
}

/// After a pause in reading, the least time to read the backlog before the hold timer is checked again.
const CATCH_UP_TIME: Duration = Duration::from_secs(5);
