//! The status of a session for operators: a snapshot of plain values, made on demand.

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::connection::Connection;
use super::down::{DownReason, ErrorClass, LastError};
use super::ids::{ConnId, Direction, State};
use super::negotiated::Negotiated;
use super::tally::Tally;
use super::timers::Timer;
use crate::wire::notification::cease;
use crate::wire::{ErrorCode, HEADER_LEN, MessageType, Notification, Open};

/// A snapshot of a session. Deadlines are instants; the reader computes the remaining time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStatus {
    /// State of the most advanced connection; without one, the state of dialling.
    pub state: State,
    /// When the state last changed; `None` before the first start.
    pub since: Option<Instant>,
    /// The session never dials: it waits for the peer where another session would be Active.
    pub passive: bool,
    /// Up to two connections.
    pub connections: Vec<ConnectionStatus>,
    /// When Idle ends by itself.
    pub idle_until: Option<Instant>,
    /// When the next attempt to connect is due.
    pub connect_retry_at: Option<Instant>,
    /// Why the session is not up; cleared when it is Established. A socket error only replaces another socket error, because
    /// refused or reset connections often follow from an earlier NOTIFICATION.
    pub last_error: Option<LastError>,
    /// The negotiated properties, from OpenConfirm on.
    pub negotiated: Option<Arc<Negotiated>>,
    /// The last NOTIFICATION that we sent, in any session.
    pub last_sent: Option<NotificationRecord>,
    /// The last NOTIFICATION that the peer sent, in any session.
    pub last_received: Option<NotificationRecord>,
    /// The last OPEN that the peer sent, even if it was refused.
    pub last_open: Option<OpenRecord>,
    /// Failed attempts to connect since the last connection of any kind.
    pub failed_dials: Option<Failures>,
    /// Connections lost before the peer's OPEN, since the last NOTIFICATION or the last OPEN of the peer.
    pub unheard: Option<Failures>,
    /// Counters since the creation of the session.
    pub counters: Counters,
    /// More detailed counters.
    pub tally: Tally,
}

/// An OPEN of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenRecord {
    /// The message.
    pub open: Open,
    /// When it was received.
    pub at: Instant,
}

impl OpenRecord {
    /// An OPEN received at this time.
    pub fn new(open: Open, at: Instant) -> Self {
        Self { open, at }
    }
}

/// A repeated failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failures {
    /// How often it occurred.
    pub count: u64,
    /// The last error, with the system's text.
    pub error: String,
    /// When it last occurred.
    pub at: Instant,
}

impl Failures {
    /// A number of failures, the last of them at this time.
    pub fn new(count: u64, error: &str, at: Instant) -> Self {
        let error = error.to_owned();
        Self { count, error, at }
    }

    fn add(failures: &mut Option<Self>, error: &str, now: Instant) {
        let before = failures.as_ref().map_or(0, |before| before.count);
        *failures = Some(Self::new(before + 1, error, now));
    }
}

/// One connection of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// The connection.
    pub id: ConnId,
    /// Who opened it.
    pub direction: Direction,
    /// OpenSent, OpenConfirm or Established.
    pub state: State,
    /// When TCP came up.
    pub since: Instant,
    /// When the hold timer expires.
    pub hold_until: Option<Instant>,
    /// When the next KEEPALIVE is due.
    pub keepalive_at: Option<Instant>,
    /// When the send hold timer expires; `None` if no octets are waiting.
    pub send_hold_until: Option<Instant>,
}

/// A NOTIFICATION that was sent or received. Long data is truncated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotificationRecord {
    /// The message.
    pub notification: Notification,
    /// The meaning, such as "Administrative shutdown".
    pub text: String,
    /// The operator's message in it (RFC 9003), with control characters escaped.
    pub communication: Option<String>,
    /// When it was sent or received.
    pub at: Instant,
}

impl NotificationRecord {
    /// A NOTIFICATION sent or received at this time.
    pub fn new(notification: &Notification, at: Instant) -> Self {
        Self {
            notification: at_rest(notification),
            text: describe(notification),
            communication: communication(notification),
            at,
        }
    }
}

/// Counters since the creation of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Counters {
    /// Messages from the peer that were decoded.
    pub received: MessageCounts,
    /// Messages queued for transmission.
    pub sent: MessageCounts,
    /// How often the session reached Established.
    pub established: u64,
    /// How often the session left Established.
    pub flaps: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, more: Self) {
        self.received += more.received;
        self.sent += more.sent;
        self.established += more.established;
        self.flaps += more.flaps;
    }
}

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[expect(missing_docs, reason = "the names are the RFC's own")]
#[non_exhaustive]
pub struct MessageCounts {
    pub open: u64,
    pub update: u64,
    pub notification: u64,
    pub keepalive: u64,
    pub route_refresh: u64,
}

