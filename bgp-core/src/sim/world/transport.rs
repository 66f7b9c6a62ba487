//! Arrivals at machines: connections, octets, ends of connections.

use bytes::Bytes;

use super::super::link::{Segment, Side, SimConnection};
use super::super::network::peer_id;
use super::super::trace::Violation;
use super::speak::{tell_closed, with_speaker};
use super::state::{Event, World};
use super::wires::{send_segment, shut};
use crate::session::{ConnId, Direction};

type Step = Result<(), Violation>;

pub(super) fn arrive_syn(world: &mut World, dial: u64, from: usize, to: usize) -> Step {
    let Some((link, side)) = world.network.find(from, to) else {
        return Ok(());
    };
    let state = &world.links[link];
    if state.stalled[side] || world.nodes[to].unpowered {
        return Ok(());
    }
    let known = world.nodes[to]
        .sessions
        .get(&from)
        .is_some_and(|view| !view.removed);
    if state.refusing || !known || world.nodes[to].speaker.is_none() {
        if !state.stalled[1 - side] {
            let latency = world.latency_of(link);
            world.schedule(latency, Event::Refused { dial, from, to });
        }
        return Ok(());
    }
    let conn = world.number();
    world
        .connections
        .insert(conn, SimConnection::new(link, [from, to], world.now));
    send_segment(world, conn, 1, Segment::Accept(dial));
    tell_connected(world, to, from, conn, Direction::Incoming)
}

fn tell_connected(
    world: &mut World,
    node: usize,
    peer: usize,
    conn: u64,
    direction: Direction,
) -> Step {
    let (now, local) = (world.now, world.network.address(node));
    world.note(|| format!("node {node}: connection {conn} with {peer}, {direction:?}"));
    with_speaker(world, node, |speaker| {
        speaker.handle_connected(now, peer_id(peer), ConnId(conn), direction, local);
    })
}

pub(super) fn arrive_refusal(world: &mut World, dial: u64, from: usize, to: usize) -> Step {
    if world.dials.get(&(from, to)) != Some(&dial) {
        return Ok(());
    }
    world.dials.remove(&(from, to));
    let now = world.now;
    with_speaker(world, from, |speaker| {
        speaker.handle_connect_failed(now, peer_id(to), "Connection refused")
    })
}

/// The next segment arrives, or waits if the link is stalled.
pub(super) fn arrive_segment(world: &mut World, conn: u64, side: usize) -> Step {
    let Some(connection) = world.connections.get_mut(&conn) else {
        return Ok(());
    };
    let [one, _] = world.network.links[connection.link].nodes();
    let link_side = usize::from(connection.nodes[side] != one);
    if world.links[connection.link].stalled[link_side] {
        connection.pipes[side].delayed += 1;
        return Ok(());
    }
    deliver(world, conn, side)
}

/// Passes the next segment to the machine at the other end.
pub(super) fn deliver(world: &mut World, conn: u64, side: usize) -> Step {
    let Some(connection) = world.connections.get_mut(&conn) else {
        return Ok(());
    };
    let Some(segment) = connection.pipes[side].flying.pop_front() else {
        return Ok(());
    };
    let (node, peer) = (connection.nodes[1 - side], connection.nodes[side]);
    if world.nodes[node].unpowered {
        // An earlier attempt to connect has failed as well.
        shut(world, conn, 1 - side);
        return Ok(());
    }
    match segment {
        Segment::Accept(dial) => accepted(world, conn, dial, node, peer),
        Segment::Data(octets) => arrive_octets(world, conn, side, &octets),
        Segment::Fin => lose(world, conn, 1 - side, None),
        Segment::Reset => lose(world, conn, 1 - side, Some("Connection reset by peer")),
    }
}

fn accepted(world: &mut World, conn: u64, dial: u64, node: usize, peer: usize) -> Step {
    let wanted = world.dials.get(&(node, peer)) == Some(&dial);
    let Some(connection) = world.connections.get_mut(&conn) else {
        return Ok(());
    };
    if wanted {
        connection.sides[0] = Side::Open;
        world.dials.remove(&(node, peer));
        return tell_connected(world, node, peer, conn, Direction::Outgoing);
    }
    send_segment(world, conn, 0, Segment::Reset);
    shut(world, conn, 0);
    Ok(())
}

