//! Two machines under virtual time: loss, delay, jitter, and what people do, in any order.

use std::num::NonZeroU8;
use std::time::Duration;

use bgp_core::bfd::{Cause, Config, State};
use proptest::prelude::*;

use crate::world::{Link, World, millis};

/// Long enough for three packets at the slowest pace of a session that is not up, each lost once.
const HANDSHAKE: Duration = Duration::from_secs(8);

fn config(tx: u32, rx: u32, multiplier: u8) -> Config {
    let mut config = Config::new(millis(tx), NonZeroU8::new(multiplier).unwrap());
    config.required_min_rx = millis(rx);
    config
}

fn settled(configs: [Config; 2], link: Link) -> World {
    let mut world = World::new(configs, link, 1);
    world.until(HANDSHAKE, World::is_settled);
    world.changes.clear();
    world
}

/// R5880-6.2-01: three packets bring both sides up.
#[test]
fn both_sides_come_up() {
    let mut world = World::new([config(300, 300, 3); 2], Link::GOOD, 1);
    let took = world.until(HANDSHAKE, World::is_up);
    assert!(took < Duration::from_millis(10), "{took:?}");
    world.until(HANDSHAKE, World::is_settled);
    for side in &world.sides {
        assert_eq!(side.status().transmit_interval, Some(millis(300)));
        assert_eq!(
            side.status().detection_time,
            Some(Duration::from_millis(900))
        );
    }
}

/// R5880-6.8.4-01, with the intervals of several implementations against each other.
#[test]
fn a_link_that_goes_silent_is_noticed_within_the_detection_time() {
    let all = [
        (10, 10, 5),
        (100, 10, 5),
        (300, 300, 3),
        (1000, 1000, 3),
        (50, 700, 1),
    ];
    for (one, other) in all
        .iter()
        .flat_map(|one| all.iter().map(move |other| (one, other)))
    {
        let configs = [one, other].map(|(tx, rx, multiplier)| config(*tx, *rx, *multiplier));
        let mut world = settled(configs, Link::GOOD);
        world.pass(Duration::from_secs(5));
        assert!(world.changes.is_empty(), "{:?}", world.changes);
        let detection = world
            .sides
            .clone()
            .map(|side| side.status().detection_time.unwrap());
        world.link.open = [false; 2];
        for side in [0, 1] {
            let is_down = |world: &World| world.sides[side].state() == State::Down;
            let limit = detection[side] + world.link.delay;
            world.until(limit, is_down);
        }
        let causes: Vec<Cause> = world
            .changes
            .iter()
            .map(|(_, _, change)| change.cause)
            .collect();
        assert_eq!(causes, [Cause::DetectionTimeExpired; 2]);
        world.link.open = [true; 2];
        world.until(HANDSHAKE, World::is_settled);
    }
}

/// R5880-6.8.6-03: the side that still hears the other one learns it from that.
#[test]
fn silence_in_one_direction_is_noticed_by_both() {
    let mut world = settled([config(300, 300, 3); 2], Link::GOOD);
    world.link.open = [false, true];
    world.until(Duration::from_millis(950), |world| {
        world.sides.iter().all(|side| side.state() != State::Up)
    });
    let causes: Vec<(usize, Cause)> = world
        .changes
        .iter()
        .map(|(_, side, change)| (*side, change.cause))
        .collect();
    assert_eq!(
        causes,
        [(1, Cause::DetectionTimeExpired), (0, Cause::PeerDown)]
    );
}

/// R5880-6.8.16-01, R5882-3.2-01.
#[test]
fn an_operator_who_holds_a_side_down_is_no_failure() {
    let mut world = settled([config(300, 300, 3); 2], Link::GOOD);
    world.act(0, |session, now| session.disable(now));
    world.pass(Duration::from_secs(10));
    assert_eq!(world.sides[1].state(), State::Down);
    assert!(
        !world
            .changes
            .iter()
            .any(|(_, _, change)| change.is_failure())
    );
    world.act(0, |session, now| session.enable(now));
    world.until(HANDSHAKE, World::is_settled);
}

