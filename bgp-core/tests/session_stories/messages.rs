//! The effect of messages in each state: OPEN exchange, errors, and messages that are never answered.

use bgp_core::session::{DownReason, SessionConfig, State, Stop};
use bgp_core::types::{AfiSafi, Family};
use bgp_core::wire::update::encode_end_of_rib;
use bgp_core::wire::{Capability, ErrorCode, Message, Notification, RefreshKind, RouteRefresh};
use bytes::{Bytes, BytesMut};

use crate::lone::{
    Lone, Seen, closed_by_peer, down, encoded, end_of_rib, peer_open, peer_open_with,
    restart_capability, restarts, secs, sent_notification,
};

fn notification(code: u8, subcode: u8, data: &'static [u8]) -> Message {
    Message::Notification(Notification {
        code: ErrorCode(code),
        subcode,
        data: Bytes::from_static(data),
    })
}

fn refresh(kind: RefreshKind, afi: u16) -> Message {
    Message::RouteRefresh(RouteRefresh {
        family: AfiSafi { afi, safi: 1 },
        kind,
    })
}

/// An UPDATE without routes is an End-of-RIB marker, so this one has an ORIGIN (R4271-6.3-08).
const UPDATE: [u8; 27] = [
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 27, 2, 0, 0,
    0, 4, 0x40, 1, 1, 0,
];

/// R4271-4.2-01: OPEN is the first message, a KEEPALIVE confirms the peer's.
#[test]
fn a_session_comes_up() {
    let mut lone = Lone::new(|_| {});
    assert_eq!(lone.state(), State::Active);
    let conn = lone.dial();
    let seen = lone.take();
    assert_eq!(seen[0], Seen::Connect);
    assert!(matches!(seen[1], Seen::Sent(c, Message::Open(_)) if c == conn));
    assert_eq!((seen.len(), lone.state()), (2, State::OpenSent));

    lone.receive(conn, Message::Open(peer_open()));
    assert_eq!(lone.take(), [Seen::Sent(conn, Message::Keepalive)]);
    assert_eq!(lone.state(), State::OpenConfirm);

    lone.receive(conn, Message::Keepalive);
    assert_eq!(lone.take(), [Seen::Up(conn)]);
    assert_eq!(lone.state(), State::Established);
}

/// R4271-4.1-02: one octet at a time, or everything at once.
#[test]
fn messages_may_be_cut_and_joined_anywhere() {
    let mut stream = encoded(&Message::Open(peer_open()));
    stream.extend(encoded(&Message::Keepalive));
    stream.extend(UPDATE);
    for chunk in [1, 7, 18, 19, 20, stream.len()] {
        let mut lone = Lone::new(|_| {});
        let conn = lone.dial();
        lone.take();
        let mut input = BytesMut::new();
        for piece in stream.chunks(chunk) {
            input.extend_from_slice(piece);
            input = lone.receive_octets(conn, &input);
        }
        let keepalive = Seen::Sent(conn, Message::Keepalive);
        assert_eq!(lone.take(), [keepalive, Seen::Up(conn), Seen::Update]);
    }
}

/// R6608-4-01, R6608-4-02, R6608-4-03, R4271-6.6-01
#[test]
fn a_message_in_the_wrong_state_is_an_fsm_error() {
    let update = || BytesMut::from(&UPDATE[..]);
    let open_sent: [(BytesMut, u8); 3] = [
        (encoded(&Message::Keepalive), 4),
        (update(), 2),
        (encoded(&refresh(RefreshKind::REQUEST, 1)), 5),
    ];
    for (octets, kind) in open_sent {
        let mut lone = Lone::new(|_| {});
        let conn = lone.dial();
        lone.receive_octets(conn, &octets);
        let answer = lone.notification(conn);
        assert_eq!((answer.code, answer.subcode), (ErrorCode::FSM, 1));
        assert_eq!(answer.data, [kind].as_slice());
        assert_eq!(lone.state(), State::Idle);
    }
    let open_confirm: [(BytesMut, u8); 3] = [
        (encoded(&Message::Open(peer_open())), 1),
        (update(), 2),
        (encoded(&refresh(RefreshKind::REQUEST, 1)), 5),
    ];
    for (octets, kind) in open_confirm {
        let mut lone = Lone::new(|_| {});
        let conn = lone.dial();
        lone.receive(conn, Message::Open(peer_open()));
        lone.receive_octets(conn, &octets);
        let answer = lone.notification(conn);
        assert_eq!((answer.code, answer.subcode), (ErrorCode::FSM, 2));
        assert_eq!(answer.data, [kind].as_slice());
    }
    // Not even a broken OPEN is looked into.
    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    let mut open = encoded(&Message::Open(peer_open()));
    open[19] = 3;
    lone.receive_octets(conn, &open);
    let answer = lone.notification(conn);
    assert_eq!((answer.code, answer.subcode), (ErrorCode::FSM, 3));
    assert_eq!(answer.data, [1].as_slice());
}