impl AddAssign for MessageCounts {
    fn add_assign(&mut self, more: Self) {
        self.open += more.open;
        self.update += more.update;
        self.notification += more.notification;
        self.keepalive += more.keepalive;
        self.route_refresh += more.route_refresh;
    }
}

impl MessageCounts {
    /// The total.
    pub fn total(&self) -> u64 {
        self.open + self.update + self.notification + self.keepalive + self.route_refresh
    }

    pub(super) fn count(&mut self, kind: MessageType) {
        match kind {
            MessageType::OPEN => self.open += 1,
            MessageType::UPDATE => self.update += 1,
            MessageType::NOTIFICATION => self.notification += 1,
            MessageType::KEEPALIVE => self.keepalive += 1,
            MessageType::ROUTE_REFRESH => self.route_refresh += 1,
            _ => {}
        }
    }

    /// Counts all messages in a sequence of complete ones, going from header to header.
    pub(super) fn count_all(&mut self, mut messages: &[u8]) {
        while let Some((header, _)) = messages.split_first_chunk::<HEADER_LEN>() {
            let [.., high, low, kind] = *header;
            self.count(MessageType(kind));
            let len = usize::from(u16::from_be_bytes([high, low]));
            messages = messages.get(len.max(HEADER_LEN)..).unwrap_or_default();
        }
    }
}

/// Values that a session records for its status only.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) state: State,
    pub(super) since: Option<Instant>,
    pub(super) last_error: Option<LastError>,
    pub(super) last_sent: Option<NotificationRecord>,
    pub(super) last_received: Option<NotificationRecord>,
    pub(super) last_open: Option<OpenRecord>,
    pub(super) failed_dials: Option<Failures>,
    pub(super) unheard: Option<Failures>,
    /// Refusals reported since the session was last up.
    refusals: Vec<DownReason>,
    pub(super) counters: Counters,
    pub(super) tally: Tally,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            state: State::Idle,
            since: None,
            last_error: None,
            last_sent: None,
            last_received: None,
            last_open: None,
            failed_dials: None,
            unheard: None,
            refusals: Vec::new(),
            counters: Counters::default(),
            tally: Tally::default(),
        }
    }

    pub(super) fn state_is(&mut self, state: State, now: Instant) {
        if self.state != state || self.since.is_none() {
            if self.state != state {
                self.tally.transition(self.state, state);
            }
            self.state = state;
            self.since = Some(now);
        }
    }

    /// The session is Established: errors are over.
    pub(super) fn up(&mut self) {
        self.last_error = None;
        self.refusals.clear();
        self.counters.established += 1;
    }

    pub(super) fn error(&mut self, now: Instant, class: ErrorClass, text: impl Into<String>) {
        let of_socket = |class| class == ErrorClass::Socket;
        let known = self.last_error.as_ref();
        if of_socket(class) && known.is_some_and(|error| !of_socket(error.class)) {
            return;
        }
        self.last_error = Some(LastError {
            class,
            text: text.into(),
            at: now,
        });
    }

    /// An attempt to connect failed.
    pub(super) fn dial_failed(&mut self, now: Instant, error: &str) {
        self.error(now, ErrorClass::Socket, error);
        Failures::add(&mut self.failed_dials, error, now);
    }

    /// A connection was lost before the peer's OPEN came.
    pub(super) fn lost_unheard(&mut self, now: Instant, error: &str) {
        Failures::add(&mut self.unheard, error, now);
    }

    /// The peer sent an OPEN, valid or not.
    pub(super) fn opened(&mut self, now: Instant, open: Open) {
        self.unheard = None;
        self.last_open = Some(OpenRecord::new(open, now));
    }

    pub(super) fn sent(&mut self, now: Instant, notification: &Notification) {
        self.tally.notification(true, notification);
        self.unheard = None;
        self.last_sent = Some(NotificationRecord::new(notification, now));
    }

    /// The reason, if it must be reported: see [`Output::Refused`](super::Output::Refused).
    pub(super) fn refusal(&mut self, reason: &DownReason) -> Option<DownReason> {
        let reason = match reason {
            // One of two connections is meant to close.
            DownReason::Received(notification) if notification.is_cease(cease::COLLISION) => {
                return None;
            }
            DownReason::Sent(notification) => DownReason::Sent(at_rest(notification)),
            DownReason::Received(notification) => DownReason::Received(at_rest(notification)),
            DownReason::Closed(_)
            | DownReason::Left
            | DownReason::Replaced
            | DownReason::SendHoldTimer => return None,
        };
        let is_known = |known: &DownReason| is_same_refusal(known, &reason);
        if self.refusals.len() >= MAX_REFUSALS || self.refusals.iter().any(is_known) {
            return None;
        }
        self.refusals.push(reason.clone());
        Some(reason)
    }

    pub(super) fn received(&mut self, now: Instant, notification: &Notification) {
        self.tally.notification(false, notification);
        self.unheard = None;
        self.last_received = Some(NotificationRecord::new(notification, now));
    }
}

