use proptest::prelude::*;

use super::*;
use crate::session::config::GracefulRestart;
use crate::session::{Output, Session};
use crate::types::{Asn, RouterId};

fn config(own: u8) -> SessionConfig {
    let [own, other] = [own, 3 - own].map(|last| [10, 0, 0, last]);
    let asn = |address: [u8; 4]| Asn(64512 + u32::from(address[3]));
    let mut config = SessionConfig::new(asn(own), RouterId(own.into()), other.into(), asn(other));
    config.hold_time = Duration::from_secs(9);
    config.graceful_restart = Some(GracefulRestart::new(120).with_restarting(true));
    config.software_version = Some("1.0".to_owned());
    config
}

/// Two sessions that are up with each other.
fn pair(now: Instant) -> [Session; 2] {
    let conn = ConnId(7);
    let mut sessions = [1, 2].map(|own| Session::new(Arc::new(config(own)), 1));
    for session in &mut sessions {
        session.start(now);
        session.handle_timeout(now);
    }
    sessions[0].handle_connected(now, conn, Direction::Outgoing);
    sessions[1].handle_connected(now, conn, Direction::Incoming);
    exchange(&mut sessions, now);
    assert!(
        sessions
            .iter()
            .all(|session| session.state() == State::Established)
    );
    sessions
}

/// Carries octets from one to the other until there are no more.
fn exchange(sessions: &mut [Session; 2], now: Instant) {
    let mut said = true;
    while std::mem::take(&mut said) {
        for from in 0..2 {
            while let Some(output) = sessions[from].poll_output() {
                if let Output::Transmit { conn, bytes } = output {
                    said = true;
                    sessions[1 - from].handle_bytes(now, conn, &mut BytesMut::from(&bytes[..]));
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "time zero of a virtual clock")]
fn time_zero() -> Instant {
    Instant::now() + Duration::from_secs(1000)
}

fn again(session: &Handover) -> Handover {
    let mut out = Writer::default();
    session.encode(&mut out);
    let octets = out.finish();
    let mut input = Reader::new(&octets);
    let read = Handover::decode(&mut input).expect("it was just written");
    assert!(input.is_empty());
    read
}

#[test]
fn a_session_goes_on_with_its_timers_and_counters_and_without_a_word() {
    let mut now = time_zero();
    let [ours, mut theirs] = pair(now);
    now += Duration::from_secs(2);
    let given = ours.hand_over(now).expect("it is up");
    assert_eq!(again(&given), given);
    // Another process, with another version and an OPEN that would not speak of a restart.
    let mut config = config(1);
    config.software_version = Some("1.1".to_owned());
    config.graceful_restart = Some(GracefulRestart::new(120));
    let conn = ConnId(1);
    let taken = Session::take_over(Arc::new(config), 9, now, conn, &given);
    let mut taken = taken.expect("the settings are the same");
    assert_eq!(taken.poll_output(), None);
    assert_eq!(taken.poll_timeout(), ours.poll_timeout());
    let (was, is) = (ours.status(), taken.status());
    assert_eq!((is.state, is.since), (was.state, was.since));
    assert_eq!((is.counters, is.tally), (was.counters, was.tally));
    assert_eq!(
        is.negotiated.map(|agreed| agreed.hold_time),
        Some(Duration::from_secs(9))
    );
    let (at, _) = taken.poll_timeout().expect("a KEEPALIVE is due");
    taken.handle_timeout(at);
    let Some(Output::Transmit { bytes, .. }) = taken.poll_output() else {
        panic!("no KEEPALIVE");
    };
    theirs.handle_bytes(at, ConnId(7), &mut BytesMut::from(&bytes[..]));
    assert_eq!(theirs.state(), State::Established);
    assert_eq!(theirs.poll_output(), None);
}

#[test]
fn time_in_which_nothing_was_read_does_not_count_for_the_hold_timer() {
    let now = time_zero();
    let [mut ours, _] = pair(now);
    ours.set_reading(now, false);
    let given = ours
        .hand_over(now + Duration::from_secs(20))
        .expect("it is up");
    assert_eq!(given.hold, Some(Duration::from_secs(20)));
}

#[test]
fn other_settings_ask_for_another_session() {
    let now = time_zero();
    let [ours, _] = pair(now);
    let given = ours.hand_over(now).expect("it is up");
    type Change = fn(&mut SessionConfig);
    let changes: [Change; 5] = [
        |config| config.hold_time = Duration::from_secs(10),
        |config| config.local_as = Asn(7),
        |config| config.peer_as = Asn(7),
        |config| config.router_id = RouterId([1, 1, 1, 1].into()),
        |config| config.graceful_restart = Some(GracefulRestart::new(10)),
    ];
    for change in changes {
        let mut config = config(1);
        change(&mut config);
        assert_eq!(given.negotiated(&config).err(), Some(NotContinued));
    }
    let mut config = config(1);
    // The peer does not know it: nothing would be different.
    config.role = Some(crate::session::config::RoleConfig::new(
        crate::types::Role::Peer,
    ));
    assert!(given.negotiated(&config).is_ok());
    let goodbye = given.goodbye(&Stop::Deconfigured).expect("a NOTIFICATION");
    assert_eq!(goodbye[goodbye.len() - 2..], [6, 3]);
    assert_eq!(given.goodbye(&Stop::Restart), None);
}

#[test]
fn a_session_that_is_not_up_is_not_handed_over() {
    let now = time_zero();
    let mut session = Session::new(Arc::new(config(1)), 1);
    assert_eq!(session.hand_over(now), None);
    session.start(now);
    session.handle_connected(now, ConnId(1), Direction::Outgoing);
    assert_eq!(session.hand_over(now), None);
}

proptest! {
    #[test]
    fn any_octets_can_be_read(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        Handover::decode(&mut Reader::new(&octets)).ok();
    }

    /// Damage in one place is refused, or gives a session that is read the same again.
    #[test]
    fn damage_is_no_danger(at in 0usize..400, octet in any::<u8>()) {
        let now = time_zero();
        let [ours, _] = pair(now);
        let mut out = Writer::default();
        ours.hand_over(now).expect("it is up").encode(&mut out);
        let mut octets = out.finish();
        let len = octets.len();
        octets[at % len] = octet;
        if let Ok(session) = Handover::decode(&mut Reader::new(&octets)) {
            prop_assert_eq!(&again(&session), &session);
            Session::take_over(Arc::new(config(1)), 1, now, ConnId(1), &session).ok();
        }
    }
}