/// R4271-6.1-05: the header is judged alike in every state.
#[test]
fn a_broken_header_ends_the_connection_in_every_state() {
    let mut bad = encoded(&Message::Keepalive);
    bad[0] = 0;
    for messages in 0..3 {
        let mut lone = Lone::new(|_| {});
        let conn = lone.dial();
        let good = [Message::Open(peer_open()), Message::Keepalive];
        good.into_iter()
            .take(messages)
            .for_each(|message| lone.receive(conn, message));
        lone.receive_octets(conn, &bad);
        assert_eq!(lone.error(conn), (1, 1));
        assert_eq!(lone.state(), State::Idle);
    }
}

#[test]
fn nothing_is_read_after_an_error() {
    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    let mut octets = encoded(&Message::Open(peer_open()));
    octets.extend_from_slice(&UPDATE);
    let rest = lone.receive_octets(conn, &octets);
    assert!(rest.is_empty());
    let seen = lone.take();
    assert!(!seen.contains(&Seen::Update), "{seen:?}");
    lone.receive_octets(conn, &UPDATE);
    lone.drive(|session, now| {
        session.handle_closed(now, conn, None);
        session.handle_written(now, conn, true);
    });
    assert_eq!(lone.take(), []);
}

/// R4271-6.4-01: never answered, whatever it says, in every state.
#[test]
fn a_notification_is_never_answered() {
    let all = [
        notification(6, 2, b"\x04gone"),
        notification(2, 2, b""),
        notification(200, 99, b"who knows"),
        notification(6, 9, b""),
    ];
    for message in all {
        for messages in 0..3 {
            let mut lone = Lone::new(|_| {});
            let conn = lone.dial();
            let good = [Message::Open(peer_open()), Message::Keepalive];
            good.into_iter()
                .take(messages)
                .for_each(|message| lone.receive(conn, message));
            lone.take();
            lone.receive(conn, message.clone());
            let seen = lone.take();
            assert!(seen.iter().all(|s| sent_notification(s, conn).is_none()));
            assert_eq!(seen[0], Seen::Closed(conn));
            assert_eq!(seen.len(), if messages == 2 { 2 } else { 1 }, "{seen:?}");
            assert_eq!(lone.state(), State::Idle);
        }
    }
}

/// R4271-6.4-01: nor one that is too short or too long to be one, before or beside a good session too. It counts as one
/// that was received: without the N bit, routes go.
#[test]
fn a_notification_that_cannot_be_read_is_not_answered_either() {
    for octets in [
        &[0, 19, 3][..],
        &[0, 20, 3, 6],
        &[0, 18, 3],
        &[16, 1, 3, 6, 2],
    ] {
        let octets = [&[0xff; 16], octets].concat();
        for messages in 0..3 {
            let mut lone = Lone::new(|config| config.graceful_restart = restarts(false));
            let conn = lone.dial();
            let open = peer_open_with([restart_capability(false, false)]);
            let good = [Message::Open(open), Message::Keepalive];
            good.into_iter()
                .take(messages)
                .for_each(|message| lone.receive(conn, message));
            lone.take();
            assert!(lone.receive_octets(conn, &octets).is_empty());
            let seen = lone.take();
            assert_eq!(seen[0], Seen::Closed(conn));
            assert_eq!(seen.len(), if messages == 2 { 2 } else { 1 }, "{seen:?}");
            if messages == 2 {
                assert!(matches!(down(&seen).reason, DownReason::Received(_)));
                assert!(!down(&seen).keep_stale.ipv4);
            }
            assert_eq!(lone.state(), State::Idle);
            assert_eq!(lone.session.status().last_sent, None);
        }
    }
    let (mut lone, good) = Lone::established(|_| {}, peer_open());
    let second = lone.accept();
    lone.take();
    lone.receive_octets(second, &[&[0xff; 16][..], &[0, 19, 3]].concat());
    assert_eq!(lone.take(), [Seen::Closed(second)]);
    assert_eq!(lone.session.status().connections[0].id, good);
}

