//! One neighbour: the finite state machine of RFC 4271 §8, with the two connections it may have for a while, as a value.
//!
//! In: instants, octets that were read, and what became of connections (`handle_*`), the commands of the owner
//! ([`start`](Session::start), [`stop`](Session::stop), [`send`](Session::send)). Out: one ordered queue
//! ([`poll_output`](Session::poll_output)) and one deadline ([`poll_timeout`](Session::poll_timeout)). Every input has a
//! defined effect in every state; none fails. What comes too late, for a connection that is closed or a state that is left,
//! has no effect.
//!
//! The session never dials, reads or writes, knows no route, and remembers no octet: what is not a whole message yet stays
//! in the reader's buffer.
//!
//! # Bounds
//!
//! At most two connections. The queue grows by at most a few entries for each call and one for each message in the input of
//! [`handle_bytes`](Session::handle_bytes): who hands in a bounded buffer and drains the queue after each call bounds both.
//!
//! # Who may connect
//!
//! A session that is stopped refuses connections, as RFC 4271 wants it in Idle. The stay in Idle after an error is there to
//! damp oscillation: a peer that broke the protocol, or announced too much, is refused for as long; one that vanished or
//! ended the session with a Cease may come back at once (it may be a graceful restart, and waiting would lose routes).
//! Of a third connection, and who gives way to it: see [`Session::handle_connected`].

pub mod config;

mod collision;
mod connection;
mod dial;
mod down;
mod fsm;
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

/// One neighbour. See the [module](self) for how to drive it.
#[derive(Debug)]
pub struct Session {
    fsm: Fsm,
}

impl Session {
    /// A session in Idle. All its randomness comes from `seed`.
    pub fn new(config: Arc<SessionConfig>, seed: u64) -> Self {
        Self {
            fsm: Fsm::new(config, seed),
        }
    }

    /// Leaves Idle (RFC 4271 §8.1.2, ManualStart); a stay in Idle after an error ends at once. No effect on a session that
    /// is on its way.
    pub fn start(&mut self, now: Instant) {
        match self.fsm.dialler.state {
            Dial::Off | Dial::Held { .. } => self.fsm.dialler.begin(now),
            Dial::Waiting | Dial::UnderWay | Dial::Done => {}
        }
        self.note_state(now);
    }

    /// Ends all connections and goes to Idle (RFC 4271 §8.1.2, ManualStop); [`Stop`] says what the peer is told and
    /// whether the session starts again by itself. No effect on one that is stopped.
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
            | Stop::Restart => {}
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

    /// A connection is up: the one that was dialled, or one from the peer.
    ///
    /// Closed again at once if nothing is dialled, in Idle (but see the [module](self)), and if there are two connections
    /// already, unless one of those is still without the peer's OPEN and the new one is a better bet: the peer's own
    /// earlier try, or a leftover beside an Established session.
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

    /// The dialling that was asked for failed; `error` in the words of the operating system.
    pub fn handle_connect_failed(&mut self, now: Instant, error: &str) {
        if self.fsm.dialler.failed(now) {
            self.fsm.record.dial_failed(now, error);
        }
        self.note_state(now);
    }

    /// Octets were read. Takes whole messages off the front of `input`; what is left waits for more. After an error that
    /// ends the connection, and for a connection that is closed, the rest is discarded.
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

    /// TCP was closed by the peer, or failed; `error` in the words of the operating system.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId, error: Option<&str>) {
        if self.fsm.find(conn).is_some() {
            self.fsm
                .lose(now, conn, error.unwrap_or("Connection closed"));
        }
        self.note_state(now);
    }

    /// Does what is due. Harmless when nothing is.
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

    /// Octets of an earlier `Transmit` were taken by TCP, which restarts the send hold timer (RFC 9687 §3); `pending`: more
    /// wait. Without these calls the session ends when that timer expires.
    pub fn handle_written(&mut self, now: Instant, conn: ConnId, pending: bool) {
        let Some(connection) = self.fsm.find_mut(conn) else {
            return;
        };
        match send_hold_time(connection).filter(|_| pending) {
            Some(time) => connection.timers.arm(Timer::SendHold, now, time),
            None => connection.timers.cancel(Timer::SendHold),
        }
    }

    /// While the owner does not read (back-pressure), the hold timer is not checked, and that time does not count: the peer
    /// may well have sent what nobody looked at.
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

    /// Encoded UPDATEs or ROUTE-REFRESHes; dropped unless Established.
    pub fn send(&mut self, now: Instant, messages: Bytes) {
        let Some(connection) = self.fsm.connections.iter().find(|c| c.is_established()) else {
            return;
        };
        let id = connection.id;
        self.fsm.transmit_bytes(now, id, messages);
        // RFC 4271 §4.4: an UPDATE is as good a sign of life as a KEEPALIVE.
        self.fsm.arm_keepalive(now, id);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let unchecked = self.fsm.unread_since.map(|_| Timer::Hold);
        let connections = self.fsm.connections.iter().map(|c| &c.timers);
        connections
            .chain([&self.fsm.dialler.timers])
            .filter_map(|timers| timers.next(unchecked))
            .min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.fsm.outputs.pop_front()
    }

    /// State of the connection that is furthest; without one, what is done towards one.
    pub fn state(&self) -> State {
        let connections = self.fsm.connections.iter().map(Connection::state);
        connections.max().unwrap_or(match self.fsm.dialler.state {
            Dial::Off | Dial::Held { .. } => State::Idle,
            Dial::UnderWay => State::Connect,
            Dial::Waiting | Dial::Done => State::Active,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &Arc<SessionConfig> {
        &self.fsm.config
    }

    /// What the OPENs on a connection agreed on, once both are there.
    pub fn negotiated(&self, conn: ConnId) -> Option<&Arc<Negotiated>> {
        self.fsm.find(conn)?.negotiated()
    }

    /// A copy of what operators may know.
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

    /// Closes a connection that gives way to a new one, if need be; false if none does.
    ///
    /// The peer dials once at a time, so an earlier try of its own without OPEN is dead; and beside an Established session
    /// nothing is lost with a connection that has not got further.
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

/// After a pause in reading, the least time to read what has piled up before the hold timer is checked again.
const CATCH_UP_TIME: Duration = Duration::from_secs(5);
