//! Two sessions and the network between them, under virtual time: connections with latency, octets in random chunks,
//! refusals, resets and silence. Everything follows from one seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::session::{
    ConnId, Direction, Output, Session, SessionConfig, SessionStatus, State, Stop,
};
use bgp_core::types::{Asn, RouterId};
use bytes::{Bytes, BytesMut};

use crate::lone::{base, config, secs};

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;

pub(crate) struct Pair {
    pub(crate) sides: [Side; 2],
    pub(crate) now: Instant,
    /// Bounds of the time that anything takes from one side to the other.
    pub(crate) latency: Range<Duration>,
    queue: BTreeMap<(Instant, u64), (usize, Event)>,
    last_number: u64,
    random: u64,
}

pub(crate) struct Side {
    pub(crate) session: Session,
    /// Accepts connections.
    pub(crate) listens: bool,
    /// Nothing reaches this side, without any sign.
    pub(crate) cut_off: bool,
    /// Ups and downs, with their time.
    pub(crate) history: Vec<(Instant, Change)>,
    /// How often it dialled.
    pub(crate) dials: usize,
    dialling: Option<ConnId>,
    ends: BTreeMap<ConnId, End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Up,
    Down,
}

/// One end of a connection.
struct End {
    inbox: BytesMut,
    /// Nothing may arrive before: octets stay in order.
    last_arrival: Instant,
}

enum Event {
    Connected(ConnId, Direction),
    Refused(ConnId),
    Arrived(ConnId, Bytes),
    Finished(ConnId),
}

impl Pair {
    /// AS 64512, 192.0.2.1 and AS 64513, 192.0.2.2, both dialling and listening.
    pub(crate) fn new(seed: u64, change: impl Fn(usize, &mut SessionConfig)) -> Self {
        let now = base();
        let side = |index: usize| {
            let mut config = config();
            if index == B {
                (config.local_as, config.peer_as) = (Asn(64513), Asn(64512));
                config.router_id = RouterId([192, 0, 2, 2].into());
            }
            change(index, &mut config);
            Side {
                session: Session::new(Arc::new(config), seed.wrapping_mul(2) + index as u64),
                listens: true,
                cut_off: false,
                history: Vec::new(),
                dials: 0,
                dialling: None,
                ends: BTreeMap::new(),
            }
        };
        Self {
            sides: [side(A), side(B)],
            now,
            latency: Duration::from_millis(1)..Duration::from_millis(2),
            queue: BTreeMap::new(),
            last_number: 0,
            random: seed,
        }
    }

    /// Both are started at once and have a minute to come up.
    pub(crate) fn up(seed: u64, change: impl Fn(usize, &mut SessionConfig)) -> Self {
        let mut pair = Self::new(seed, change);
        pair.start(A);
        pair.start(B);
        pair.run(secs(60));
        pair.assert_up();
        pair
    }

    pub(crate) fn start(&mut self, side: usize) {
        self.drive(side, |session, now| session.start(now));
    }

    pub(crate) fn stop(&mut self, side: usize, why: Stop) {
        self.drive(side, |session, now| session.stop(now, why));
    }

    pub(crate) fn status(&self, side: usize) -> SessionStatus {
        self.sides[side].session.status()
    }

    pub(crate) fn is_up(&self) -> bool {
        let established = |side: &Side| side.session.state() == State::Established;
        self.sides.iter().all(established)
    }

    /// Both are Established, over one and the same connection, and have no other.
    #[track_caller]
    pub(crate) fn assert_up(&self) {
        let [a, b] = [A, B].map(|side| self.status(side));
        assert_eq!(
            (a.state, b.state),
            (State::Established, State::Established),
            "{a:?} {b:?}"
        );
        assert_eq!(
            (a.connections.len(), b.connections.len()),
            (1, 1),
            "{a:?} {b:?}"
        );
        assert_eq!(a.connections[0].id, b.connections[0].id);
    }

    /// How often a side went down.
    pub(crate) fn downs(&self, side: usize) -> usize {
        let history = self.sides[side].history.iter();
        history
            .filter(|(_, change)| *change == Change::Down)
            .count()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..1_000_000 {
            if !self.step(end) {
                self.now = end;
                return;
            }
        }
        panic!("events without end");
    }

