//! The status for operators.

use bgp_core::session::{Direction, DownReason, ErrorClass, Failures, MessageCounts, State, Stop};
use bgp_core::wire::{ErrorCode, Message, Notification};
use bytes::Bytes;

use crate::lone::{Lone, down, end_of_rib, open_of, peer_open, secs};

fn cease(subcode: u8, data: &'static [u8]) -> Message {
    Message::Notification(Notification {
        code: ErrorCode::CEASE,
        subcode,
        data: Bytes::from_static(data),
    })
}

fn last_error(lone: &Lone) -> String {
    lone.session
        .status()
        .last_error
        .expect("an error")
        .to_string()
}

#[test]
fn errors_are_told_in_the_words_that_operators_know() {
    let mut lone = Lone::new(|_| {});
    let conn = lone.dial();
    lone.receive(conn, Message::Open(open_of(64514)));
    assert_eq!(last_error(&lone), "BGP Error: Bad peer AS");

    let conn = lone.dial();
    lone.receive(
        conn,
        Message::Notification(Notification {
            code: ErrorCode::OPEN,
            subcode: 2,
            data: Bytes::new(),
        }),
    );
    assert_eq!(last_error(&lone), "Received: Bad peer AS");

    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    lone.receive(conn, Message::Keepalive);
    assert_eq!(lone.session.status().last_error, None);
    lone.advance(secs(90));
    assert_eq!(last_error(&lone), "BGP Error: Hold timer expired");
    assert_eq!(
        lone.session.status().last_error.unwrap().class,
        ErrorClass::Sent
    );
}

#[test]
fn a_socket_error_does_not_hide_what_was_said() {
    let mut lone = Lone::new(|_| {});
    let conn = lone.dial();
    lone.closed(conn, None);
    assert_eq!(last_error(&lone), "Socket: Connection closed");
    let conn = lone.dial();
    lone.closed(conn, Some("Connection reset by peer"));
    assert_eq!(last_error(&lone), "Socket: Connection reset by peer");

    let conn = lone.dial();
    lone.receive(conn, cease(5, b""));
    let conn = lone.dial();
    lone.closed(conn, Some("Connection reset by peer"));
    lone.refuse_dial();
    assert_eq!(last_error(&lone), "Received: Connection rejected");

    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    lone.receive(conn, Message::Keepalive);
    assert_eq!(lone.session.status().last_error, None);
    lone.closed(conn, None);
    assert_eq!(last_error(&lone), "Socket: Connection closed");
}

/// Consecutive failed attempts are counted until another event, and an OPEN is remembered even if it was refused.
#[test]
fn what_fails_again_is_counted() {
    let mut lone = Lone::new(|_| {});
    let failures = |lone: &Lone| {
        let status = lone.session.status();
        let count = |failures: Option<Failures>| failures.map_or(0, |failures| failures.count);
        (count(status.failed_dials), count(status.unheard))
    };
    lone.refuse_dial();
    lone.refuse_dial();
    assert_eq!(failures(&lone), (2, 0));
    for count in 1..3 {
        let conn = lone.dial();
        lone.closed(conn, None);
        assert_eq!(failures(&lone), (0, count));
    }
    assert_eq!(lone.session.status().last_open, None);
    let conn = lone.dial();
    lone.receive(conn, Message::Open(open_of(64514)));
    assert_eq!(failures(&lone), (0, 0));
    let refused = lone.session.status().last_open.expect("it came");
    assert_eq!(refused.open.asn.0, 64514);
    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    let good = lone.session.status().last_open.expect("it came");
    assert_eq!(good.open, peer_open());
}

/// The reported reasons while the peer sends this on one connection after the other.
fn refusals(lone: &mut Lone, messages: impl IntoIterator<Item = Message>) -> Vec<String> {
    for message in messages {
        let conn = lone.dial();
        lone.receive(conn, message);
    }
    let told = std::mem::take(&mut lone.refused);
    told.iter().map(DownReason::to_string).collect()
}

