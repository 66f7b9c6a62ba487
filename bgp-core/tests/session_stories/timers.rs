//! Deadlines: hold, keepalive, send hold, connect retry and idle hold.

use std::time::Duration;

use bgp_core::session::{DownReason, Session, State, Timer};
use bgp_core::wire::{Message, Open};

use crate::lone::{Lone, Seen, down, end_of_rib, peer_open, secs};

fn hold(time: u64) -> impl FnOnce(&mut bgp_core::session::SessionConfig) {
    move |config| config.hold_time = secs(time)
}

fn peer_hold(time: u16) -> Open {
    Open {
        hold_time: time,
        ..peer_open()
    }
}

fn until(session: &Session, timer: Timer) -> Option<std::time::Instant> {
    let status = session.status();
    let connection = status.connections.first();
    match timer {
        Timer::IdleHold => status.idle_until,
        Timer::ConnectRetry => status.connect_retry_at,
        Timer::Hold => connection.and_then(|c| c.hold_until),
        Timer::Keepalive => connection.and_then(|c| c.keepalive_at),
        _ => connection.and_then(|c| c.send_hold_until),
    }
}

fn keepalives(seen: &[Seen]) -> usize {
    let is_keepalive = |seen: &&Seen| matches!(seen, Seen::Sent(_, Message::Keepalive));
    seen.iter().filter(is_keepalive).count()
}

/// R4271-4.2-02: the smaller of the two counts.
/// Promise 2.6.
#[test]
fn the_hold_time_is_the_smaller_one() {
    for (ours, peers, agreed) in [(90, 30, 30), (30, 90, 30), (0, 90, 0), (90, 0, 0)] {
        let (lone, _) = Lone::established(hold(ours), peer_hold(peers));
        let negotiated = lone.session.status().negotiated.unwrap();
        assert_eq!(negotiated.hold_time, secs(agreed));
        assert_eq!(negotiated.keepalive_time, secs(agreed) / 3);
    }
}

/// R4271-6.5-01: exactly when the hold time has passed since the last message; no jitter.
#[test]
fn a_silent_peer_is_given_up_after_the_hold_time() {
    let (mut lone, conn) = Lone::established(hold(90), peer_open());
    lone.advance(secs(60));
    lone.receive(conn, Message::Keepalive);
    lone.advance(secs(90) - Duration::from_millis(1));
    assert_eq!(lone.state(), State::Established);
    lone.take();
    lone.advance(Duration::from_millis(1));
    let seen = lone.take();
    let DownReason::Sent(notification) = &down(&seen).reason else {
        panic!("{seen:?}");
    };
    assert_eq!((notification.code.0, notification.subcode), (4, 0));
}

/// R4271-6.5-01: an UPDATE is a sign of life too.
#[test]
fn an_update_restarts_the_hold_timer() {
    let (mut lone, conn) = Lone::established(hold(90), peer_open());
    lone.advance(secs(89));
    lone.receive_octets(conn, &end_of_rib());
    lone.advance(secs(89));
    assert_eq!(lone.state(), State::Established);
}

/// R4271-8-02: four minutes in OpenSent, whatever hold time is configured; RP-02.
#[test]
fn a_connection_without_open_ends_after_four_minutes() {
    for configured in [3, 0] {
        let mut lone = Lone::new(hold(configured));
        let conn = lone.dial();
        lone.advance(secs(239));
        assert_eq!(lone.state(), State::OpenSent);
        lone.take();
        lone.advance(secs(1));
        assert_eq!(lone.error(conn), (4, 0));
        assert_eq!(lone.state(), State::Idle);
    }
}

/// R4271-8-02: the negotiated one in OpenConfirm.
#[test]
fn a_connection_without_keepalive_ends_after_the_hold_time() {
    let mut lone = Lone::new(hold(30));
    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    lone.advance(secs(29));
    assert_eq!(lone.state(), State::OpenConfirm);
    lone.take();
    lone.advance(secs(1));
    assert_eq!(lone.error(conn), (4, 0));
}

