//! Properties for every order of events: no panic, sane timers, and two sessions that always come up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::session::{ConnId, Direction, Output, Session, SessionConfig, State, Stop};
use bgp_core::types::Family;
use bgp_core::wire::{Capability, Message, Notification, RefreshKind, RouteRefresh};
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::lone::{
    base, config, encoded, peer_open, peer_open_with, restart_capability, restarts, secs,
};
use crate::pair::{A, B, Change, Pair, assert_sane};

/// Anything that can be done to a session. Connections are named by how recently they came.
#[derive(Clone, Debug)]
enum Deed {
    Start,
    Stop(u8),
    Connected(Direction),
    ConnectFailed,
    Closed(usize),
    Receive(usize, Packet),
    Octets(usize, Vec<u8>),
    Wait(u32),
    NextTimer,
    Written(usize, bool),
    Reading(bool),
    Send,
}

#[derive(Clone, Debug)]
enum Packet {
    Open {
        restarts: bool,
        wrong_as: bool,
        hold_time: u16,
        high: bool,
    },
    Keepalive,
    Notification(u8, u8),
    Refresh,
    EndOfRib,
}

fn deeds() -> impl Strategy<Value = Deed> {
    let packet = prop_oneof![
        4 => (any::<bool>(), prop::bool::weighted(0.1), prop::sample::select(vec![0, 3, 90]), any::<bool>())
            .prop_map(|(restarts, wrong_as, hold_time, high)| Packet::Open { restarts, wrong_as, hold_time, high }),
        6 => Just(Packet::Keepalive),
        1 => (0..9u8, 0..12u8).prop_map(|(code, subcode)| Packet::Notification(code, subcode)),
        1 => Just(Packet::Refresh),
        1 => Just(Packet::EndOfRib),
    ];
    let direction = prop::sample::select(vec![Direction::Outgoing, Direction::Incoming]);
    prop_oneof![
        2 => Just(Deed::Start),
        1 => (0..7u8).prop_map(Deed::Stop),
        6 => direction.prop_map(Deed::Connected),
        1 => Just(Deed::ConnectFailed),
        2 => (0..3usize).prop_map(Deed::Closed),
        16 => (0..2usize, packet).prop_map(|(conn, packet)| Deed::Receive(conn, packet)),
        1 => (0..2usize, vec(any::<u8>(), 0..64)).prop_map(|(conn, octets)| Deed::Octets(conn, octets)),
        2 => (0..200_000u32).prop_map(Deed::Wait),
        6 => Just(Deed::NextTimer),
        1 => (0..2usize, any::<bool>()).prop_map(|(conn, pending)| Deed::Written(conn, pending)),
        1 => any::<bool>().prop_map(Deed::Reading),
        1 => Just(Deed::Send),
    ]
}

fn stop(number: u8) -> Stop {
    match number {
        0 => Stop::Shutdown(Some("x".repeat(300))),
        1 => Stop::Reset(None),
        2 => Stop::Deconfigured,
        3 => Stop::ConfigChange,
        4 => Stop::MaxPrefixes {
            family: Family::Ipv4Unicast,
            limit: 1,
            idle: secs(60),
        },
        5 => Stop::Restart,
        _ => Stop::BfdDown,
    }
}

fn message(packet: &Packet) -> BytesMut {
    let mut octets = BytesMut::new();
    match packet {
        Packet::Open {
            restarts,
            wrong_as,
            hold_time,
            high,
        } => {
            let mut open = peer_open_with(restarts.then(|| restart_capability(true, true)));
            open.hold_time = *hold_time;
            open.asn.0 += u32::from(*wrong_as);
            open.capabilities
                .retain(|c| !matches!(c, Capability::FourOctetAs(_)));
            if *high {
                open.router_id.0 = [203, 0, 113, 9].into();
            }
            octets = encoded(&Message::Open(open));
        }
        Packet::Keepalive => octets = encoded(&Message::Keepalive),
        Packet::Notification(code, subcode) => {
            octets = encoded(&Message::Notification(Notification {
                code: bgp_core::wire::ErrorCode(*code),
                subcode: *subcode,
                data: Bytes::new(),
            }));
        }
        Packet::Refresh => {
            octets = encoded(&Message::RouteRefresh(RouteRefresh {
                family: Family::Ipv4Unicast.afi_safi(),
                kind: RefreshKind::REQUEST,
            }));
        }
        Packet::EndOfRib => {
            bgp_core::wire::update::encode_end_of_rib(Family::Ipv4Unicast, &mut octets);
        }
    }
    octets
}

