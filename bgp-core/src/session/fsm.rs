//! The effects of messages, timers and the loss of a connection: the state table of RFC 4271 §8.2.2 from OpenSent on.
//!
//! | state       | goes on                               | falls                                                         |
//! |-------------|---------------------------------------|---------------------------------------------------------------|
//! | OpenSent    | good OPEN: KEEPALIVE, OpenConfirm     | TCP lost: Active; anything else: NOTIFICATION, Idle           |
//! | OpenConfirm | KEEPALIVE: Established                | TCP lost: Idle; anything else: NOTIFICATION, Idle             |
//! | Established | KEEPALIVE, UPDATE, ROUTE-REFRESH      | TCP lost: Idle; OPEN, decoding error, timer: NOTIFICATION, Idle |
//!
//! "Idle" and "Active" are the next states of the session, unless its other connection has come at least as far: then that one
//! simply continues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::collision::{self, Verdict};
use super::config::SessionConfig;
use super::connection::{Connection, Progress};
use super::dial::{Dial, Dialler, Next};
use super::down::{Down, DownReason, ErrorClass};
use super::ids::{ConnId, Direction};
use super::negotiate::{self, SHORTEST_KEEPALIVE};
use super::negotiated::Negotiated;
use super::output::Output;
use super::restart;
use super::status::{Record, describe};
use super::timers::{Backoff, Timer, Timers};
use crate::types::Family;
use crate::wire::notification::cease;
use crate::wire::{ErrorCode, Message, Notification, Open, RefreshKind, RouteRefresh, Update};

/// The state of a session.
#[derive(Debug)]
pub(super) struct Fsm {
    pub(super) config: Arc<SessionConfig>,
    /// Idle, Connect, Active: our own dialling.
    pub(super) dialler: Dialler,
    /// OpenSent, OpenConfirm, Established: oldest first, at most [`MAX_CONNECTIONS`].
    pub(super) connections: Vec<Connection>,
    /// Since when the owner does not read; `None` while it reads.
    pub(super) unread_since: Option<Instant>,
    /// The session was Established once: for the peer, our restart is over (RFC 4724 §4.1).
    came_up: bool,
    pub(super) outputs: VecDeque<Output>,
    pub(super) record: Record,
}

/// One opened by each side, or an Established one and its possible replacement.
pub(super) const MAX_CONNECTIONS: usize = 2;

impl Fsm {
    /// Creates a state machine in Idle. All randomness comes from `seed`.
    pub(super) fn new(config: Arc<SessionConfig>, seed: u64) -> Self {
        Self {
            dialler: Dialler::new(Arc::clone(&config), seed),
            connections: Vec::with_capacity(MAX_CONNECTIONS),
            unread_since: None,
            came_up: false,
            outputs: VecDeque::new(),
            record: Record::new(),
            config,
        }
    }

    /// The session was Established once.
    pub(super) fn came_up(&mut self) {
        self.came_up = true;
    }

    /// TCP is up: sends OPEN.
    pub(super) fn open_connection(&mut self, now: Instant, id: ConnId, direction: Direction) {
        let sent_open = negotiate::own_open(&self.config, !self.came_up);
        let mut timers = Timers::default();
        timers.arm(Timer::Hold, now, OPEN_HOLD_TIME);
        self.record.failed_dials = None;
        self.connections.push(Connection {
            id,
            direction,
            since: now,
            during_session: self.connections.iter().any(Connection::is_established),
            sent_open: sent_open.clone(),
            progress: Progress::OpenSent,
            timers,
        });
        self.transmit(now, id, &Message::Open(sent_open));
    }

    pub(super) fn on_message(&mut self, now: Instant, id: ConnId, message: Message) {
        self.record.counters.received.count(message.kind());
        self.heard(now, id);
        match message {
            Message::Open(open) => self.on_open(now, id, open),
            Message::Keepalive => self.on_keepalive(now, id),
            Message::Update(update) => self.on_update(id, update),
            Message::RouteRefresh(refresh) => self.on_refresh(id, refresh),
            Message::Notification(notification) => self.on_notification(now, id, notification),
        }
    }

    fn on_open(&mut self, now: Instant, id: ConnId, open: Open) {
        self.record.opened(now, negotiate::at_rest(open.clone()));
        let Some(connection) = self.find(id) else {
            return;
        };
        match negotiate::negotiate(&self.config, &connection.sent_open, open) {
            Err(refusal) => self.fail(now, id, refusal),
            Ok(negotiated) => self.resolve_collision(now, id, negotiated),
        }
    }