/// RP-02: also without a hold time, OpenConfirm ends at the time of OpenSent.
#[test]
fn open_confirm_without_hold_time_is_bounded() {
    let mut lone = Lone::new(hold(0));
    let conn = lone.dial();
    lone.receive(conn, Message::Open(peer_open()));
    lone.take();
    lone.advance(secs(240));
    assert_eq!(lone.error(conn), (4, 0));
}

/// R4271-4.4-02, R9687-3-01: only the KEEPALIVE that confirms the OPEN is sent; nothing expires.
#[test]
fn without_hold_time_there_are_no_timers() {
    let mut lone = Lone::new(hold(0));
    let conn = lone.dial();
    lone.take();
    lone.receive(conn, Message::Open(peer_open()));
    assert_eq!(lone.take(), [Seen::Sent(conn, Message::Keepalive)]);
    lone.receive(conn, Message::Keepalive);
    lone.take();
    lone.drive(|session, now| session.send(now, end_of_rib()));
    lone.take();
    assert_eq!(lone.session.poll_timeout(), None);
    lone.advance(secs(100_000));
    assert_eq!(lone.take(), []);
    assert_eq!(lone.state(), State::Established);
}

/// R4271-4.4-01, R4271-10-01: at a third of the hold time, shortened by at most a quarter.
/// Promise 2.6.
#[test]
fn keepalives_come_in_time_and_not_too_often() {
    let (mut lone, conn) = Lone::established(hold(90), peer_open());
    let mut intervals = Vec::new();
    for _ in 0..100 {
        let due = until(&lone.session, Timer::Keepalive).unwrap();
        intervals.push(due - lone.now);
        lone.advance(due - lone.now);
        assert_eq!(keepalives(&lone.take()), 1);
        lone.receive(conn, Message::Keepalive);
    }
    let thirty = secs(30);
    assert!(
        intervals
            .iter()
            .all(|i| *i <= thirty && *i >= thirty * 3 / 4)
    );
    assert!(intervals.iter().any(|i| *i < thirty * 7 / 8));
    assert!(intervals.iter().any(|i| *i > thirty * 7 / 8));
}

/// R4271-4.4-01: never twice in a second, whatever is configured.
#[test]
fn keepalives_keep_a_second_apart() {
    let fast = |config: &mut bgp_core::session::SessionConfig| {
        config.hold_time = secs(3);
        config.keepalive_time = Some(Duration::ZERO);
    };
    let (lone, _) = Lone::established(fast, peer_open());
    let due = until(&lone.session, Timer::Keepalive).unwrap();
    assert_eq!(due - lone.now, secs(1));
}

#[test]
fn a_configured_keepalive_time_counts_unless_it_is_too_long() {
    for (configured, used) in [(10, 10), (80, 30)] {
        let (lone, _) = Lone::established(
            |config| config.keepalive_time = Some(secs(configured)),
            peer_open(),
        );
        let negotiated = lone.session.status().negotiated.unwrap();
        assert_eq!(negotiated.keepalive_time, secs(used));
    }
}

#[test]
fn sending_updates_stands_for_keepalives() {
    let (mut lone, conn) = Lone::established(hold(90), peer_open());
    for _ in 0..50 {
        lone.advance(secs(10));
        lone.drive(|session, now| session.send(now, end_of_rib()));
        lone.receive(conn, Message::Keepalive);
        assert_eq!(keepalives(&lone.take()), 0);
    }
}

/// R9687-3-02, R9687-3-03: eight minutes, or twice the hold time.
#[test]
fn a_peer_that_takes_nothing_is_given_up_after_the_send_hold_time() {
    for (hold_time, expected) in [(90, 480), (600, 1200)] {
        let (mut lone, conn) = Lone::established(hold(hold_time.into()), peer_hold(hold_time));
        lone.stuck = true;
        lone.drive(|session, now| session.send(now, end_of_rib()));
        let due = until(&lone.session, Timer::SendHold).unwrap();
        assert_eq!(due - lone.now, secs(expected));
        while lone.now < due {
            assert_eq!(lone.state(), State::Established);
            lone.receive(conn, Message::Keepalive);
            lone.take();
            lone.advance(secs(10));
        }
        let seen = lone.take();
        assert_eq!(down(&seen).reason, DownReason::SendHoldTimer);
        let status = lone.session.status();
        assert_eq!(
            status.last_error.unwrap().to_string(),
            "BGP Error: Send hold timer expired"
        );
        assert_eq!(status.last_sent.unwrap().notification.code.0, 8);
    }
}