    /// Does what comes next, unless that is after `end`.
    fn step(&mut self, end: Instant) -> bool {
        let timer = [A, B]
            .into_iter()
            .filter_map(|side| Some((self.sides[side].session.poll_timeout()?.0, side)))
            .min();
        let event = self.queue.keys().next().copied();
        match (timer, event) {
            (Some((at, side)), event) if at <= end && event.is_none_or(|(when, _)| at < when) => {
                self.now = self.now.max(at);
                self.drive(side, |session, now| session.handle_timeout(now));
            }
            (_, Some(key)) if key.0 <= end => {
                let (side, event) = self.queue.remove(&key).expect("the key is there");
                self.now = self.now.max(key.0);
                self.happen(side, event);
            }
            _ => return false,
        }
        true
    }

    fn happen(&mut self, side: usize, event: Event) {
        if self.sides[side].cut_off {
            return;
        }
        match event {
            Event::Refused(conn) => {
                if self.sides[side].dialling.take_if(|c| *c == conn).is_some() {
                    self.drive(side, |s, now| {
                        s.handle_connect_failed(now, "Connection refused")
                    });
                }
            }
            Event::Connected(conn, direction) => self.connected(side, conn, direction),
            Event::Arrived(conn, bytes) => {
                let Some(end) = self.sides[side].ends.get_mut(&conn) else {
                    return;
                };
                end.inbox.extend_from_slice(&bytes);
                let mut inbox = std::mem::take(&mut end.inbox);
                self.drive(side, |s, now| s.handle_bytes(now, conn, &mut inbox));
                if let Some(end) = self.sides[side].ends.get_mut(&conn) {
                    end.inbox = inbox;
                }
            }
            Event::Finished(conn) => {
                if self.sides[side].ends.remove(&conn).is_some() {
                    self.drive(side, |s, now| s.handle_closed(now, conn, None));
                }
            }
        }
    }

    fn connected(&mut self, side: usize, conn: ConnId, direction: Direction) {
        let given_up = direction == Direction::Outgoing
            && self.sides[side].dialling.take_if(|c| *c == conn).is_none();
        if given_up {
            self.finish(side, conn);
            return;
        }
        let end = End {
            inbox: BytesMut::new(),
            last_arrival: self.now,
        };
        self.sides[side].ends.insert(conn, end);
        self.drive(side, |s, now| s.handle_connected(now, conn, direction));
    }

    /// Calls a session, performs what it wants, and looks whether it is sane.
    pub(crate) fn drive(&mut self, side: usize, act: impl FnOnce(&mut Session, Instant)) {
        act(&mut self.sides[side].session, self.now);
        while let Some(output) = self.sides[side].session.poll_output() {
            self.perform(side, output);
        }
        assert_sane(&self.sides[side].session);
    }

    fn perform(&mut self, side: usize, output: Output) {
        match output {
            Output::Connect => self.dial(side),
            Output::CancelConnect => {
                let cancelled = self.sides[side].dialling.take();
                assert!(cancelled.is_some(), "nothing to cancel");
            }
            Output::Transmit { conn, bytes } => {
                assert!(self.sides[side].ends.contains_key(&conn), "dead connection");
                self.carry(side, conn, bytes);
                self.sides[side]
                    .session
                    .handle_written(self.now, conn, false);
            }
            Output::Close { conn } => {
                let end = self.sides[side].ends.remove(&conn);
                assert!(end.is_some(), "closed twice");
                self.finish(side, conn);
            }
            Output::Up { .. } => self.sides[side].history.push((self.now, Change::Up)),
            Output::Down(_) => self.sides[side].history.push((self.now, Change::Down)),
            _ => {}
        }
    }

    fn dial(&mut self, side: usize) {
        self.last_number += 1;
        let conn = ConnId(self.last_number);
        self.sides[side].dials += 1;
        let before = self.sides[side].dialling.replace(conn);
        assert_eq!(before, None, "one dial at a time");
        let there = self.now + self.delay();
        let back = there + self.delay();
        if self.sides[1 - side].cut_off || self.sides[side].cut_off {
            return;
        }
        if self.sides[1 - side].listens {
            self.schedule(back, side, Event::Connected(conn, Direction::Outgoing));
            let accepted = back + self.delay();
            self.schedule(
                accepted,
                1 - side,
                Event::Connected(conn, Direction::Incoming),
            );
        } else {
            self.schedule(back, side, Event::Refused(conn));
        }
    }