#[test]
fn a_refusal_is_told_once_until_the_session_is_up() {
    let mut lone = Lone::new(|_| {});
    let both = || [Message::Open(open_of(64514)), cease(2, b"\x03bye")];
    let words = [
        "BGP Error: Bad peer AS",
        "Received: Administrative shutdown (\"bye\")",
    ];
    assert_eq!(refusals(&mut lone, both()), words);
    assert_eq!(refusals(&mut lone, both()), [""; 0]);
    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    lone.receive(conn, Message::Keepalive);
    // The reported reason is the one that ended the session.
    lone.receive(conn, cease(4, b""));
    assert!(matches!(down(&lone.take()).reason, DownReason::Received(_)));
    assert_eq!(lone.refused, []);
    assert_eq!(refusals(&mut lone, both()), words);
}

#[test]
fn a_refusal_on_a_connection_of_the_peer_is_told_too() {
    let mut lone = Lone::new(|config| config.passive = true);
    for _ in 0..2 {
        let conn = lone.accept();
        lone.receive(conn, Message::Open(open_of(64514)));
        assert_eq!(last_error(&lone), "BGP Error: Bad peer AS");
        lone.advance(secs(60));
    }
    let told = std::mem::take(&mut lone.refused);
    assert!(matches!(told[..], [DownReason::Sent(_)]), "{told:?}");
}

#[test]
fn a_peer_that_thinks_of_ever_new_refusals_is_not_listened_to() {
    let mut lone = Lone::new(|_| {});
    let mut told = |count: u8| {
        let message = |subcode| cease(subcode, b"");
        refusals(&mut lone, (0..count).map(|n| message(100 + n))).len()
    };
    assert_eq!((told(100), told(150)), (8, 0));
}

/// R9003-2-03
#[test]
fn the_last_notifications_are_remembered() {
    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    lone.receive(conn, cease(2, b"\x05spare\x00"));
    let status = lone.session.status();
    let received = status.last_received.unwrap();
    assert_eq!(received.text, "Administrative shutdown");
    assert_eq!(received.communication.as_deref(), Some("spare"));
    assert_eq!(received.at, lone.now);
    assert_eq!(status.last_sent, None);

    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    lone.receive(conn, Message::Keepalive);
    lone.drive(|session, now| session.stop(now, Stop::Deconfigured));
    let status = lone.session.status();
    assert_eq!(status.last_sent.unwrap().text, "Peer de-configured");
    assert_eq!(status.last_received.unwrap().notification.subcode, 2);
    assert_eq!(status.last_error, None, "the operator wanted it");
}

/// RP-16
#[test]
fn state_and_its_age_are_told() {
    let mut lone = Lone::stopped(|_| {});
    assert_eq!(lone.session.status().since, None);
    lone.drive(|session, now| session.start(now));
    let started = lone.now;
    lone.advance(secs(1));
    let status = lone.session.status();
    assert_eq!((status.state, status.since), (State::Active, Some(started)));

    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    lone.receive(conn, Message::Keepalive);
    let up = lone.now;
    lone.advance(secs(80));
    let status = lone.session.status();
    assert_eq!((status.state, status.since), (State::Established, Some(up)));
    let [connection] = status.connections[..] else {
        panic!("{status:?}");
    };
    assert_eq!(connection.direction, Direction::Outgoing);
    assert_eq!(connection.hold_until, Some(up + secs(90)));
    assert!(connection.keepalive_at > Some(lone.now));
    assert_eq!(status.negotiated.unwrap().peer_as.0, 64513);
}

/// RP-16
#[test]
fn messages_and_flaps_are_counted() {
    let (mut lone, conn) = Lone::established(|_| {}, peer_open());
    let updates = end_of_rib().repeat(3);
    lone.receive_octets(conn, &updates);
    lone.drive(|session, now| session.send(now, updates.into()));
    lone.receive(conn, cease(4, b""));
    let counters = lone.session.status().counters;
    assert_eq!((counters.established, counters.flaps), (1, 1));
    let numbers = |counts: MessageCounts| {
        [
            counts.open,
            counts.update,
            counts.keepalive,
            counts.notification,
            counts.route_refresh,
        ]
    };
    assert_eq!(numbers(counters.received), [1, 3, 1, 1, 0]);
    assert_eq!(counters.received.total(), 6);
    assert_eq!(numbers(counters.sent), [1, 3, 1, 0, 0]);
}

#[test]
fn an_error_beside_a_good_session_is_not_its_error() {
    let (mut lone, _) = Lone::established(|_| {}, peer_open());
    let second = lone.accept();
    lone.receive(second, cease(5, b""));
    assert_eq!(lone.session.status().last_error, None);
    assert_eq!(lone.state(), State::Established);
}