    /// Handles a valid OPEN. If another OPEN was accepted before, only one of the two connections stays.
    fn resolve_collision(&mut self, now: Instant, id: ConnId, negotiated: Arc<Negotiated>) {
        let local = (self.config.router_id, self.config.local_as);
        let peer = (negotiated.peer_id, negotiated.peer_as);
        let mut others = self.connections.iter().filter(|other| other.id != id);
        let other = others.find(|other| other.negotiated().is_some());
        let Some((older, newer)) = other.zip(self.find(id)) else {
            self.confirm(now, id, negotiated);
            return;
        };
        let older_id = older.id;
        match collision::decide(local, peer, older, newer) {
            Verdict::KeepOlder => self.close(now, id, Some(&Notification::cease(cease::COLLISION))),
            Verdict::KeepNewer => {
                self.confirm(now, id, negotiated);
                self.close(now, older_id, Some(&Notification::cease(cease::COLLISION)));
            }
            Verdict::Replace => {
                self.replace(now, older_id);
                self.confirm(now, id, negotiated);
            }
        }
    }

    /// Goes to OpenConfirm.
    fn confirm(&mut self, now: Instant, id: ConnId, negotiated: Arc<Negotiated>) {
        self.stop_dialling(Dial::Done);
        let Some(connection) = self.find_mut(id) else {
            return;
        };
        // Without a hold time, the wait for the KEEPALIVE is still limited: the timer of OpenSent keeps running.
        if !negotiated.hold_time.is_zero() {
            connection
                .timers
                .arm(Timer::Hold, now, negotiated.hold_time);
        }
        connection.progress = Progress::OpenConfirm(negotiated);
        self.transmit(now, id, &Message::Keepalive);
        self.arm_keepalive(now, id);
    }

    fn on_keepalive(&mut self, now: Instant, id: ConnId) {
        let Some(connection) = self.find_mut(id) else {
            return;
        };
        let Progress::OpenConfirm(negotiated) = &connection.progress else {
            return;
        };
        let negotiated = Arc::clone(negotiated);
        if negotiated.hold_time.is_zero() {
            connection.timers.cancel(Timer::Hold);
        }
        connection.progress = Progress::Established {
            unfinished: restart::unfinished(&negotiated),
            negotiated: Arc::clone(&negotiated),
            since: now,
        };
        self.came_up();
        self.record.up();
        self.outputs.push_back(Output::Up {
            conn: id,
            negotiated,
        });
    }

    fn on_update(&mut self, id: ConnId, mut update: Update) {
        if update.has_opaque() {
            let negotiated = self.find(id).and_then(|connection| connection.negotiated());
            update.keep_opaque(negotiated.map_or(&[], |agreed| &agreed.opaque_families));
        }
        let Some(family) = update.end_of_rib() else {
            self.outputs.push_back(Output::Update(update));
            return;
        };
        if let Some(connection) = self.find_mut(id) {
            connection.finish(family);
        }
        self.outputs.push_back(Output::EndOfRib(family));
    }

    /// Passes a ROUTE-REFRESH on unless the family was not negotiated (RFC 2918 §4), the kind is unknown (RFC 7313 §5), or it is
    /// a marker within the first table, whose End-of-RIB must come first (RFC 7313 §4).
    fn on_refresh(&mut self, id: ConnId, refresh: RouteRefresh) {
        let Some(connection) = self.find(id) else {
            return;
        };
        let is_mark = matches!(refresh.kind, RefreshKind::BEGIN | RefreshKind::END);
        let is_known = is_mark || refresh.kind == RefreshKind::REQUEST;
        let is_sensible = match Family::from_afi_safi(refresh.family) {
            Some(family) => {
                let is_too_early = is_mark && connection.is_unfinished(family);
                connection.context().families[family] && !is_too_early
            }
            None => {
                let agreed = connection.negotiated();
                agreed.is_some_and(|agreed| agreed.opaque_families.contains(&refresh.family))
            }
        };
        if is_known && is_sensible {
            self.outputs.push_back(Output::Refresh(refresh));
        }
    }

    /// Never answered (RFC 4271 §6.4).
    fn on_notification(&mut self, now: Instant, id: ConnId, notification: Notification) {
        self.record.received(now, &notification);
        let text = describe(&notification);
        let next = Next::after(&notification);
        self.outputs.push_back(Output::Close { conn: id });
        self.fall(now, id, DownReason::Received(notification), next);
        self.record_error(now, ErrorClass::Received, text);
    }

