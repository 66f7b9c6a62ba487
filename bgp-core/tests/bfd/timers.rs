//! Intervals, jitter, detection, Poll Sequences.

use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use bgp_core::bfd::{Config, Interval, Packet, State};

use crate::machine::{Lone, packet};
use crate::world::millis;

fn config(tx: u32, rx: u32, multiplier: u8) -> Config {
    let mut config = Config::new(millis(tx), NonZeroU8::new(multiplier).unwrap());
    config.required_min_rx = millis(rx);
    config
}

fn gaps(times: &[Instant]) -> Vec<Duration> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Lets time pass while the peer goes on saying this.
fn pass_while(lone: &mut Lone, said: &Packet, time: Duration) -> Vec<Instant> {
    let end = lone.now + time;
    let mut times = Vec::new();
    while lone.now < end {
        lone.hear(said);
        times.extend(lone.pass(Duration::from_millis(50)));
    }
    times
}

/// R5880-6.8.3-01: also if the owner wants more.
#[test]
fn a_session_that_is_not_up_sends_once_a_second_at_most() {
    let mut lone = Lone::with(config(10, 10, 3));
    let gaps = gaps(&lone.pass(Duration::from_secs(60)));
    assert!(
        gaps.iter()
            .all(|gap| (750..=1000).contains(&gap.as_millis())),
        "{gaps:?}"
    );
    assert!(
        lone.sent
            .iter()
            .all(|packet| packet.desired_min_tx == Interval::SECOND)
    );
    let mut slow = config(10, 10, 3);
    slow.idle_tx = millis(60_000);
    let mut lone = Lone::with(slow);
    assert!(lone.pass(Duration::from_secs(60)).len() <= 2);
    // A peer that is heard need not wait for so long if the answer is lost.
    let times = pass_while(&mut lone, &packet(State::Down), Duration::from_secs(10));
    assert!(times.len() >= 9, "{times:?}");
    assert_eq!(lone.session.state(), State::Init);
    lone.pass(Duration::from_secs(10));
    assert!(lone.pass(Duration::from_secs(40)).len() <= 1);
}

/// R5880-6.8.7-01.
#[test]
fn jitter_is_a_quarter_at_most_and_a_tenth_at_least_if_no_packet_may_be_lost() {
    for (multiplier, range) in [(3, 225..=300), (1, 225..=270)] {
        let mut lone = Lone::with(config(300, 300, multiplier));
        lone.bring_up(&packet(State::Up));
        let gaps = gaps(&pass_while(
            &mut lone,
            &packet(State::Up),
            Duration::from_secs(120),
        ));
        let millis: Vec<u128> = gaps.iter().map(Duration::as_millis).collect();
        assert!(
            millis.iter().all(|gap| range.contains(gap)),
            "{multiplier}: {millis:?}"
        );
        let (low, high) = (range.start() + 10, range.end() - 10);
        assert!(millis.iter().any(|gap| *gap < low) && millis.iter().any(|gap| *gap > high));
    }
}

/// R5880-6.8.2-01: the slower of both; R5880-6.8.7-02: a peer that takes none gets none.
#[test]
fn the_peer_says_how_much_it_can_take() {
    let mut lone = Lone::up();
    let mut said = packet(State::Up);
    for (required, expected) in [(0, None), (100, Some(300)), (500, Some(500))] {
        said.required_min_rx = millis(required);
        lone.hear(&said);
        let interval = lone.session.status().transmit_interval;
        assert_eq!(interval, expected.map(millis));
    }
    said.required_min_rx = Interval::ZERO;
    lone.hear(&said);
    assert_eq!(pass_while(&mut lone, &said, Duration::from_secs(5)), []);
    // Not even then for ever: it may have forgotten us.
    assert!(!lone.pass(Duration::from_secs(5)).is_empty());
}

/// R5880-6.8.7-03: a peer in Demand mode gets no periodic packets while both are up, but for a Poll Sequence.
#[test]
fn a_peer_in_demand_mode_is_left_alone() {
    let mut lone = Lone::up();
    let said = Packet {
        demand: true,
        ..packet(State::Up)
    };
    lone.hear(&said);
    assert_eq!(pass_while(&mut lone, &said, Duration::from_secs(5)), []);
    lone.session.set_config(lone.now, config(400, 300, 3));
    pass_while(&mut lone, &said, Duration::from_secs(1));
    assert!(lone.sent.iter().all(|packet| packet.poll) && !lone.sent.is_empty());
    lone.hear(&Packet {
        is_final: true,
        ..said
    });
    assert_eq!(pass_while(&mut lone, &said, Duration::from_secs(5)), []);
}

/// R5880-6.8.7-04: a change of state is not kept until the next packet is due.
#[test]
fn a_new_state_is_told_at_once() {
    let mut lone = Lone::new();
    lone.pass(Duration::ZERO);
    lone.sent.clear();
    lone.now += Duration::from_millis(1);
    lone.hear(&packet(State::Down));
    assert_eq!(lone.sent.pop().unwrap().state, State::Init);
    lone.hear(&packet(State::Init));
    assert_eq!(lone.sent.pop().unwrap().state, State::Up);
    lone.hear(&packet(State::Up));
    assert_eq!(lone.sent, []);
}