/// R4271-8-04
#[test]
fn loss_of_tcp_leads_back() {
    let mut lone = Lone::new(|_| {});
    let conn = lone.dial();
    lone.closed(conn, None);
    assert_eq!(lone.state(), State::Active);

    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    lone.closed(conn, None);
    assert_eq!(lone.state(), State::Idle);
    lone.take();

    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    lone.closed(conn, None);
    assert_eq!(lone.state(), State::Idle);
    let seen = lone.take();
    assert_eq!(down(&seen).reason, closed_by_peer());
    assert_eq!(
        seen.len(),
        1,
        "a connection that is gone is not closed: {seen:?}"
    );
}

/// R4271-4.5-01: the NOTIFICATION goes out before the connection is closed, and Down comes after.
#[test]
fn an_error_is_told_first_then_the_connection_is_closed() {
    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    lone.receive(conn, Message::Open(peer_open()));
    let seen = lone.take();
    assert!(sent_notification(&seen[0], conn).is_some());
    assert_eq!(seen[1], Seen::Closed(conn));
    assert!(matches!(down(&seen[2..]).reason, DownReason::Sent(_)));
}

/// R4271-8-01: Idle refuses connections. R4486-4-02: so does a session that was shut down.
#[test]
fn idle_refuses_connections() {
    let mut lone = Lone::stopped(|_| {});
    let conn = lone.accept();
    assert_eq!(lone.take(), [Seen::Closed(conn)]);

    let (mut lone, _) = Lone::established(|_| {}, peer_open());
    lone.drive(|session, now| session.stop(now, Stop::Shutdown(None)));
    lone.take();
    let conn = lone.accept();
    assert_eq!(lone.take(), [Seen::Closed(conn)]);
    assert_eq!(lone.state(), State::Idle);
}

#[test]
fn only_a_peer_without_fault_may_connect_during_idle_hold() {
    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    lone.closed(conn, Some("Connection reset by peer"));
    assert_eq!(lone.state(), State::Idle);
    lone.accept();
    assert_eq!(lone.state(), State::OpenSent);

    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    lone.receive(conn, Message::Open(peer_open()));
    lone.take();
    let conn = lone.accept();
    assert_eq!(lone.take(), [Seen::Closed(conn)]);
    assert_eq!(lone.state(), State::Idle);
}

/// R4724-2-01, R4760-8-03
#[test]
fn end_of_rib_is_told_for_negotiated_families_only() {
    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    let mut octets = BytesMut::new();
    encode_end_of_rib(Family::Ipv4Unicast, &mut octets);
    encode_end_of_rib(Family::Ipv6Unicast, &mut octets);
    lone.receive_octets(conn, &octets);
    // The second one is an UPDATE without routes, noted as one of a family that is not used.
    let seen = lone.take();
    assert_eq!(seen, [Seen::EndOfRib(Family::Ipv4Unicast), Seen::Update]);
}

/// R2918-4-01, R2918-3-01
#[test]
fn a_refresh_is_passed_on_for_negotiated_families_only() {
    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    for afi in [2, 77] {
        lone.receive(conn, refresh(RefreshKind::REQUEST, afi));
    }
    assert_eq!(lone.take(), []);
    // Without enhanced refresh the octet is reserved.
    for kind in [RefreshKind::REQUEST, RefreshKind::BEGIN, RefreshKind(9)] {
        lone.receive(conn, refresh(kind, 1));
        let expected = RouteRefresh {
            family: Family::Ipv4Unicast.afi_safi(),
            kind: RefreshKind::REQUEST,
        };
        assert_eq!(lone.take(), [Seen::Refresh(expected)]);
    }
    assert_eq!(lone.state(), State::Established);
}