/// A session, with what its owner knows of it.
struct Watched {
    session: Session,
    now: std::time::Instant,
    last_conn: u64,
    live: BTreeSet<ConnId>,
    dialling: bool,
    up: bool,
}

impl Watched {
    fn new(config: SessionConfig, seed: u64) -> Self {
        Self {
            session: Session::new(Arc::new(config), seed),
            now: base(),
            last_conn: 0,
            live: BTreeSet::new(),
            dialling: false,
            up: false,
        }
    }

    /// The connection that came so many before the last; may be closed, may never have been.
    fn conn(&self, back: usize) -> ConnId {
        ConnId(self.last_conn.saturating_sub(back as u64))
    }

    fn act(&mut self, deed: Deed) {
        let now = self.now;
        match deed {
            Deed::Start => self.session.start(now),
            Deed::Stop(number) => self.session.stop(now, stop(number)),
            Deed::Connected(direction) => {
                self.last_conn += 1;
                let conn = ConnId(self.last_conn);
                self.live.insert(conn);
                if direction == Direction::Outgoing {
                    self.dialling = false;
                }
                self.session.handle_connected(now, conn, direction);
            }
            Deed::ConnectFailed => {
                self.dialling = false;
                self.session
                    .handle_connect_failed(now, "Connection refused");
            }
            Deed::Closed(back) => {
                let conn = self.conn(back);
                self.live.remove(&conn);
                self.session.handle_closed(now, conn, None);
            }
            Deed::Receive(back, packet) => {
                let mut input = message(&packet);
                self.session.handle_bytes(now, self.conn(back), &mut input);
            }
            Deed::Octets(back, octets) => {
                let mut input = BytesMut::from(&octets[..]);
                self.session.handle_bytes(now, self.conn(back), &mut input);
            }
            Deed::Wait(millis) => {
                self.now += Duration::from_millis(millis.into());
                self.session.handle_timeout(self.now);
            }
            Deed::NextTimer => {
                if let Some((at, _)) = self.session.poll_timeout() {
                    self.now = self.now.max(at);
                    self.session.handle_timeout(self.now);
                    let next = self.session.poll_timeout();
                    assert!(
                        next.is_none_or(|(next, _)| next > at || next >= now),
                        "{next:?}"
                    );
                }
            }
            Deed::Written(back, pending) => {
                self.session.handle_written(now, self.conn(back), pending);
            }
            Deed::Reading(on) => self.session.set_reading(now, on),
            Deed::Send => self.session.send(now, Bytes::from_static(b"routes")),
        }
        while let Some(output) = self.session.poll_output() {
            self.watch(output);
        }
        assert_sane(&self.session);
        assert_eq!(self.up, self.session.state() == State::Established);
        assert_eq!(
            self.dialling,
            self.session.state() == State::Connect || self.dials_beside()
        );
        let known = self.session.status().connections;
        assert!(known.iter().map(|c| c.id).eq(self.live.iter().copied()));
    }

    /// A dial goes on beside a connection that waits for the peer's OPEN.
    fn dials_beside(&self) -> bool {
        self.dialling && self.session.state() == State::OpenSent
    }