    /// The peer sent a NOTIFICATION that cannot be decoded; code 0 is reserved. It is not answered either.
    pub(super) fn on_unreadable_notification(&mut self, now: Instant, id: ConnId) {
        self.on_notification(now, id, Notification::new(ErrorCode(0), 0));
    }

    /// Ends a connection with a NOTIFICATION.
    pub(super) fn fail(&mut self, now: Instant, id: ConnId, notification: Notification) {
        self.transmit_last(now, id, &notification);
        let text = describe(&notification);
        let next = Next::after(&notification);
        let reason = if notification.code == ErrorCode::SEND_HOLD_TIMER {
            DownReason::SendHoldTimer
        } else {
            DownReason::Sent(notification)
        };
        self.fall(now, id, reason, next);
        self.record_error(now, ErrorClass::Sent, text);
    }

    /// TCP was lost.
    pub(super) fn lose(&mut self, now: Instant, id: ConnId, error: &str) {
        let opened = self
            .find(id)
            .is_some_and(|connection| connection.negotiated().is_some());
        let next = if opened { Next::LOST } else { Next::Retry };
        if !opened {
            self.record.lost_unheard(now, error);
        }
        self.fall(now, id, DownReason::Closed(error.to_owned()), next);
        self.record_error(now, ErrorClass::Socket, error.to_owned());
    }

    /// The peer is back on a new connection before the loss of this one was noticed. No NOTIFICATION is sent (RFC 4724 §4.2).
    fn replace(&mut self, now: Instant, id: ConnId) {
        self.outputs.push_back(Output::Close { conn: id });
        self.remove(now, id, DownReason::Replaced);
        self.record
            .error(now, ErrorClass::Local, "Graceful restart");
    }

    /// Ends one connection without an effect on the session's next state.
    pub(super) fn close(&mut self, now: Instant, id: ConnId, notification: Option<&Notification>) {
        let reason = if let Some(notification) = notification {
            self.transmit_last(now, id, notification);
            DownReason::Sent(notification.clone())
        } else {
            self.outputs.push_back(Output::Close { conn: id });
            DownReason::Left
        };
        self.remove(now, id, reason);
    }

    fn fall(&mut self, now: Instant, id: ConnId, reason: DownReason, next: Next) {
        if !self.connections.iter().any(Connection::is_established) {
            let refusal = self.record.refusal(&reason);
            self.outputs.extend(refusal.map(Output::Refused));
        }
        self.remove(now, id, reason);
        self.go_on(now, next);
    }

    /// Removes a connection; reports the end of the session if it was Established.
    fn remove(&mut self, now: Instant, id: ConnId, reason: DownReason) {
        let Some(at) = self.connections.iter().position(|c| c.id == id) else {
            return;
        };
        let connection = self.connections.remove(at);
        if let Progress::Established {
            negotiated, since, ..
        } = connection.progress
        {
            if now.saturating_duration_since(since) >= Backoff::STABLE {
                self.dialler.backoff.reset();
            }
            self.record.counters.flaps += 1;
            self.outputs.push_back(Output::Down(Down {
                keep_stale: restart::keep_stale(&negotiated, &reason),
                keep_older: restart::is_late_collision(&reason, now, since),
                reason,
            }));
        }
    }

    /// Continues after the end of a connection, unless another connection makes dialling unnecessary.
    pub(super) fn go_on(&mut self, now: Instant, next: Next) {
        if !self.connections.iter().any(settles) {
            let cancel = self.dialler.go_on(now, next);
            self.cancel_connect(cancel);
        }
    }

    /// Goes to Idle for this time.
    pub(super) fn hold(&mut self, now: Instant, stay: Duration, refuses: bool) {
        let cancel = self.dialler.hold(now, stay, refuses);
        self.cancel_connect(cancel);
    }

    /// Ends every wait and attempt to connect.
    pub(super) fn stop_dialling(&mut self, state: Dial) {
        let cancel = self.dialler.stop(state);
        self.cancel_connect(cancel);
    }

    /// Dials after a wait, or again if the earlier attempt took too long.
    pub(super) fn connect_retry_expired(&mut self, now: Instant) {
        let timed_out = self.dialler.connect_retry_expired(now);
        self.cancel_connect(timed_out);
        if timed_out {
            self.record.dial_failed(now, "Connection timed out");
        }
        self.outputs.push_back(Output::Connect);
    }

    fn cancel_connect(&mut self, cancel: bool) {
        self.outputs.extend(cancel.then_some(Output::CancelConnect));
    }

