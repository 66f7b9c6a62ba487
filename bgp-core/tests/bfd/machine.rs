//! The state machine, with packets by hand.

use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use bgp_core::bfd::{
    Cause, Change, Config, Diagnostic, Discriminator, Interval, Output, Packet, Session, State,
};

use crate::world::{LOCAL, PEER, millis, time_zero};

/// A session, and what came out of it since somebody last looked.
pub(crate) struct Lone {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    pub(crate) sent: Vec<Packet>,
    pub(crate) changes: Vec<Change>,
}

impl Lone {
    /// 300 ms in both directions, multiplier 3.
    pub(crate) fn new() -> Self {
        Self::with(Config::new(millis(300), NonZeroU8::new(3).unwrap()))
    }

    pub(crate) fn with(config: Config) -> Self {
        let now = time_zero();
        let mut lone = Self {
            session: Session::new(now, config, LOCAL, 7),
            now,
            sent: Vec::new(),
            changes: Vec::new(),
        };
        lone.drain();
        lone
    }

    /// One that is up, and whose intervals the peer has confirmed.
    pub(crate) fn up() -> Self {
        let mut lone = Self::new();
        lone.bring_up(&packet(State::Up));
        lone
    }

    /// Until it is up with a peer that says this.
    pub(crate) fn bring_up(&mut self, peer: &Packet) {
        let down = Packet {
            state: State::Down,
            your_discriminator: None,
            ..*peer
        };
        self.hear(&down);
        self.hear(peer);
        self.hear(&Packet {
            is_final: true,
            ..*peer
        });
        assert_eq!(self.session.state(), State::Up);
        assert!(!self.session.status().polling);
        self.sent.clear();
        self.changes.clear();
    }

    pub(crate) fn hear(&mut self, packet: &Packet) {
        self.session.handle_packet(self.now, packet);
        self.drain();
    }

    /// Lets so much time pass, and does all that is due meanwhile; tells when something was sent.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Instant> {
        let end = self.now + time;
        let mut times = Vec::new();
        while let Some((at, _)) = self.session.poll_timeout()
            && at <= end
        {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            let before = self.sent.len();
            self.drain();
            times.extend(std::iter::repeat_n(self.now, self.sent.len() - before));
        }
        self.now = end;
        times
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(packet) => self.sent.push(packet),
                Output::Changed(change) => self.changes.push(change),
                _ => {}
            }
        }
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.changes.last().map(|change| change.cause)
    }
}

/// What a peer with the same settings says, which knows us.
pub(crate) fn packet(state: State) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        my_discriminator: PEER,
        your_discriminator: Some(LOCAL),
        desired_min_tx: millis(300),
        required_min_rx: millis(300),
        required_min_echo_rx: Interval::ZERO,
    }
}

/// A session in a state.
fn lone_in(state: State) -> Lone {
    let mut lone = Lone::new();
    match state {
        State::AdminDown => lone.session.disable(lone.now),
        State::Down => {}
        State::Init => lone.hear(&packet(State::Down)),
        State::Up => lone.bring_up(&packet(State::Up)),
    }
    lone.drain();
    assert_eq!(lone.session.state(), state);
    lone.changes.clear();
    lone
}

/// R5880-6.2-01, R5880-6.8.6-03: all of the table.
#[test]
fn every_state_has_its_way_with_every_packet() {
    use State::{AdminDown, Down, Init, Up};
    let table = [
        (AdminDown, [AdminDown, AdminDown, AdminDown, AdminDown]),
        (Down, [Down, Init, Up, Down]),
        (Init, [Down, Init, Up, Up]),
        (Up, [Down, Down, Up, Up]),
    ];
    for (own, expected) in table {
        for (said, expected) in [AdminDown, Down, Init, Up].into_iter().zip(expected) {
            let mut lone = lone_in(own);
            lone.hear(&packet(said));
            assert_eq!(lone.session.state(), expected, "{own} hears {said}");
            assert_eq!(lone.changes.len(), usize::from(own != expected));
        }
    }
}