    /// To the other side, cut at random.
    fn carry(&mut self, side: usize, conn: ConnId, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let len = 1 + self.below(bytes.len() as u64) as usize;
            let chunk = bytes.split_to(len);
            self.deliver(side, conn, Event::Arrived(conn, chunk));
        }
    }

    fn finish(&mut self, side: usize, conn: ConnId) {
        self.deliver(side, conn, Event::Finished(conn));
    }

    /// From `side` to the other one, after all that was sent before.
    fn deliver(&mut self, side: usize, conn: ConnId, event: Event) {
        if self.sides[side].cut_off {
            return;
        }
        let mut at = self.now + self.delay();
        let earlier = self
            .queue
            .iter()
            .filter(|(_, (to, event))| *to == 1 - side && event.conn() == conn);
        if let Some((last, _)) = earlier.map(|(key, _)| *key).max() {
            at = at.max(last);
        }
        if let Some(end) = self.sides[1 - side].ends.get_mut(&conn) {
            end.last_arrival = end.last_arrival.max(at);
            at = end.last_arrival;
        }
        self.schedule(at, 1 - side, event);
    }

    fn schedule(&mut self, at: Instant, side: usize, event: Event) {
        self.last_number += 1;
        self.queue.insert((at, self.last_number), (side, event));
    }

    /// TCP breaks between the two, and both notice.
    pub(crate) fn break_connections(&mut self) {
        self.queue.clear();
        for side in [A, B] {
            self.sides[side].dialling = None;
            for conn in std::mem::take(&mut self.sides[side].ends).into_keys() {
                self.drive(side, |s, now| {
                    s.handle_closed(now, conn, Some("Connection reset by peer"));
                });
            }
        }
    }

    /// One side disappears silently and comes back as a new process.
    pub(crate) fn crash(&mut self, side: usize, config: SessionConfig) {
        self.queue.clear();
        let seed = self.below(u64::MAX);
        let crashed = &mut self.sides[side];
        crashed.session = Session::new(Arc::new(config), seed);
        crashed.ends.clear();
        crashed.dialling = None;
    }

    fn delay(&mut self) -> Duration {
        let spread = (self.latency.end - self.latency.start).as_micros() as u64;
        self.latency.start + Duration::from_micros(self.below(spread.max(1)))
    }

    /// A random number (xorshift).
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }
}

impl Event {
    fn conn(&self) -> ConnId {
        match self {
            Self::Connected(conn, _)
            | Self::Refused(conn)
            | Self::Arrived(conn, _)
            | Self::Finished(conn) => *conn,
        }
    }
}

/// What holds for a session between any two calls.
#[track_caller]
pub(crate) fn assert_sane(session: &Session) {
    let status = session.status();
    assert_eq!(status.state, session.state());
    let furthest = status.connections.iter().map(|c| c.state).max();
    let established = |c: &&bgp_core::session::ConnectionStatus| c.state == State::Established;
    assert!(status.connections.len() <= 2);
    assert!(status.connections.iter().filter(established).count() <= 1);
    match status.state {
        State::Idle | State::Connect | State::Active => {
            assert_eq!(furthest, None);
            assert_eq!(status.negotiated, None);
        }
        state @ (State::OpenSent | State::OpenConfirm | State::Established) => {
            assert_eq!(furthest, Some(state));
            assert_eq!(status.negotiated.is_some(), state != State::OpenSent);
        }
    }
    match status.state {
        State::Connect => assert!(status.connect_retry_at.is_some(), "a dial has an end"),
        State::Active => assert!(status.passive || status.connect_retry_at.is_some()),
        State::Idle => {}
        State::OpenSent => {
            let waits = [status.connect_retry_at, status.idle_until];
            let own = |c: &bgp_core::session::ConnectionStatus| c.direction == Direction::Outgoing;
            let dials = status.passive || waits.iter().any(Option::is_some);
            assert!(dials || status.connections.iter().any(own), "{status:?}");
        }
        State::OpenConfirm | State::Established => {
            assert_eq!((status.connect_retry_at, status.idle_until), (None, None));
        }
    }
    for connection in &status.connections {
        let timed = match &status.negotiated {
            Some(negotiated) if connection.state > State::OpenSent => {
                !negotiated.hold_time.is_zero()
            }
            _ => false,
        };
        assert_eq!(connection.keepalive_at.is_some(), timed);
        let held = timed || connection.state != State::Established;
        assert_eq!(connection.hold_until.is_some(), held);
        let sends = connection.send_hold_until.is_some();
        assert!(!sends || (timed && connection.state == State::Established));
    }
    let counters = status.counters;
    let up = u64::from(status.state == State::Established);
    assert_eq!(counters.established, counters.flaps + up);
}
