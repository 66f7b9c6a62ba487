//! The network between machines: dialling, octets in flight, closing. `transport` handles arrivals.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::super::link::{Segment, Side, SimConnection};
use super::super::trace::Violation;
use super::state::{Event, World};
use crate::session::ConnId;

/// Output before a close is delivered within this time, or lost.
const LINGER: Duration = Duration::from_secs(30);

type Step = Result<(), Violation>;

pub(super) fn dial(world: &mut World, from: usize, to: usize) {
    let Some((link, _)) = world.network.find(from, to) else {
        return;
    };
    let dial = world.number();
    world.dials.insert((from, to), dial);
    world.note(|| format!("node {from} dials {to}"));
    let latency = world.latency_of(link);
    world.schedule(latency, Event::Syn { dial, from, to });
}

/// A speaker writes.
pub(super) fn write(world: &mut World, conn: u64, node: usize, bytes: &Bytes) {
    if let Some(connection) = world.connections.get_mut(&conn) {
        let side = connection.side_of(node);
        connection.pipes[side].write(bytes);
        pump(world, conn, side);
    }
}

/// Sends as many segments as the window allows.
fn pump(world: &mut World, conn: u64, side: usize) {
    loop {
        let most = world.random.within(1..=world.weather.chunk);
        let Some(connection) = world.connections.get_mut(&conn) else {
            return;
        };
        if connection.sides[side] == Side::Closed {
            return;
        }
        let link = connection.link;
        let Some(mut octets) = connection.pipes[side].take(most, world.weather.window) else {
            break;
        };
        corrupt(world, link, &mut octets);
        let count = octets.len();
        send_segment(world, conn, side, Segment::Data(octets.freeze()));
        let after = world.random.time_up_to(world.weather.write_delay);
        world.schedule(
            after,
            Event::Written {
                conn,
                side,
                octets: count,
            },
        );
    }
    let done = |connection: &SimConnection| {
        connection.sides[side] == Side::Closing && connection.pipes[side].queue.is_empty()
    };
    if world.connections.get(&conn).is_some_and(done) {
        send_segment(world, conn, side, Segment::Fin);
        shut(world, conn, side);
    }
}

/// Flips a bit, if requested.
fn corrupt(world: &mut World, link: usize, octets: &mut BytesMut) {
    let state = &mut world.links[link];
    match state.corrupt_in {
        None => {}
        Some(0) => {
            state.corrupt_in = None;
            state.tainted = true;
            world.tainted = true;
            let place = world.random.below(octets.len());
            octets[place] ^= 1 << world.random.below(8);
            world.note(|| format!("link {link}: an octet is corrupted"));
        }
        Some(count) => state.corrupt_in = Some(count - 1),
    }
}

pub(super) fn send_segment(world: &mut World, conn: u64, side: usize, segment: Segment) {
    let Some(link) = world
        .connections
        .get(&conn)
        .map(|connection| connection.link)
    else {
        return;
    };
    let latency = world.latency_of(link);
    let Some(connection) = world.connections.get_mut(&conn) else {
        return;
    };
    let pipe = &mut connection.pipes[side];
    let at = pipe.last_arrival.max(world.now + latency);
    pipe.last_arrival = at;
    pipe.flying.push_back(segment);
    world.schedule(at - world.now, Event::Segment { conn, side });
}

pub(super) fn acknowledged(world: &mut World, conn: u64, side: usize, octets: usize) {
    if let Some(connection) = world.connections.get_mut(&conn) {
        connection.pipes[side].outstanding -= octets;
        pump(world, conn, side);
    }
}

/// A speaker closes a connection.
pub(super) fn close(world: &mut World, node: usize, conn: ConnId) -> Step {
    world.note(|| format!("node {node} closes connection {}", conn.0));
    let closed = |how: &str| {
        Violation::new(
            "closed",
            format!("node {node} closes connection {} {how}", conn.0),
        )
    };
    let Some(connection) = world.connections.get_mut(&conn.0) else {
        return Err(closed("that is gone"));
    };
    let side = connection.side_of(node);
    if connection.sides[side] != Side::Open {
        return Err(closed("twice"));
    }
    connection.sides[side] = Side::Closing;
    world.schedule(LINGER, Event::Linger { conn: conn.0, side });
    pump(world, conn.0, side);
    Ok(())
}

pub(super) fn linger(world: &mut World, conn: u64, side: usize) {
    if world
        .connections
        .get(&conn)
        .is_some_and(|known| known.sides[side] == Side::Closing)
    {
        send_segment(world, conn, side, Segment::Reset);
        shut(world, conn, side);
    }
}

/// A machine forgets its side of a connection.
pub(super) fn shut(world: &mut World, conn: u64, side: usize) {
    if let Some(connection) = world.connections.get_mut(&conn) {
        connection.sides[side] = Side::Closed;
        if connection.is_over() {
            world.connections.remove(&conn);
        }
    }
}