/// R9687-3-01: progress restarts it, and an empty queue stops it.
#[test]
fn progress_in_writing_restarts_the_send_hold_timer() {
    let (mut lone, conn) = Lone::established(hold(90), peer_open());
    lone.stuck = true;
    lone.drive(|session, now| session.send(now, end_of_rib()));
    for _ in 0..20 {
        for _ in 0..8 {
            lone.advance(secs(50));
            lone.receive(conn, Message::Keepalive);
        }
        lone.drive(|session, now| session.handle_written(now, conn, true));
        assert_eq!(lone.state(), State::Established);
    }
    lone.drive(|session, now| session.handle_written(now, conn, false));
    assert_eq!(until(&lone.session, Timer::SendHold), None);
}

#[test]
fn the_hold_timer_is_not_judged_while_nobody_reads() {
    let (mut lone, conn) = Lone::established(hold(90), peer_open());
    lone.advance(secs(80));
    lone.drive(|session, now| session.set_reading(now, false));
    lone.advance(secs(300));
    assert_eq!(lone.state(), State::Established);
    assert!(keepalives(&lone.take()) >= 10, "our own go on");

    lone.drive(|session, now| session.set_reading(now, true));
    lone.advance(secs(9));
    assert_eq!(lone.state(), State::Established);
    lone.take();
    lone.advance(secs(1));
    assert_eq!(lone.error(conn), (4, 0), "ten seconds were left");
}

#[test]
fn after_a_pause_there_is_time_to_read_what_piled_up() {
    let (mut lone, conn) = Lone::established(hold(90), peer_open());
    lone.advance(secs(89) + Duration::from_millis(999));
    lone.drive(|session, now| session.set_reading(now, false));
    lone.advance(secs(1));
    lone.drive(|session, now| session.set_reading(now, true));
    lone.advance(secs(4));
    lone.receive(conn, Message::Keepalive);
    assert_eq!(lone.state(), State::Established);
}

/// R4271-8-03: active mode dials with the ConnectRetry timer and listens.
#[test]
fn an_active_session_dials_again_and_again() {
    let mut lone = Lone::new(|_| {});
    let mut waits = Vec::new();
    for _ in 0..20 {
        let due = until(&lone.session, Timer::ConnectRetry).unwrap();
        waits.push(due - lone.now);
        lone.advance(due - lone.now);
        assert_eq!(lone.take(), [Seen::Connect]);
        assert_eq!(lone.state(), State::Connect);
        lone.drive(|session, now| session.handle_connect_failed(now, "Connection refused"));
        assert_eq!(lone.state(), State::Active);
    }
    let five = secs(5);
    assert!(waits[0] <= secs(2) && waits[0] >= Duration::from_millis(1500));
    assert!(waits[1..].iter().all(|w| *w <= five && *w >= five * 3 / 4));
    let error = lone.session.status().last_error.unwrap();
    assert_eq!(error.to_string(), "Socket: Connection refused");
}

#[test]
fn a_dial_without_answer_is_given_up_for_a_new_one() {
    let mut lone = Lone::new(|_| {});
    lone.advance(secs(2));
    assert_eq!(lone.take(), [Seen::Connect]);
    lone.advance(secs(5));
    assert_eq!(lone.take(), [Seen::CancelConnect, Seen::Connect]);
    let error = lone.session.status().last_error.unwrap();
    assert_eq!(error.to_string(), "Socket: Connection timed out");
}