/// R5880-6.8.6-03, R5882-3.2-01: why a session went down is told to the peer, and to the client.
#[test]
fn why_a_session_went_down_is_told() {
    for (said, cause, is_failure) in [
        (State::Down, Cause::PeerDown, true),
        (State::AdminDown, Cause::PeerAdminDown, false),
    ] {
        let mut lone = Lone::up();
        lone.hear(&packet(said));
        assert_eq!(lone.cause(), Some(cause));
        assert_eq!(lone.changes[0].is_failure(), is_failure);
        let told = lone.sent.last().unwrap();
        assert_eq!(
            (told.state, told.diagnostic),
            (State::Down, Diagnostic::NEIGHBOR_DOWN)
        );
    }
    let mut lone = Lone::up();
    lone.pass(Duration::from_millis(900));
    assert_eq!(lone.cause(), Some(Cause::DetectionTimeExpired));
    assert!(lone.changes[0].is_failure());
    let told = lone.sent.last().unwrap();
    assert_eq!(told.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    assert_eq!(told.your_discriminator, None, "R5880-6.8.1-02");
}

/// A process that was not running finds that the peer has given it up: that says nothing of the path.
#[test]
fn a_peer_that_goes_down_for_our_silence_has_not_failed() {
    for (silence, cause) in [(850, Cause::PeerDown), (900, Cause::OwnSilence)] {
        let mut lone = Lone::up();
        lone.pass(Duration::from_millis(500));
        let worked_at = lone.now;
        lone.hear(&packet(State::Up));
        let sent = lone.pass(Duration::from_millis(300)).pop().unwrap();
        // Nobody calls `handle_timeout` meanwhile.
        lone.now = sent + Duration::from_millis(silence);
        lone.hear(&packet(State::Down));
        assert_eq!(lone.cause(), Some(cause));
        assert_eq!(lone.changes[0].is_failure(), cause == Cause::PeerDown);
        assert_eq!(lone.changes[0].worked_at, Some(worked_at));
        // It comes up again as after any failure.
        lone.bring_up(&packet(State::Up));
    }
}

/// R5880-6.8.6-03: a session that was not up has not failed.
#[test]
fn only_what_was_up_can_fail() {
    let mut lone = lone_in(State::Init);
    lone.pass(Duration::from_secs(3));
    assert_eq!(lone.session.state(), State::Down);
    assert_eq!(lone.cause(), Some(Cause::DetectionTimeExpired));
    assert!(!lone.changes.iter().any(Change::is_failure));
}

/// R5880-6.8.16-01: packets go on, so that the peer learns it even if one is lost; nothing that comes matters.
#[test]
fn a_session_that_is_held_down_says_so() {
    let mut lone = Lone::up();
    lone.session.disable(lone.now);
    lone.drain();
    assert!(!lone.changes[0].is_failure());
    let told = lone.sent.pop().unwrap();
    assert_eq!(
        (told.state, told.diagnostic),
        (State::AdminDown, Diagnostic::ADMIN_DOWN)
    );
    lone.hear(&Packet {
        poll: true,
        ..packet(State::Down)
    });
    assert_eq!(lone.sent, []);
    let times = lone.pass(Duration::from_secs(5));
    assert!((5..=7).contains(&times.len()), "{times:?}");
    assert!(
        lone.sent
            .iter()
            .all(|packet| packet.state == State::AdminDown)
    );
    lone.session.enable(lone.now);
    lone.drain();
    assert_eq!(lone.session.state(), State::Down);
    assert_eq!(lone.sent.last().unwrap().diagnostic, Diagnostic::NONE);
    lone.bring_up(&packet(State::Up));
}

/// R5880-6.3-01: only the owner can find the session of a packet without our number, but one with another number is not for us.
#[test]
fn a_packet_for_another_session_has_no_effect() {
    let mut lone = Lone::up();
    let other = Discriminator::new(99);
    lone.hear(&Packet {
        your_discriminator: other,
        ..packet(State::Down)
    });
    assert_eq!(lone.session.state(), State::Up);
    assert_eq!(lone.sent, []);
    // The peer has restarted, and does not know us.
    lone.hear(&Packet {
        your_discriminator: None,
        my_discriminator: other.unwrap(),
        ..packet(State::Down)
    });
    assert_eq!(lone.session.state(), State::Down);
    assert_eq!(lone.sent[0].your_discriminator, other);
}

/// R5880-6.8.1-01: the numbers of both sides are in each packet; R5880-6.8.1-02: until the peer is not heard any more.
#[test]
fn discriminators_are_echoed_until_the_peer_is_silent() {
    let mut lone = Lone::new();
    lone.pass(Duration::ZERO);
    assert_eq!(lone.sent[0].my_discriminator, LOCAL);
    assert_eq!(lone.sent[0].your_discriminator, None);
    lone.hear(&packet(State::Down));
    assert_eq!(lone.sent[1].your_discriminator, Some(PEER));
    lone.pass(Duration::from_secs(10));
    assert_eq!(lone.session.status().peer, None);
    let last = lone.sent.last().unwrap();
    assert_eq!((last.state, last.your_discriminator), (State::Down, None));
}

/// R5880-6.5-01: at once, whatever the timer says, with Final and without Poll. It delays no periodic packet.
#[test]
fn a_poll_is_answered_at_once() {
    let mut lone = Lone::up();
    let planned = lone.session.poll_timeout();
    lone.now += Duration::from_millis(1);
    lone.hear(&Packet {
        poll: true,
        ..packet(State::Up)
    });
    let answer = lone.sent.pop().unwrap();
    assert!(answer.is_final && !answer.poll);
    assert_eq!(lone.session.poll_timeout(), planned);
    // Of a change and an answer one packet is made.
    lone.hear(&Packet {
        poll: true,
        ..packet(State::Down)
    });
    assert_eq!(lone.sent.len(), 1);
    assert!(lone.sent[0].is_final);
    assert_eq!(lone.sent[0].state, State::Down);
}

/// R5882-4.3-01: only where neither side shares the fate of its control plane, by the C bits.
#[test]
fn a_failure_ends_a_graceful_restart_only_if_it_cannot_be_the_restart() {
    for (own, theirs) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut config = Config::new(millis(300), NonZeroU8::new(3).unwrap());
        config.control_plane_independent = own;
        let mut lone = Lone::with(config);
        lone.bring_up(&Packet {
            control_plane_independent: theirs,
            ..packet(State::Up)
        });
        lone.pass(Duration::from_secs(1));
        assert_eq!(lone.sent.last().unwrap().control_plane_independent, own);
        assert!(lone.changes[0].is_failure());
        assert_eq!(lone.changes[0].ends_graceful_restart(), own && theirs);
    }
}
