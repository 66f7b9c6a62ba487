//! The network between two sessions: order is kept within a connection but not between connections, octets are split anywhere,
//! and time passes from one timer to the next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bgp_core::session::{ConnId, Direction, Negotiated, Output, Session, SessionConfig, State};
use bgp_core::wire::{Context, ErrorCode, Message, Notification, frame};
use bytes::{Bytes, BytesMut};

use super::super::choices::{Choices, time_zero};

/// Both sessions and everything in flight.
pub(super) struct Network {
    sides: [Side; 2],
    /// Events in flight to a side, by connection.
    lines: BTreeMap<(usize, ConnId), VecDeque<Event>>,
    last_conn: u64,
    now: Instant,
    /// The number of times that any session came up.
    pub(super) ups: usize,
}

struct Side {
    session: Session,
    /// Octets that the session has not consumed yet.
    inboxes: BTreeMap<ConnId, BytesMut>,
    dialling: Option<ConnId>,
    up: Option<(ConnId, Arc<Negotiated>)>,
    notifications: Vec<Notification>,
}

enum Event {
    Connected(Direction),
    Octets(Bytes),
    Closed,
}

impl Network {
    pub(super) fn new(configs: [SessionConfig; 2]) -> Self {
        let mut seed = 0;
        let sides = configs.map(|config| {
            seed += 1;
            Side {
                session: Session::new(Arc::new(config), seed),
                inboxes: BTreeMap::new(),
                dialling: None,
                up: None,
                notifications: Vec::new(),
            }
        });
        let mut network = Self {
            sides,
            lines: BTreeMap::new(),
            last_conn: 0,
            now: time_zero(),
            ups: 0,
        };
        for side in [0, 1] {
            network.drive(side, Session::start);
        }
        network
    }

    /// Delivers everything and lets time pass, until both are Established or so many timers have expired.
    pub(super) fn run(&mut self, choices: &mut Choices<'_>, timers: usize) {
        for _ in 0..timers {
            self.deliver(choices);
            if self.are_up() || !self.pass() {
                return;
            }
        }
        self.deliver(choices);
    }

    /// Lets so many timers expire and asserts that both sessions stay up.
    pub(super) fn stay(&mut self, choices: &mut Choices<'_>, timers: usize) {
        for _ in 0..timers {
            self.pass();
            self.deliver(choices);
            assert!(self.are_up(), "a session did not stay up");
        }
        assert_eq!(self.ups, 2);
    }

    /// The agreement of each side; both must be up, over one connection.
    pub(super) fn agreements(&self) -> [Arc<Negotiated>; 2] {
        let ups = [0, 1].map(|side: usize| self.sides[side].up.clone());
        let [Some((a, of_a)), Some((b, of_b))] = ups else {
            let states = [0, 1].map(|side: usize| self.sides[side].session.status());
            panic!("two sessions that fit did not come up: {states:#?}");
        };
        assert_eq!(a, b);
        [of_a, of_b]
    }

    /// Every NOTIFICATION sent by a side has one of these reasons, or resolves a collision.
    pub(super) fn check_notifications(&self, side: usize, reasons: &[u8]) {
        for sent in &self.sides[side].notifications {
            let refusal = sent.code == ErrorCode::OPEN && reasons.contains(&sent.subcode);
            assert!(
                refusal || sent.code == ErrorCode::CEASE,
                "{sent:?}, not {reasons:?}"
            );
        }
        let refused = self.sides[side].notifications.iter();
        let refused = refused.filter(|sent| sent.code == ErrorCode::OPEN).count();
        assert!(reasons.is_empty() || refused > 0, "{reasons:?} and silence");
    }

    fn are_up(&self) -> bool {
        let up = |side: &Side| side.session.state() == State::Established;
        self.lines.is_empty() && self.sides.iter().all(up)
    }

    /// Lets time pass to the next timer; false if there is none.
    fn pass(&mut self) -> bool {
        let next = |side: usize| Some((self.sides[side].session.poll_timeout()?.0, side));
        let Some((at, side)) = [0, 1].into_iter().filter_map(next).min() else {
            return false;
        };
        self.now = self.now.max(at);
        self.drive(side, Session::handle_timeout);
        true
    }