/// R7313-5-02
#[test]
fn an_enhanced_refresh_of_unknown_kind_is_ignored() {
    let open = peer_open_with([Capability::EnhancedRouteRefresh]);
    let (mut lone, conn) = Lone::established(|_| {}, open);
    for kind in [RefreshKind::BEGIN, RefreshKind(9), RefreshKind::END] {
        lone.receive(conn, refresh(kind, 1));
    }
    let kinds: Vec<_> = lone
        .take()
        .into_iter()
        .map(|seen| match seen {
            Seen::Refresh(refresh) => refresh.kind,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, [RefreshKind::BEGIN, RefreshKind::END]);
}

/// R7313-4-03: from a peer that has promised End-of-RIB, marks before it are ignored, family by family; requests are not.
#[test]
fn the_marks_of_a_refresh_wait_for_end_of_rib() {
    let v6 = Family::Ipv6Unicast.afi_safi();
    let open = peer_open_with([
        Capability::Multiprotocol(v6),
        Capability::EnhancedRouteRefresh,
        restart_capability(false, false),
    ]);
    let both_families = |config: &mut SessionConfig| config.families = Family::ALL.to_vec();
    let (mut lone, conn) = Lone::established(both_families, open);
    let marks = |lone: &mut Lone, afi| {
        for kind in [RefreshKind::BEGIN, RefreshKind::END, RefreshKind::REQUEST] {
            lone.receive(conn, refresh(kind, afi));
        }
        let seen = lone.take().into_iter();
        seen.filter(|seen| matches!(seen, Seen::Refresh(_))).count()
    };
    assert_eq!((marks(&mut lone, 1), marks(&mut lone, 2)), (1, 1));
    lone.receive_octets(conn, &end_of_rib());
    assert_eq!((marks(&mut lone, 1), marks(&mut lone, 2)), (3, 1));
    let without_promise = peer_open_with([Capability::EnhancedRouteRefresh]);
    let (mut lone, _) = Lone::established(|_| {}, without_promise);
    assert_eq!(marks(&mut lone, 1), 3);
}

#[test]
fn updates_are_sent_only_while_established() {
    let mut lone = Lone::new(|_| {});
    let conn = lone.dial();
    lone.take();
    let update = Bytes::from_static(&UPDATE);
    lone.drive(|session, now| session.send(now, update.clone()));
    assert_eq!(lone.take(), []);
    lone.receive(conn, Message::Open(peer_open()));
    lone.receive(conn, Message::Keepalive);
    lone.take();
    lone.drive(|session, now| session.send(now, update));
    assert!(matches!(lone.take()[..], [Seen::Sent(c, Message::Update(_))] if c == conn));
}

#[test]
fn a_dial_that_was_given_up_and_succeeds_is_closed() {
    let mut lone = Lone::new(|_| {});
    let incoming = lone.accept();
    lone.advance(secs(3));
    assert!(lone.take().contains(&Seen::Connect));
    lone.receive(incoming, Message::Open(peer_open()));
    assert!(lone.take().contains(&Seen::CancelConnect));
    lone.receive(incoming, Message::Keepalive);
    lone.take();
    let late = bgp_core::session::ConnId(99);
    lone.drive(|session, now| {
        session.handle_connected(now, late, bgp_core::session::Direction::Outgoing);
    });
    assert_eq!(lone.take(), [Seen::Closed(late)]);
    assert_eq!(lone.state(), State::Established);
}

#[test]
fn a_failed_dial_without_a_dial_changes_nothing() {
    let (mut lone, _) = Lone::established(|_| {}, peer_open());
    lone.drive(|session, now| session.handle_connect_failed(now, "No route to host"));
    assert_eq!(lone.take(), []);
    assert_eq!(lone.session.status().last_error, None);
    assert_eq!(lone.state(), State::Established);
}