    fn watch(&mut self, output: Output) {
        match output {
            Output::Connect => assert!(!std::mem::replace(&mut self.dialling, true)),
            Output::CancelConnect => assert!(std::mem::replace(&mut self.dialling, false)),
            Output::Transmit { conn, .. } => assert!(self.live.contains(&conn)),
            Output::Close { conn } => assert!(self.live.remove(&conn)),
            Output::Up { conn, .. } => {
                assert!(self.live.contains(&conn));
                assert!(!std::mem::replace(&mut self.up, true));
            }
            Output::Down(_) => assert!(std::mem::replace(&mut self.up, false)),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// RP-01
    #[test]
    fn any_sequence_of_events_leaves_a_sane_session(
        deeds in vec(deeds(), 1..80),
        seed: u64,
        passive: bool,
        restart: bool,
        hold_time in prop::sample::select(vec![0u64, 3, 90]),
    ) {
        let mut settings = config();
        settings.passive = passive;
        settings.hold_time = secs(hold_time);
        settings.graceful_restart = restarts(true).filter(|_| restart);
        let mut watched = Watched::new(settings, seed);
        watched.act(Deed::Start);
        for deed in deeds {
            watched.act(deed);
        }
    }

    /// A stream may be cut anywhere: the same things come out.
    #[test]
    fn chunks_do_not_matter(sizes in vec(1..60usize, 1..60), packets in vec(0..4u8, 1..20)) {
        let mut stream = encoded(&Message::Open(peer_open()));
        stream.extend(encoded(&Message::Keepalive));
        for packet in packets {
            stream.extend(message(&match packet {
                0 => Packet::Keepalive,
                1 => Packet::Refresh,
                2 => Packet::EndOfRib,
                _ => Packet::Notification(6, 4),
            }));
        }
        let at = base();
        let play = |sizes: &[usize]| {
            let mut session = Session::new(Arc::new(config()), 1);
            session.start(at);
            session.handle_connected(at, ConnId(1), Direction::Incoming);
            let (mut rest, mut input) = (&stream[..], BytesMut::new());
            for size in sizes.iter().cycle() {
                let (chunk, after) = rest.split_at(rest.len().min(*size));
                input.extend_from_slice(chunk);
                session.handle_bytes(at, ConnId(1), &mut input);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            std::iter::from_fn(move || session.poll_output()).collect::<Vec<_>>()
        };
        prop_assert_eq!(play(&sizes), play(&[stream.len()]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whoever dials first, whatever the network's mood: both are Established in the end, over one connection, and stay so.
    /// Promise 4.5.
    #[test]
    fn two_sessions_always_find_each_other(
        seed: u64,
        first in 0..2usize,
        lead in 0..8000u64,
        fastest in 0..200u64,
        spread in 1..500u64,
        passive in prop::option::of(0..2usize),
        restart: bool,
    ) {
        let mut pair = Pair::new(seed, |side, config| {
            config.passive = passive == Some(side);
            config.graceful_restart = restarts(true).filter(|_| restart);
        });
        let fastest = Duration::from_millis(fastest);
        pair.latency = fastest..fastest + Duration::from_millis(spread);
        pair.start(first);
        pair.run(Duration::from_millis(lead));
        pair.start(1 - first);
        pair.run(secs(300));
        pair.assert_up();
        let changes = pair.sides[A].history.len();
        pair.run(secs(3600));
        pair.assert_up();
        prop_assert_eq!(pair.sides[A].history.len(), changes, "stays up");
    }
}

/// R4271-8-06: back-off keeps two sessions that never agree from hammering each other.
#[test]
fn two_sessions_that_never_agree_do_not_storm() {
    let mut pair = Pair::new(5, |side, config| {
        if side == B {
            config.peer_as.0 += 1;
        }
    });
    pair.start(A);
    pair.start(B);
    pair.run(secs(3600));
    for side in &pair.sides {
        assert!(side.dials < 200, "{} dials in an hour", side.dials);
        assert!(side.dials > 30, "but they go on trying");
        assert!(side.history.is_empty());
    }
}

/// R4271-8-04, R4271-8-06
#[test]
fn a_broken_session_comes_back_soon() {
    let mut pair = Pair::up(3, |_, _| {});
    pair.run(secs(300));
    for _ in 0..5 {
        pair.break_connections();
        assert!(!pair.is_up());
        pair.run(secs(15));
        pair.assert_up();
        pair.run(secs(200));
    }
    assert_eq!((pair.downs(A), pair.downs(B)), (5, 5));
}

#[test]
fn two_sessions_exchange_keepalives_for_a_day() {
    let mut pair = Pair::up(9, |_, config| config.hold_time = secs(9));
    pair.run(secs(86_400));
    pair.assert_up();
    assert_eq!(pair.sides[A].history.len(), 1);
    let sent = pair.status(A).counters.sent.keepalive;
    // Every 2.25 s to 3 s.
    let expected = 86_400 / 3..=86_400 * 4 / 9 + 10;
    assert!(expected.contains(&sent), "{sent}");
}

/// R4271-6.5-01
#[test]
fn a_cut_cable_is_noticed_by_both_and_forgotten_when_repaired() {
    let mut pair = Pair::up(11, |_, _| {});
    pair.sides[A].cut_off = true;
    pair.sides[B].cut_off = true;
    pair.run(secs(91));
    assert_eq!((pair.downs(A), pair.downs(B)), (1, 1));
    pair.run(secs(600));
    pair.sides[A].cut_off = false;
    pair.sides[B].cut_off = false;
    pair.run(secs(60));
    pair.assert_up();
}

/// R4271-8-03: one that refuses connections still dials; two passive ones never meet.
/// Promise 4.5.
#[test]
fn one_side_that_dials_is_enough() {
    let mut pair = Pair::new(1, |_, _| {});
    pair.sides[A].listens = false;
    pair.start(A);
    pair.start(B);
    pair.run(secs(30));
    pair.assert_up();

    let mut pair = Pair::new(1, |_, config| config.passive = true);
    pair.start(A);
    pair.start(B);
    pair.run(secs(3600));
    assert_eq!(pair.status(A).state, State::Active);
    assert_eq!(pair.sides[A].dials + pair.sides[B].dials, 0);
}

/// R4724-4.2-01: the peer's process dies and is back before anybody noticed; it goes on at once, on a new connection.
#[test]
fn a_crashed_peer_is_back_at_once_with_graceful_restart() {
    let graceful = |_: usize, config: &mut SessionConfig| config.graceful_restart = restarts(false);
    let mut pair = Pair::up(21, graceful);
    pair.run(secs(60));
    let mut config = pair.sides[B].session.config().as_ref().clone();
    config.graceful_restart = config.graceful_restart.map(|mut restart| {
        restart.restarting = true;
        restart
    });
    pair.crash(B, config);
    pair.start(B);
    pair.run(secs(5));
    pair.assert_up();
    let changes: Vec<_> = pair.sides[A].history.iter().map(|(_, c)| *c).collect();
    assert_eq!(changes, [Change::Up, Change::Down, Change::Up]);
    let negotiated = pair.status(A).negotiated.expect("Established");
    assert!(negotiated.graceful_restart.expect("offered").restarting);
}

/// R4271-8-07: a reset comes back by itself, a shutdown when it is started again.
#[test]
fn stops_and_starts() {
    let mut pair = Pair::up(2, |_, _| {});
    pair.run(secs(200));
    pair.stop(A, Stop::Reset(None));
    pair.run(secs(15));
    pair.assert_up();
    pair.stop(A, Stop::Shutdown(Some("maintenance".into())));
    pair.run(secs(3600));
    assert_eq!(pair.status(A).state, State::Idle);
    let received = pair.status(B).last_received.expect("it was told");
    assert_eq!(received.communication.as_deref(), Some("maintenance"));
    pair.start(A);
    pair.run(secs(60));
    pair.assert_up();
}