    /// Delivers until nothing is in flight.
    fn deliver(&mut self, choices: &mut Choices<'_>) {
        for _ in 0..MAX_EVENTS {
            if self.lines.is_empty() {
                return;
            }
            let place = choices.below(self.lines.len());
            let (&(side, conn), line) = self.lines.iter_mut().nth(place).expect("it is below");
            let event = line.pop_front().expect("an empty line is removed");
            if line.is_empty() {
                self.lines.remove(&(side, conn));
            }
            self.happen(side, conn, event, choices);
        }
        panic!("events without end");
    }

    fn happen(&mut self, side: usize, conn: ConnId, event: Event, choices: &mut Choices<'_>) {
        match event {
            Event::Connected(direction) => {
                if direction == Direction::Outgoing {
                    self.sides[side].dialling = None;
                }
                self.drive(side, |session, now| {
                    session.handle_connected(now, conn, direction)
                });
            }
            Event::Octets(mut octets) => {
                // All of it in most cases, so that few inputs are only about splitting.
                let cut = usize::from(choices.octet().saturating_sub(192));
                let rest = octets.split_off(octets.len().saturating_sub(cut).max(1));
                if !rest.is_empty() {
                    self.lines
                        .entry((side, conn))
                        .or_default()
                        .push_front(Event::Octets(rest));
                }
                let mut inbox = self.sides[side].inboxes.remove(&conn).unwrap_or_default();
                inbox.extend_from_slice(&octets);
                self.drive(side, |session, now| {
                    session.handle_bytes(now, conn, &mut inbox)
                });
                self.sides[side].inboxes.insert(conn, inbox);
            }
            Event::Closed => {
                self.drive(side, |session, now| session.handle_closed(now, conn, None));
            }
        }
    }

    /// Calls a session and performs its outputs.
    fn drive(&mut self, side: usize, act: impl FnOnce(&mut Session, Instant)) {
        act(&mut self.sides[side].session, self.now);
        while let Some(output) = self.sides[side].session.poll_output() {
            self.perform(side, output);
        }
    }

    fn perform(&mut self, side: usize, output: Output) {
        match output {
            Output::Connect => self.dial(side),
            Output::CancelConnect => {
                if let Some(conn) = self.sides[side].dialling.take() {
                    self.lines.remove(&(side, conn));
                    self.send(1 - side, conn, Event::Closed);
                }
            }
            Output::Transmit { conn, bytes } => {
                self.note_notifications(side, &bytes);
                self.send(1 - side, conn, Event::Octets(bytes));
                let session = &mut self.sides[side].session;
                session.handle_written(self.now, conn, false);
            }
            Output::Close { conn } => self.send(1 - side, conn, Event::Closed),
            Output::Up { conn, negotiated } => {
                self.ups += 1;
                self.sides[side].up = Some((conn, negotiated));
            }
            Output::Down(_) => self.sides[side].up = None,
            Output::Refused(_) => {}
            other => panic!("nobody sent routes: {other:?}"),
        }
    }

    fn dial(&mut self, side: usize) {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.sides[side].dialling = Some(conn);
        self.send(side, conn, Event::Connected(Direction::Outgoing));
        self.send(1 - side, conn, Event::Connected(Direction::Incoming));
    }

    fn send(&mut self, to: usize, conn: ConnId, event: Event) {
        self.lines.entry((to, conn)).or_default().push_back(event);
    }

    fn note_notifications(&mut self, side: usize, bytes: &Bytes) {
        let mut octets = BytesMut::from(&bytes[..]);
        while let Ok(Some(frame)) = frame::take(&mut octets, u16::MAX) {
            if let Ok(Message::Notification(sent)) = Message::decode(frame, &Context::default()) {
                self.sides[side].notifications.push(sent);
            }
        }
    }
}

/// More than two sessions can send each other between two timers.
const MAX_EVENTS: usize = 100_000;