/// R4271-8-03: passive mode listens only.
/// Promise 4.5.
#[test]
fn a_passive_session_never_dials() {
    let mut lone = Lone::new(|config| config.passive = true);
    lone.advance(secs(10_000));
    assert_eq!(lone.take(), []);
    assert_eq!(lone.state(), State::Active);
    let conn = lone.accept();
    lone.receive(conn, Message::Open(peer_open()));
    lone.receive(conn, Message::Keepalive);
    lone.closed(conn, None);
    lone.take();
    lone.advance(secs(10_000));
    assert_eq!(lone.take(), []);
    assert_eq!(lone.state(), State::Active);
}

/// R4271-8-06: a peer that refuses every OPEN is asked ever less often.
#[test]
fn the_stay_in_idle_grows_to_its_bound() {
    let mut lone = Lone::new(|_| {});
    let mut stays = Vec::new();
    for _ in 0..6 {
        let conn = lone.dial();
        lone.receive(conn, Message::Keepalive);
        assert_eq!(lone.state(), State::Idle);
        stays.push(until(&lone.session, Timer::IdleHold).unwrap() - lone.now);
    }
    for (stay, longest) in stays.into_iter().zip([5, 10, 20, 30, 30, 30]) {
        assert!(
            stay <= secs(longest) && stay >= secs(longest) * 3 / 4,
            "{stay:?}"
        );
    }
}

/// R4271-8-06: two minutes of being up wipe the slate clean.
#[test]
fn a_stable_session_starts_again_with_the_shortest_stay() {
    let fall = |up: u64| {
        let mut lone = Lone::new(|_| {});
        for _ in 0..4 {
            let conn = lone.dial();
            lone.receive(conn, Message::Keepalive);
        }
        let conn = lone.dial();
        lone.receive(conn, Message::Open(peer_hold(0)));
        lone.receive(conn, Message::Keepalive);
        lone.advance(secs(up));
        lone.closed(conn, None);
        until(&lone.session, Timer::IdleHold).unwrap() - lone.now
    };
    assert!(fall(119) > secs(20));
    assert!(fall(120) <= secs(5));
}

/// R4271-8-05
#[test]
fn a_refused_version_does_not_make_the_stay_longer() {
    let mut lone = Lone::new(|_| {});
    for _ in 0..6 {
        let conn = lone.dial();
        lone.receive(
            conn,
            Message::Notification(bgp_core::wire::Notification {
                code: bgp_core::wire::ErrorCode::OPEN,
                subcode: 1,
                data: bytes::Bytes::from_static(&[0, 3]),
            }),
        );
        let stay = until(&lone.session, Timer::IdleHold).unwrap() - lone.now;
        assert!(stay <= secs(5));
    }
}

/// No configuration makes a storm of connections.
#[test]
fn reconnecting_is_bounded_without_any_configured_pause() {
    let mut lone = Lone::new(|config| {
        config.connect_delay = Duration::ZERO;
        config.connect_retry_time = Duration::ZERO;
        config.idle_hold = (Duration::ZERO, Duration::ZERO);
    });
    let begin = lone.now;
    for _ in 0..100 {
        let conn = lone.dial();
        lone.receive(conn, Message::Keepalive);
    }
    assert!(lone.now - begin >= secs(74));
    let begin = lone.now;
    for _ in 0..100 {
        let conn = lone.dial();
        lone.closed(conn, None);
    }
    assert!(lone.now - begin >= secs(74));
}

#[test]
fn a_start_ends_the_stay_in_idle() {
    let mut lone = Lone::new(|_| {});
    let conn = lone.dial();
    lone.receive(conn, Message::Keepalive);
    assert_eq!(lone.state(), State::Idle);
    lone.drive(|session, now| session.start(now));
    assert_eq!(lone.state(), State::Active);
    assert_eq!(until(&lone.session, Timer::IdleHold), None);
}

/// Early calls do no harm, late ones do everything that is due.
#[test]
fn timeouts_may_come_early_or_late() {
    let (mut lone, conn) = Lone::established(hold(90), peer_open());
    lone.drive(|session, now| session.handle_timeout(now));
    assert_eq!(lone.take(), []);
    lone.now += secs(1000);
    lone.drive(|session, now| session.handle_timeout(now));
    assert_eq!(lone.error(conn), (4, 0));
}
