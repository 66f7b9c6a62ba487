//! Packets <-> octets.

use std::num::NonZeroU8;

use bgp_core::bfd::{Diagnostic, Discriminator, Interval, PACKET_LEN, Packet, PacketError, State};
use proptest::prelude::*;

/// A packet of somebody who is Up.
fn good() -> Packet {
    Packet {
        diagnostic: Diagnostic::NEIGHBOR_DOWN,
        state: State::Up,
        poll: true,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(5).unwrap(),
        my_discriminator: Discriminator::new(0x0102_0304).unwrap(),
        your_discriminator: Discriminator::new(0x0506_0708),
        desired_min_tx: Interval::from_micros(300_000),
        required_min_rx: Interval::from_micros(10_000),
        required_min_echo_rx: Interval::ZERO,
    }
}

/// R5880-4.1-01.
#[test]
fn a_packet_has_the_layout_of_the_rfc() {
    let expected = [
        0x23, 0xe0, 5, 24, 1, 2, 3, 4, 5, 6, 7, 8, 0, 4, 0x93, 0xe0, 0, 0, 0x27, 0x10, 0, 0, 0, 0,
    ];
    assert_eq!(good().encode(), expected);
    assert_eq!(Packet::decode(&expected), Ok(good()));
}

/// R5880-6.8.6-01: one fault after the other.
#[test]
fn each_bad_packet_is_dropped() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(PacketError, Damage); 13] = [
        (PacketError::TooShort, |octets| octets.truncate(23)),
        (PacketError::TooShort, Vec::clear),
        (PacketError::Version(0), |octets| octets[0] &= 0x1f),
        (PacketError::Version(2), |octets| octets[0] = 0x40),
        (PacketError::BadLength, |octets| octets[3] = 23),
        (PacketError::BadLength, |octets| {
            octets[1] |= 0x04;
            octets[3] = 25;
            octets.push(0);
        }),
        (PacketError::TooShort, |octets| octets[3] = 25),
        (PacketError::NoMultiplier, |octets| octets[2] = 0),
        (PacketError::Multipoint, |octets| octets[1] |= 0x01),
        (PacketError::NoDiscriminator, |octets| octets[4..8].fill(0)),
        (PacketError::NotForAnybody, |octets| octets[8..12].fill(0)),
        (PacketError::NotForAnybody, |octets| {
            octets[1] = 0x80; // Init
            octets[8..12].fill(0);
        }),
        (PacketError::Authenticated, |octets| {
            octets[1] |= 0x04;
            octets[3] = 26;
            octets.extend([1, 2]);
        }),
    ];
    for (error, damage) in damages {
        let mut octets = good().encode().to_vec();
        damage(&mut octets);
        assert_eq!(Packet::decode(&octets), Err(error), "{octets:x?}");
    }
}

/// R5880-6.8.6-02.
#[test]
fn who_is_down_need_not_know_us_yet() {
    for bits in [0x00, 0x40] {
        let mut octets = good().encode();
        octets[1] = bits;
        octets[8..12].fill(0);
        assert_eq!(Packet::decode(&octets).unwrap().your_discriminator, None);
    }
}

/// R5880-6.8.6-01: the length field counts, not what UDP brought.
#[test]
fn octets_after_the_packet_are_ignored() {
    let octets = [&good().encode()[..], &[1; 8]].concat();
    assert_eq!(Packet::decode(&octets), Ok(good()));
}

#[test]
fn an_interval_has_its_unit_with_it() {
    use std::time::Duration;
    let interval = Interval::try_from(Duration::from_millis(300)).unwrap();
    assert_eq!(interval.as_micros(), 300_000);
    assert_eq!(interval.to_string(), "300ms");
    assert_eq!(Duration::from(interval), Duration::from_millis(300));
    let longest = Duration::from_micros(u32::MAX.into());
    assert!(Interval::try_from(longest).is_ok());
    let longer = Interval::try_from(longest + Duration::from_micros(1));
    assert_eq!(
        longer.unwrap_err().to_string(),
        "expected at most 4294.967295 s"
    );
}

pub(crate) fn state() -> impl Strategy<Value = State> {
    prop::sample::select(&[State::AdminDown, State::Down, State::Init, State::Up][..])
}

/// Anything that can be said.
pub(crate) fn packet() -> impl Strategy<Value = Packet> {
    let flags = (0..32_u8, any::<[bool; 4]>());
    let numbers = (1..=u8::MAX, 1..=u32::MAX, any::<u32>());
    (state(), flags, numbers, any::<[u32; 3]>()).prop_map(|(state, flags, numbers, intervals)| {
        let (diagnostic, [poll, is_final, control_plane_independent, demand]) = flags;
        let (multiplier, mine, yours) = numbers;
        let is_known = matches!(state, State::Init | State::Up);
        let yours = if is_known { yours.max(1) } else { yours };
        let [desired, required, echo] = intervals.map(Interval::from_micros);
        Packet {
            diagnostic: Diagnostic(diagnostic),
            state,
            poll,
            is_final,
            control_plane_independent,
            demand,
            multiplier: NonZeroU8::new(multiplier).unwrap(),
            my_discriminator: Discriminator::new(mine).unwrap(),
            your_discriminator: Discriminator::new(yours),
            desired_min_tx: desired,
            required_min_rx: required,
            required_min_echo_rx: echo,
        }
    })
}

proptest! {
    /// R5880-4.1-01.
    #[test]
    fn what_is_written_is_read(packet in packet()) {
        prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }

    /// R5880-6.8.6-01: whatever comes; and what is read is written as it was, but for what follows it.
    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(packet) = Packet::decode(&octets) {
            let mut written = packet.encode();
            written[3] = octets[3];
            prop_assert_eq!(&written[..], &octets[..PACKET_LEN]);
        }
    }
}