impl ConnectionStatus {
    pub(super) fn of(connection: &Connection) -> Self {
        Self {
            id: connection.id,
            direction: connection.direction,
            state: connection.state(),
            since: connection.since,
            hold_until: connection.timers.deadline(Timer::Hold),
            keepalive_at: connection.timers.deadline(Timer::Keepalive),
            send_hold_until: connection.timers.deadline(Timer::SendHold),
        }
    }
}

/// The meaning of a NOTIFICATION, as in `show protocols`; a Hard Reset includes its inner reason (RFC 8538 §3.1).
pub(super) fn describe(notification: &Notification) -> String {
    let name = notification.name();
    match notification.hard_reset_reason() {
        Some(reason) => format!("{name}: {}", reason.name()),
        None => name.into_owned(),
    }
}

/// Whether a refusal is a repetition. Text in a Cease counts (RFC 9003); the data of an error differs between peers and attempts,
/// and does not.
fn is_same_refusal(known: &DownReason, new: &DownReason) -> bool {
    match (known, new) {
        (DownReason::Sent(a), DownReason::Sent(b))
        | (DownReason::Received(a), DownReason::Received(b)) => {
            (a.code, a.subcode) == (b.code, b.subcode)
                && (a.code != ErrorCode::CEASE || a.data == b.data)
        }
        _ => known == new,
    }
}

/// A copy that does not hold the read buffer, with truncated data.
fn at_rest(notification: &Notification) -> Notification {
    let data = &notification.data;
    let data = Bytes::copy_from_slice(&data[..data.len().min(REMEMBERED_DATA)]);
    Notification::new(notification.code, notification.subcode).with_data(data)
}

fn communication(notification: &Notification) -> Option<String> {
    let text = notification.shutdown_communication()?;
    Some(text.chars().map(escaped).collect())
}

/// The text of a peer goes to logs and terminals: escapes control characters and characters that change the writing direction.
fn escaped(character: char) -> String {
    let turns = matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    if character.is_control() || turns {
        character.escape_default().to_string()
    } else {
        character.to_string()
    }
}

/// Refusals reported until the session is up.
const MAX_REFUSALS: usize = 8;

/// Enough for a shutdown communication within a Hard Reset.
const REMEMBERED_DATA: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::notification::cease;

    fn cease(subcode: u8, data: &[u8]) -> Notification {
        Notification::cease(subcode).with_data(Bytes::copy_from_slice(data))
    }

    /// R8538-3.1-01, R8538-3.2-01
    #[test]
    fn a_hard_reset_tells_its_reason() {
        let text = |data: &[u8]| describe(&cease(cease::HARD_RESET, data));
        assert_eq!(text(&[6, 2]), "Hard reset: Administrative shutdown");
        assert_eq!(text(&[]), "Hard reset");
        assert_eq!(text(&[6]), "Hard reset");
        assert_eq!(text(&[77, 5]), "Hard reset: Unknown error 77.5");
    }

    /// R9003-2-02, RP-15
    #[test]
    fn what_the_peer_wrote_is_fit_to_be_printed() {
        let text = "\u{1b}[2Jit's\u{202e}\n";
        let shutdown = Notification::shutdown(cease::ADMIN_SHUTDOWN, text);
        let expected = r"\u{1b}[2Jit's\u{202e}\n";
        assert_eq!(communication(&shutdown).as_deref(), Some(expected));
        let hard_reset = shutdown.into_hard_reset();
        assert_eq!(communication(&hard_reset).as_deref(), Some(expected));
        for odd in [&b"\xffshort"[..], b"\x02\xc3\x28", b"", b"\0"] {
            assert_eq!(communication(&cease(cease::ADMIN_RESET, odd)), None);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let long = at_rest(&cease(cease::HARD_RESET, &[0; 60_000]));
        assert_eq!(long.data.len(), 512);
    }
}
