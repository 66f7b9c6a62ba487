//! A BFD session whose peer, network and owner do anything at any time: it never panics, says nothing that no packet may say, and
//! notices within the detection time that the peer is silent.
//!
//! The input is a row of deeds. The lower three bits of an octet say what is done, the upper ones how much.

use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use bgp_core::bfd::{Config, Discriminator, Interval, Output, PACKET_LEN, Packet, Session, State};

use super::choices::{Choices, time_zero};

/// A row of deeds, done to one session.
pub fn bfd_input(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut now = time_zero();
    let local = Discriminator::new(1).expect("not zero");
    let mut session = Session::new(now, config(&mut choices), local, 1);
    let mut heard = None;
    while !choices.is_empty() {
        let deed = choices.octet();
        let amount = deed >> 3;
        match deed & 7 {
            0 | 1 => {
                let mut octets = [0; PACKET_LEN];
                let given = choices.take(PACKET_LEN);
                octets[..given.len()].copy_from_slice(given);
                heard = receive(&mut session, now, &octets).or(heard);
            }
            2 | 3 => {
                let octets = plausible(&mut choices, amount).encode();
                heard = receive(&mut session, now, &octets).or(heard);
            }
            4 => now += Duration::from_micros(1 << amount),
            5 => session.set_config(now, config(&mut choices)),
            6 => session.disable(now),
            _ => session.enable(now),
        }
        session.handle_timeout(now);
        check(&mut session, now, heard);
    }
}

fn receive(session: &mut Session, now: Instant, octets: &[u8]) -> Option<Instant> {
    let packet = Packet::decode(octets).ok()?;
    session.handle_packet(now, &packet);
    let local = session.status().local;
    packet
        .your_discriminator
        .is_none_or(|number| number == local)
        .then_some(now)
}

/// Takes the outputs, and looks at what the session says of itself.
fn check(session: &mut Session, now: Instant, heard: Option<Instant>) {
    while let Some(output) = session.poll_output() {
        if let Output::Transmit(packet) = output {
            assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
            assert!(!(packet.poll && packet.is_final));
            assert!(packet.state == State::Up || packet.desired_min_tx >= Interval::SECOND);
        }
    }
    let status = session.status();
    assert!(session.poll_timeout().is_none_or(|(at, _)| at > now));
    if let (State::Up, Some(heard)) = (status.state, heard) {
        let detection = status.detection_time.expect("a peer that is up is known");
        assert!(now - heard < detection);
    }
}

fn config(choices: &mut Choices<'_>) -> Config {
    let multiplier = NonZeroU8::new(choices.octet()).unwrap_or(NonZeroU8::MIN);
    let mut config = Config::new(interval(choices), multiplier);
    config.required_min_rx = interval(choices);
    config.control_plane_independent = choices.flag();
    config
}

/// From one millisecond, as no owner allows less.
fn interval(choices: &mut Choices<'_>) -> Interval {
    Interval::from_micros(1000 * (1 + u32::from(choices.number())))
}

/// A packet that a peer might send.
fn plausible(choices: &mut Choices<'_>, amount: u8) -> Packet {
    let states = [State::AdminDown, State::Down, State::Init, State::Up];
    Packet {
        diagnostic: Default::default(),
        state: states[usize::from(amount & 3)],
        poll: amount & 4 != 0,
        is_final: amount & 8 != 0,
        control_plane_independent: false,
        demand: amount & 16 != 0,
        multiplier: NonZeroU8::new(choices.octet()).unwrap_or(NonZeroU8::MIN),
        my_discriminator: Discriminator::new(2).expect("not zero"),
        your_discriminator: Discriminator::new(1),
        desired_min_tx: interval(choices),
        required_min_rx: interval(choices),
        required_min_echo_rx: Interval::ZERO,
    }
}
