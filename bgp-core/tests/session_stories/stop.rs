//! Stops by the owner: the message to the peer, and the session's later behaviour.

use std::time::Duration;

use bgp_core::session::{ConnId, DownReason, State, Stop};
use bgp_core::types::{Family, PerFamily};
use bgp_core::wire::Message;

use crate::lone::{
    Lone, Seen, down, peer_open, peer_open_with, restart_capability, restarts, secs,
};

const KEPT: PerFamily<bool> = PerFamily {
    ipv4: true,
    ipv6: false,
};

fn max_prefixes(idle: Duration) -> Stop {
    Stop::MaxPrefixes {
        family: Family::Ipv4Unicast,
        limit: 10,
        idle,
    }
}

fn up(notification_bit: bool) -> (Lone, ConnId) {
    Lone::established(
        |config| config.graceful_restart = restarts(notification_bit),
        peer_open_with([restart_capability(false, true)]),
    )
}

/// R4271-8-07, R4271-6.7-01, R4486-4-01, R4486-4-03, R9384-3-01
#[test]
fn each_stop_has_its_subcode() {
    let all = [
        (Stop::Shutdown(None), 2),
        (Stop::Reset(None), 4),
        (Stop::Deconfigured, 3),
        (Stop::ConfigChange, 6),
        (max_prefixes(secs(60)), 1),
        (Stop::BfdDown, 10),
        (Stop::BfdRequired, 10),
    ];
    for (stop, subcode) in all {
        let (mut lone, conn) = up(false);
        lone.drive(|session, now| session.stop(now, stop));
        assert_eq!(lone.error(conn), (6, subcode));
    }
}

/// R8538-3.1-01, R9384-3-02: what is meant for good, and a path that is dead, is a hard reset where the N bit was exchanged; the rest keeps the routes.
#[test]
fn a_hard_reset_is_used_where_routes_would_survive() {
    let hard = [
        Stop::Shutdown(None),
        Stop::Deconfigured,
        max_prefixes(secs(1)),
        Stop::BfdDown,
        Stop::BfdRequired,
    ];
    for stop in hard {
        let plain = stop.clone();
        let (mut lone, conn) = up(true);
        lone.drive(|session, now| session.stop(now, stop));
        let seen = lone.take();
        assert_eq!(down(&seen).keep_stale, PerFamily::default(), "{plain:?}");
        let Seen::Sent(sent_on, Message::Notification(notification)) = &seen[0] else {
            panic!("{seen:?}");
        };
        assert_eq!(*sent_on, conn);
        assert_eq!((notification.code.0, notification.subcode), (6, 9));
        assert_eq!(notification.data[0], 6);
    }
    for stop in [Stop::Reset(None), Stop::ConfigChange] {
        let (mut lone, _) = up(true);
        lone.drive(|session, now| session.stop(now, stop));
        assert_eq!(down(&lone.take()).keep_stale, KEPT);
    }
}

/// R9003-2-01, R9003-2-03
#[test]
fn the_text_of_the_operator_reaches_the_peer() {
    let (mut lone, conn) = up(false);
    let text = "back at 14:00".to_owned();
    lone.drive(|session, now| session.stop(now, Stop::Shutdown(Some(text))));
    assert_eq!(
        lone.notification(conn).data,
        b"\x0dback at 14:00".as_slice()
    );
    let sent = lone.session.status().last_sent.unwrap();
    assert_eq!(sent.text, "Administrative shutdown");
    assert_eq!(sent.communication.as_deref(), Some("back at 14:00"));
}

/// RP-07: with a restart planned, TCP is closed and nothing is said.
#[test]
fn a_restart_of_this_process_closes_without_notification() {
    let (mut lone, conn) = up(true);
    lone.drive(|session, now| session.stop(now, Stop::Restart));
    let seen = lone.take();
    assert_eq!(seen[0], Seen::Closed(conn));
    let down = down(&seen);
    assert_eq!((&down.reason, down.keep_stale), (&DownReason::Left, KEPT));
    assert_eq!(seen.len(), 2);
}

