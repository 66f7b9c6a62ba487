//! What operators read.

use bgp_core::session::{Direction, ErrorClass, MessageCounts, State, Stop};
use bgp_core::wire::{ErrorCode, Message, Notification};
use bytes::Bytes;

use crate::lone::{Lone, end_of_rib, open_of, peer_open, secs};

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
    lone.closed(conn, None);
    assert_eq!(last_error(&lone), "Socket: Connection closed");

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
    let received = MessageCounts {
        open: 1,
        update: 3,
        keepalive: 1,
        notification: 1,
        route_refresh: 0,
    };
    assert_eq!(counters.received, received);
    assert_eq!(counters.received.total(), 6);
    let sent = MessageCounts {
        notification: 0,
        ..received
    };
    assert_eq!(counters.sent, sent);
}

#[test]
fn an_error_beside_a_good_session_is_not_its_error() {
    let (mut lone, _) = Lone::established(|_| {}, peer_open());
    let second = lone.accept();
    lone.receive(second, cease(5, b""));
    assert_eq!(lone.session.status().last_error, None);
    assert_eq!(lone.state(), State::Established);
}