/// R5880-6.8.3-06: whatever they are changed from and to.
#[test]
fn a_change_of_timers_ends_nothing() {
    let all = [
        (10, 10, 5),
        (100, 10, 5),
        (300, 300, 3),
        (1000, 2000, 2),
        (50, 700, 1),
    ];
    let mut world = settled([config(300, 300, 3); 2], Link::GOOD);
    for (one, other) in all
        .iter()
        .flat_map(|one| all.iter().map(move |other| (one, other)))
    {
        for (side, (tx, rx, multiplier)) in [(0, one), (1, other)] {
            let config = config(*tx, *rx, *multiplier);
            world.act(side, |session, now| session.set_config(now, config));
        }
        world.until(HANDSHAKE, World::is_settled);
        let expected = [one.0.max(other.1), other.0.max(one.1)]
            .map(millis)
            .map(Some);
        let found = world
            .sides
            .clone()
            .map(|side| side.status().transmit_interval);
        assert_eq!(found, expected);
        world.pass(Duration::from_secs(3));
    }
    assert!(world.changes.is_empty(), "{:?}", world.changes);
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Pass(u64),
    Configure(usize, (u32, u32, u8)),
    Disable(usize),
    Enable(usize),
    Restart(usize),
    Open([bool; 2]),
    Loss(u64),
}

fn timers() -> impl Strategy<Value = (u32, u32, u8)> {
    (10..2000_u32, 10..2000_u32, 1..8_u8)
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let side = 0..2_usize;
    let deed = prop_oneof![
        4 => (1..5000_u64).prop_map(Deed::Pass),
        2 => (side.clone(), timers()).prop_map(|(side, timers)| Deed::Configure(side, timers)),
        1 => side.clone().prop_map(Deed::Disable),
        1 => side.clone().prop_map(Deed::Enable),
        1 => side.prop_map(Deed::Restart),
        2 => any::<[bool; 2]>().prop_map(Deed::Open),
        1 => (0..100_u64).prop_map(Deed::Loss),
    ];
    prop::collection::vec(deed, 1..40)
}

fn perform(world: &mut World, deed: Deed) {
    match deed {
        Deed::Pass(time) => world.pass(Duration::from_millis(time)),
        Deed::Configure(side, (tx, rx, multiplier)) => {
            let config = config(tx, rx, multiplier);
            world.act(side, |session, now| session.set_config(now, config));
        }
        Deed::Disable(side) => world.act(side, |session, now| session.disable(now)),
        Deed::Enable(side) => world.act(side, |session, now| session.enable(now)),
        Deed::Restart(side) => world.restart(side, config(300, 300, 3)),
        Deed::Open(open) => world.link.open = open,
        Deed::Loss(loss) => world.link.loss = loss,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// R5880-6.2-02: whatever happened, once it is over both sides come up, and a dead link is noticed in time.
    #[test]
    fn whatever_happened_both_sides_find_the_truth(
        timers in [timers(), timers()],
        delay in 0..50_u64,
        spread in 0..50_u64,
        seed in any::<u32>(),
        deeds in deeds(),
    ) {
        let configs = timers.map(|(tx, rx, multiplier)| config(tx, rx, multiplier));
        let link = Link {
            delay: Duration::from_millis(delay),
            spread: Duration::from_millis(spread),
            ..Link::GOOD
        };
        let mut world = World::new(configs, link, seed.into());
        for deed in deeds {
            perform(&mut world, deed);
        }
        world.link = Link { delay: Duration::from_millis(1), ..Link::GOOD };
        for side in [0, 1] {
            world.act(side, |session, now| session.enable(now));
        }
        // What is left of the times before: an interval that was long, a detection that takes its time.
        world.until(Duration::from_secs(40), World::is_settled);
        world.pass(Duration::from_secs(20));
        world.until(Duration::from_secs(40), World::is_settled);
        world.link.open = [false; 2];
        let detection = world.sides.clone().map(|side| side.status().detection_time.unwrap());
        let limit = detection[0].max(detection[1]) + Duration::from_millis(1);
        world.until(limit, |world| world.sides.iter().all(|side| side.state() == State::Down));
    }

    /// R5880-6.8.3-06: on a link that loses nothing, no change of timers in whatever order ends a session.
    #[test]
    fn timers_may_change_at_any_time(
        changes in prop::collection::vec((0..2_usize, timers(), 0..3000_u64), 1..30),
        delay in 0..100_u64,
        seed in any::<u32>(),
    ) {
        let link = Link { delay: Duration::from_millis(delay), ..Link::GOOD };
        let mut world = World::new([config(300, 300, 3); 2], link, seed.into());
        world.until(HANDSHAKE, World::is_settled);
        world.changes.clear();
        for (side, (tx, rx, multiplier), wait) in changes {
            let config = config(tx, rx, multiplier);
            world.act(side, |session, now| session.set_config(now, config));
            world.pass(Duration::from_millis(wait));
        }
        world.pass(Duration::from_secs(20));
        prop_assert!(world.changes.is_empty(), "{:?}", world.changes);
    }
}