/// A peer that drops the routes anyway is sent the reason.
#[test]
fn a_restart_of_this_process_is_told_where_graceful_restart_was_not_agreed_on() {
    let all = [
        (restarts(false), peer_open()),
        (None, peer_open_with([restart_capability(false, false)])),
    ];
    for (offered, open) in all {
        let (mut lone, conn) = Lone::established(|config| config.graceful_restart = offered, open);
        lone.drive(|session, now| session.stop(now, Stop::Restart));
        assert_eq!(lone.error(conn), (6, 2));
    }
}

/// It may hold routes of an earlier session, which a NOTIFICATION would take away.
#[test]
fn a_restart_of_this_process_is_not_told_a_peer_that_has_not_spoken() {
    let mut lone = Lone::new(|config| config.graceful_restart = restarts(false));
    let conn = lone.dial();
    lone.take();
    lone.drive(|session, now| session.stop(now, Stop::Restart));
    assert_eq!(lone.take(), [Seen::Closed(conn)]);
}

#[test]
fn a_stopped_session_stays_stopped() {
    let all = [
        Stop::Shutdown(None),
        Stop::Deconfigured,
        Stop::ConfigChange,
        Stop::Restart,
    ];
    for stop in all {
        let (mut lone, _) = up(true);
        lone.drive(|session, now| session.stop(now, stop.clone()));
        lone.take();
        assert_eq!(lone.session.poll_timeout(), None);
        lone.drive(|session, now| session.stop(now, Stop::Reset(None)));
        lone.advance(secs(10_000));
        assert_eq!((lone.take(), lone.state()), (vec![], State::Idle));
        lone.drive(|session, now| session.start(now));
        lone.dial();
    }
}

#[test]
fn a_reset_and_a_dead_path_start_again_by_themselves() {
    for stop in [Stop::Reset(None), Stop::BfdDown] {
        let (mut lone, _) = up(false);
        lone.drive(|session, now| session.stop(now, stop));
        lone.advance(secs(6));
        assert_eq!(lone.state(), State::Connect);
    }
}

/// R5882-4.1-01
#[test]
fn a_session_that_needs_bfd_waits_for_its_owner() {
    let (mut lone, _) = up(false);
    lone.drive(|session, now| session.stop(now, Stop::BfdRequired));
    let error = lone.session.status().last_error.unwrap();
    assert_eq!(error.to_string(), "Error: BFD session down");
    lone.advance(secs(600));
    lone.take();
    let conn = lone.accept();
    assert_eq!(lone.take(), [Seen::Closed(conn)]);
    lone.drive(|session, now| session.start(now));
    lone.dial();
}

/// R4486-4-02: no reconnect before the given time, in either direction.
#[test]
fn too_many_prefixes_keep_the_session_idle() {
    let (mut lone, _) = up(false);
    lone.drive(|session, now| session.stop(now, max_prefixes(secs(600))));
    let error = lone.session.status().last_error.unwrap();
    assert_eq!(
        error.to_string(),
        "Automatic shutdown: Route limit exceeded"
    );
    lone.advance(secs(599));
    lone.take();
    let conn = lone.accept();
    assert_eq!(lone.take(), [Seen::Closed(conn)]);
    assert_eq!(lone.state(), State::Idle);
    lone.advance(secs(1));
    assert_eq!(lone.state(), State::Connect);

    let (mut lone, _) = up(false);
    lone.drive(|session, now| session.stop(now, max_prefixes(Duration::MAX)));
    assert_eq!(lone.session.poll_timeout(), None);
    assert_eq!(lone.state(), State::Idle);
}

#[test]
fn a_stop_reaches_every_connection_and_the_dial() {
    let mut lone = Lone::new(|_| {});
    let outgoing = lone.dial();
    let incoming = lone.accept();
    lone.take();
    lone.drive(|session, now| session.stop(now, Stop::Shutdown(None)));
    let seen = lone.take();
    assert!(seen.contains(&Seen::Closed(outgoing)) && seen.contains(&Seen::Closed(incoming)));
    assert_eq!(seen.len(), 4);

    let mut lone = Lone::new(|_| {});
    lone.advance(secs(2));
    lone.take();
    lone.drive(|session, now| session.stop(now, Stop::Shutdown(None)));
    assert_eq!(lone.take(), [Seen::CancelConnect]);
}