/// R5880-6.8.4-01: the multiplier of the peer, and the slower of what we take and what it sends.
#[test]
fn the_detection_time_is_what_the_peer_makes_of_it() {
    for (own_rx, theirs, multiplier, expected) in
        [(300, 100, 3, 900), (50, 200, 5, 1000), (1000, 10, 1, 1000)]
    {
        let mut lone = Lone::with(config(300, own_rx, 7));
        lone.bring_up(&Packet {
            desired_min_tx: millis(theirs),
            multiplier: NonZeroU8::new(multiplier).unwrap(),
            ..packet(State::Up)
        });
        let expected = Duration::from_millis(expected);
        assert_eq!(lone.session.status().detection_time, Some(expected));
        lone.pass(expected - Duration::from_micros(1));
        assert_eq!(lone.session.state(), State::Up);
        lone.pass(Duration::from_micros(1));
        assert_eq!(lone.session.state(), State::Down);
    }
}

/// R5880-6.8.3-02: faster at once, slower once the peer knows. R5880-6.5-02: the Poll is on packets that were due anyway.
#[test]
fn a_slower_pace_waits_for_the_peer() {
    let mut lone = Lone::up();
    lone.session.set_config(lone.now, config(1000, 300, 3));
    lone.drain();
    assert_eq!(lone.sent, []);
    let polls = gaps(&pass_while(
        &mut lone,
        &packet(State::Up),
        Duration::from_secs(3),
    ));
    assert!(
        polls
            .iter()
            .all(|gap| (225..=300).contains(&gap.as_millis())),
        "{polls:?}"
    );
    assert!(
        lone.sent
            .iter()
            .all(|packet| packet.poll && packet.desired_min_tx == millis(1000))
    );
    lone.hear(&Packet {
        is_final: true,
        ..packet(State::Up)
    });
    assert_eq!(lone.session.status().transmit_interval, Some(millis(1000)));
    lone.sent.clear();
    pass_while(&mut lone, &packet(State::Up), Duration::from_secs(3));
    assert!(lone.sent.iter().all(|packet| !packet.poll));
    lone.session.set_config(lone.now, config(50, 300, 3));
    // The peer can take 300 ms.
    assert_eq!(lone.session.status().transmit_interval, Some(millis(300)));
}

/// R5880-6.8.3-03: more patience at once, less once the peer knows.
#[test]
fn a_shorter_detection_waits_for_the_peer() {
    let mut lone = Lone::up();
    let fast = Packet {
        desired_min_tx: millis(10),
        ..packet(State::Up)
    };
    lone.hear(&fast);
    let detection = |lone: &Lone| lone.session.status().detection_time.unwrap().as_millis();
    lone.session.set_config(lone.now, config(300, 100, 3));
    assert_eq!(detection(&lone), 900);
    lone.hear(&Packet {
        is_final: true,
        ..fast
    });
    assert_eq!(detection(&lone), 300);
    lone.session.set_config(lone.now, config(300, 500, 3));
    assert_eq!(detection(&lone), 1500);
}

/// R5880-6.5-03: an answer says to which Poll it is, because there is one at a time.
#[test]
fn a_second_change_waits_for_the_first() {
    let answer = Packet {
        is_final: true,
        ..packet(State::Up)
    };
    let mut lone = Lone::up();
    lone.session.set_config(lone.now, config(500, 300, 3));
    lone.session.set_config(lone.now, config(2000, 300, 3));
    let announce = |lone: &Lone, interval, poll| {
        let mut sent = lone.sent.iter();
        sent.all(|packet| packet.desired_min_tx == millis(interval) && packet.poll == poll)
    };
    pass_while(&mut lone, &packet(State::Up), Duration::from_secs(1));
    assert!(announce(&lone, 500, true));
    lone.hear(&answer);
    let status = lone.session.status();
    assert_eq!(
        (status.transmit_interval, status.polling),
        (Some(millis(500)), true)
    );
    // Each packet was answered, and the answers to the last ones are on their way for up to another second.
    lone.sent.clear();
    pass_while(&mut lone, &answer, Duration::from_millis(999));
    assert!(!lone.sent.is_empty() && announce(&lone, 500, false));
    pass_while(&mut lone, &packet(State::Up), Duration::from_millis(501));
    lone.sent.clear();
    pass_while(&mut lone, &packet(State::Up), Duration::from_secs(1));
    assert!(!lone.sent.is_empty() && announce(&lone, 2000, true));
    assert_eq!(lone.session.status().transmit_interval, Some(millis(500)));
    lone.hear(&answer);
    let status = lone.session.status();
    assert_eq!(
        (status.transmit_interval, status.polling),
        (Some(millis(2000)), false)
    );
}

/// R5880-6.8.3-04: a session that goes down is slow from then on, and asks nobody.
#[test]
fn a_session_that_goes_down_slows_down() {
    let mut lone = Lone::up();
    lone.session.set_config(lone.now, config(100, 100, 3));
    lone.hear(&packet(State::Down));
    let status = lone.session.status();
    assert_eq!(
        (status.transmit_interval, status.polling),
        (Some(Interval::SECOND), false)
    );
    assert_eq!(lone.sent.last().unwrap().required_min_rx, millis(100));
}

/// R5880-6.8.3-05: coming up is a change of intervals like any other.
#[test]
fn a_session_that_comes_up_polls() {
    let mut lone = Lone::new();
    lone.hear(&packet(State::Down));
    lone.hear(&packet(State::Init));
    let first = lone.sent.pop().unwrap();
    lone.sent.clear();
    assert!(first.poll && first.state == State::Up);
    assert_eq!(first.desired_min_tx, millis(300));
    let times = pass_while(&mut lone, &packet(State::Up), Duration::from_secs(2));
    assert!(times.len() >= 6, "it need not wait to be faster: {times:?}");
    assert!(lone.sent.iter().all(|packet| packet.poll));
    lone.hear(&Packet {
        is_final: true,
        ..packet(State::Up)
    });
    assert!(!lone.session.status().polling);
}