fn arrive_octets(world: &mut World, conn: u64, side: usize, octets: &Bytes) -> Step {
    let Some(connection) = world.connections.get_mut(&conn) else {
        return Ok(());
    };
    match connection.sides[1 - side] {
        Side::Open => {}
        Side::Closed if connection.sides[side] == Side::Open => {
            // A machine's answer to a segment of an unknown connection.
            send_segment(world, conn, 1 - side, Segment::Reset);
            return Ok(());
        }
        Side::Opening | Side::Closing | Side::Closed => return Ok(()),
    }
    let slow = world.nodes[connection.nodes[1 - side]].slow;
    let pipe = &mut connection.pipes[side];
    pipe.unread.extend_from_slice(octets);
    if pipe.reading {
        return Ok(());
    }
    if !slow {
        return read(world, conn, side);
    }
    pipe.reading = true;
    world.schedule(world.weather.slow_read_interval, Event::Read { conn, side });
    Ok(())
}

/// A speaker reads the available octets, or a few of them if it is slow.
pub(super) fn read(world: &mut World, conn: u64, side: usize) -> Step {
    let Some(connection) = world.connections.get_mut(&conn) else {
        return Ok(());
    };
    let (link, node, peer) = (
        connection.link,
        connection.nodes[1 - side],
        connection.nodes[side],
    );
    let pipe = &mut connection.pipes[side];
    pipe.reading = false;
    if connection.sides[1 - side] != Side::Open || pipe.unread.is_empty() {
        return Ok(());
    }
    let all = pipe.unread.len();
    let count = if world.nodes[node].slow {
        all.min(world.random.within(1..=world.weather.slow_read))
    } else {
        all
    };
    let taken = pipe.unread.split_to(count);
    pipe.read += count as u64;
    let mut input = std::mem::take(&mut pipe.input);
    input.extend_from_slice(&taken);
    if count < all {
        pipe.reading = true;
        world.schedule(world.weather.slow_read_interval, Event::Read { conn, side });
    }
    let latency = world.latency_of(link);
    world.schedule(
        latency,
        Event::Acknowledged {
            conn,
            side,
            octets: count,
        },
    );
    let now = world.now;
    with_speaker(world, node, |speaker| {
        speaker.handle_bytes(now, peer_id(peer), ConnId(conn), &mut input)
    })?;
    if let Some(connection) = world.connections.get_mut(&conn) {
        connection.pipes[side].input = input;
    }
    Ok(())
}

pub(super) fn written(world: &mut World, conn: u64, side: usize, octets: usize) -> Step {
    let Some(connection) = world
        .connections
        .get_mut(&conn)
        .filter(|known| known.sides[side] == Side::Open)
    else {
        return Ok(());
    };
    connection.pipes[side].reported += octets as u64;
    let pending = !connection.pipes[side].queue.is_empty();
    let (node, peer) = (connection.nodes[side], connection.nodes[1 - side]);
    let now = world.now;
    with_speaker(world, node, |speaker| {
        speaker.handle_written(now, peer_id(peer), ConnId(conn), octets, pending)
    })
}

/// One side of a connection is ended by the other side.
fn lose(world: &mut World, conn: u64, side: usize, error: Option<&str>) -> Step {
    let Some(connection) = world.connections.get_mut(&conn) else {
        return Ok(());
    };
    let (node, peer) = (connection.nodes[side], connection.nodes[1 - side]);
    let open = connection.sides[side] == Side::Open;
    let pipe = &mut connection.pipes[1 - side];
    if open && error.is_none() && !pipe.unread.is_empty() {
        // A close does not overtake octets that a slow reader has not read; a reset does.
        pipe.flying.push_front(Segment::Fin);
        world.schedule(
            world.weather.slow_read_interval,
            Event::Segment {
                conn,
                side: 1 - side,
            },
        );
        return Ok(());
    }
    shut(world, conn, side);
    if open {
        tell_closed(world, node, peer, conn, error)
    } else {
        Ok(())
    }
}