    /// Records the last error, unless a session is up on another connection than the failed one.
    fn record_error(&mut self, now: Instant, class: ErrorClass, text: String) {
        if !self.connections.iter().any(Connection::is_established) {
            self.record.error(now, class, text);
        }
    }

    /// Handles the expired timers of a connection. Hold comes first, as nothing follows it.
    pub(super) fn connection_timeout(&mut self, now: Instant, id: ConnId) {
        let checks_hold = self.unread_since.is_none();
        let Some(connection) = self.find_mut(id) else {
            return;
        };
        let timers = &mut connection.timers;
        if checks_hold && timers.expire(Timer::Hold, now) {
            self.fail(now, id, Notification::new(ErrorCode::HOLD_TIMER, 0));
        } else if timers.expire(Timer::SendHold, now) {
            self.fail(now, id, Notification::new(ErrorCode::SEND_HOLD_TIMER, 0));
        } else if timers.expire(Timer::Keepalive, now) {
            self.transmit(now, id, &Message::Keepalive);
            self.arm_keepalive(now, id);
        }
    }

    /// Restarts the hold timer.
    fn heard(&mut self, now: Instant, id: ConnId) {
        let Some(connection) = self.find_mut(id) else {
            return;
        };
        let hold_time = connection.negotiated().map(|n| n.hold_time);
        if let Some(hold_time) = hold_time.filter(|time| !time.is_zero()) {
            connection.timers.arm(Timer::Hold, now, hold_time);
        }
    }

    /// Restarts the keepalive timer. RFC 4271 §4.4 requires at least a second between KEEPALIVEs.
    pub(super) fn arm_keepalive(&mut self, now: Instant, id: ConnId) {
        let interval = self.find(id).and_then(Connection::negotiated);
        let Some(interval) = interval.map(|n| n.keepalive_time).filter(|t| !t.is_zero()) else {
            return;
        };
        let after = self
            .dialler
            .jitter
            .shorten(interval)
            .max(SHORTEST_KEEPALIVE);
        if let Some(connection) = self.find_mut(id) {
            connection.timers.arm(Timer::Keepalive, now, after);
        }
    }

    fn transmit(&mut self, now: Instant, id: ConnId, message: &Message) {
        let Some(connection) = self.find(id) else {
            return;
        };
        let mut buffer = BytesMut::new();
        message.encode(&connection.context(), &mut buffer);
        self.transmit_bytes(now, id, buffer.freeze());
    }

    /// Queues octets; while Established, TCP must take them within the send hold time (RFC 9687 §3).
    pub(super) fn transmit_bytes(&mut self, now: Instant, id: ConnId, bytes: Bytes) {
        self.record.counters.sent.count_all(&bytes);
        if let Some(connection) = self.find_mut(id) {
            let idle = connection.timers.deadline(Timer::SendHold).is_none();
            if let Some(send_hold_time) = send_hold_time(connection).filter(|_| idle) {
                connection.timers.arm(Timer::SendHold, now, send_hold_time);
            }
        }
        self.outputs.push_back(Output::Transmit { conn: id, bytes });
    }

    /// Sends a NOTIFICATION and closes the connection (RFC 4271 §6).
    fn transmit_last(&mut self, now: Instant, id: ConnId, notification: &Notification) {
        self.record.sent(now, notification);
        self.transmit(now, id, &Message::Notification(notification.clone()));
        self.outputs.push_back(Output::Close { conn: id });
    }

    pub(super) fn find(&self, id: ConnId) -> Option<&Connection> {
        self.connections.iter().find(|c| c.id == id)
    }

    pub(super) fn find_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|c| c.id == id)
    }
}

/// Whether this connection makes dialling unnecessary.
fn settles(connection: &Connection) -> bool {
    connection.direction == Direction::Outgoing || connection.negotiated().is_some()
}

/// The send hold time (RFC 9687 §3): longer than the hold time. `None` without a hold time, and before Established.
pub(super) fn send_hold_time(connection: &Connection) -> Option<Duration> {
    if !connection.is_established() {
        return None;
    }
    let hold_time = connection.negotiated()?.hold_time;
    (!hold_time.is_zero()).then(|| SHORTEST_SEND_HOLD.max(hold_time * 2))
}

/// How long a connection may stay in OpenSent (RFC 4271 §8.2.2: "a large value").
const OPEN_HOLD_TIME: Duration = Duration::from_secs(240);

/// RFC 9687 §3: eight minutes, or twice the hold time if that is longer.
const SHORTEST_SEND_HOLD: Duration = Duration::from_secs(480);
