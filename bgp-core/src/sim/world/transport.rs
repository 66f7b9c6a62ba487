//! Connections between machines: dialling, octets under way, closing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::super::link::{Connection, Segment, Side};
use super::super::network::peer_id;
use super::super::trace::Violation;
use super::{Event, World};
use crate::session::{ConnId, Direction};

/// What is written before a close is delivered within this time, or lost.
const LINGER: Duration = Duration::from_secs(30);

type Step = Result<(), Violation>;

impl World {
    pub(super) fn dial(&mut self, from: usize, to: usize) {
        let Some((link, _)) = self.network.find(from, to) else {
            return;
        };
        let dial = self.number();
        self.dials.insert((from, to), dial);
        self.note(|| format!("node {from} dials {to}"));
        let latency = self.latency_of(link);
        self.schedule(latency, Event::Syn { dial, from, to });
    }

    fn latency_of(&mut self, link: usize) -> Duration {
        self.links[link].latency + self.random.time_up_to(self.weather.jitter)
    }

    pub(super) fn arrive_syn(&mut self, dial: u64, from: usize, to: usize) -> Step {
        let Some((link, side)) = self.network.find(from, to) else {
            return Ok(());
        };
        let state = &self.links[link];
        if state.stalled[side] || self.nodes[to].unpowered {
            return Ok(());
        }
        let known = self.nodes[to]
            .sessions
            .get(&from)
            .is_some_and(|view| !view.removed);
        if state.refusing || !known || self.nodes[to].speaker.is_none() {
            if !state.stalled[1 - side] {
                let latency = self.latency_of(link);
                self.schedule(latency, Event::Refused { dial, from, to });
            }
            return Ok(());
        }
        let conn = self.number();
        self.connections
            .insert(conn, Connection::new(link, [from, to], self.now));
        self.send_segment(conn, 1, Segment::Accept(dial));
        self.tell_connected(to, from, conn, Direction::Incoming)
    }

    fn tell_connected(
        &mut self,
        node: usize,
        peer: usize,
        conn: u64,
        direction: Direction,
    ) -> Step {
        let (now, local) = (self.now, self.network.address(node));
        self.note(|| format!("node {node}: connection {conn} with {peer}, {direction:?}"));
        self.with_speaker(node, |speaker| {
            speaker.handle_connected(now, peer_id(peer), ConnId(conn), direction, local);
        })
    }

    pub(super) fn arrive_refusal(&mut self, dial: u64, from: usize, to: usize) -> Step {
        if self.dials.get(&(from, to)) != Some(&dial) {
            return Ok(());
        }
        self.dials.remove(&(from, to));
        let now = self.now;
        self.with_speaker(from, |speaker| {
            speaker.handle_connect_failed(now, peer_id(to), "Connection refused")
        })
    }

    /// A speaker writes.
    pub(super) fn write(&mut self, conn: u64, node: usize, bytes: &Bytes) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            let side = connection.side_of(node);
            connection.pipes[side].write(bytes);
            self.pump(conn, side);
        }
    }

    /// Brings under way what the window has room for.
    fn pump(&mut self, conn: u64, side: usize) {
        loop {
            let most = self.random.within(1..=self.weather.chunk);
            let Some(connection) = self.connections.get_mut(&conn) else {
                return;
            };
            if connection.sides[side] == Side::Closed {
                return;
            }
            let link = connection.link;
            let Some(mut octets) = connection.pipes[side].take(most, self.weather.window) else {
                break;
            };
            self.corrupt(link, &mut octets);
            let count = octets.len();
            self.send_segment(conn, side, Segment::Data(octets.freeze()));
            let after = self.random.time_up_to(self.weather.write_delay);
            self.schedule(
                after,
                Event::Written {
                    conn,
                    side,
                    octets: count,
                },
            );
        }
        let done = |connection: &Connection| {
            connection.sides[side] == Side::Closing && connection.pipes[side].queue.is_empty()
        };
        if self.connections.get(&conn).is_some_and(done) {
            self.send_segment(conn, side, Segment::Fin);
            self.shut(conn, side);
        }
    }

    /// Turns a bit, if that was asked for.
    fn corrupt(&mut self, link: usize, octets: &mut BytesMut) {
        let state = &mut self.links[link];
        match state.corrupt_in {
            None => {}
            Some(0) => {
                state.corrupt_in = None;
                state.tainted = true;
                self.tainted = true;
                let place = self.random.below(octets.len());
                octets[place] ^= 1 << self.random.below(8);
                self.note(|| format!("link {link}: an octet is corrupted"));
            }
            Some(count) => state.corrupt_in = Some(count - 1),
        }
    }

    pub(super) fn send_segment(&mut self, conn: u64, side: usize, segment: Segment) {
        let Some(link) = self
            .connections
            .get(&conn)
            .map(|connection| connection.link)
        else {
            return;
        };
        let latency = self.latency_of(link);
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let pipe = &mut connection.pipes[side];
        let at = pipe.last_arrival.max(self.now + latency);
        pipe.last_arrival = at;
        pipe.flying.push_back(segment);
        self.schedule(at - self.now, Event::Segment { conn, side });
    }

    /// The next segment arrives, unless the link is stalled: then it waits.
    pub(super) fn arrive_segment(&mut self, conn: u64, side: usize) -> Step {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return Ok(());
        };
        let [one, _] = self.network.links[connection.link].nodes();
        let link_side = usize::from(connection.nodes[side] != one);
        if self.links[connection.link].stalled[link_side] {
            connection.pipes[side].delayed += 1;
            return Ok(());
        }
        self.deliver(conn, side)
    }

    /// Hands the next segment to the machine at the other end.
    pub(super) fn deliver(&mut self, conn: u64, side: usize) -> Step {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return Ok(());
        };
        let Some(segment) = connection.pipes[side].flying.pop_front() else {
            return Ok(());
        };
        let (node, peer) = (connection.nodes[1 - side], connection.nodes[side]);
        if self.nodes[node].unpowered {
            // Also an attempt to connect that it made before has come to nothing.
            self.shut(conn, 1 - side);
            return Ok(());
        }
        match segment {
            Segment::Accept(dial) => self.accepted(conn, dial, node, peer),
            Segment::Data(octets) => self.arrive_octets(conn, side, &octets),
            Segment::Fin => self.lose(conn, 1 - side, None),
            Segment::Reset => self.lose(conn, 1 - side, Some("Connection reset by peer")),
        }
    }

    fn accepted(&mut self, conn: u64, dial: u64, node: usize, peer: usize) -> Step {
        let wanted = self.dials.get(&(node, peer)) == Some(&dial);
        let Some(connection) = self.connections.get_mut(&conn) else {
            return Ok(());
        };
        if wanted {
            connection.sides[0] = Side::Open;
            self.dials.remove(&(node, peer));
            return self.tell_connected(node, peer, conn, Direction::Outgoing);
        }
        self.send_segment(conn, 0, Segment::Reset);
        self.shut(conn, 0);
        Ok(())
    }

    fn arrive_octets(&mut self, conn: u64, side: usize, octets: &Bytes) -> Step {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return Ok(());
        };
        match connection.sides[1 - side] {
            Side::Open => {}
            Side::Closed if connection.sides[side] == Side::Open => {
                // A machine answers so to what it knows nothing of.
                self.send_segment(conn, 1 - side, Segment::Reset);
                return Ok(());
            }
            Side::Opening | Side::Closing | Side::Closed => return Ok(()),
        }
        let slow = self.nodes[connection.nodes[1 - side]].slow;
        let pipe = &mut connection.pipes[side];
        pipe.unread.extend_from_slice(octets);
        if pipe.reading {
            return Ok(());
        }
        if !slow {
            return self.read(conn, side);
        }
        pipe.reading = true;
        self.schedule(self.weather.slow_read_interval, Event::Read { conn, side });
        Ok(())
    }

    /// A speaker reads what is there, or a little of it if it is slow.
    pub(super) fn read(&mut self, conn: u64, side: usize) -> Step {
        let Some(connection) = self.connections.get_mut(&conn) else {
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
        let count = if self.nodes[node].slow {
            all.min(self.random.within(1..=self.weather.slow_read))
        } else {
            all
        };
        let taken = pipe.unread.split_to(count);
        pipe.read += count as u64;
        let mut input = std::mem::take(&mut pipe.input);
        input.extend_from_slice(&taken);
        if count < all {
            pipe.reading = true;
            self.schedule(self.weather.slow_read_interval, Event::Read { conn, side });
        }
        let latency = self.latency_of(link);
        self.schedule(
            latency,
            Event::Acknowledged {
                conn,
                side,
                octets: count,
            },
        );
        let now = self.now;
        self.with_speaker(node, |speaker| {
            speaker.handle_bytes(now, peer_id(peer), ConnId(conn), &mut input)
        })?;
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.pipes[side].input = input;
        }
        Ok(())
    }

    pub(super) fn written(&mut self, conn: u64, side: usize, octets: usize) -> Step {
        let Some(connection) = self
            .connections
            .get_mut(&conn)
            .filter(|known| known.sides[side] == Side::Open)
        else {
            return Ok(());
        };
        connection.pipes[side].reported += octets as u64;
        let pending = !connection.pipes[side].queue.is_empty();
        let (node, peer) = (connection.nodes[side], connection.nodes[1 - side]);
        let now = self.now;
        self.with_speaker(node, |speaker| {
            speaker.handle_written(now, peer_id(peer), ConnId(conn), octets, pending)
        })
    }

    pub(super) fn acknowledged(&mut self, conn: u64, side: usize, octets: usize) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.pipes[side].outstanding -= octets;
            self.pump(conn, side);
        }
    }

    /// A speaker closes a connection.
    pub(super) fn close(&mut self, node: usize, conn: ConnId) -> Step {
        self.note(|| format!("node {node} closes connection {}", conn.0));
        let closed = |how: &str| {
            Violation::new(
                "closed",
                format!("node {node} closes connection {} {how}", conn.0),
            )
        };
        let Some(connection) = self.connections.get_mut(&conn.0) else {
            return Err(closed("that is gone"));
        };
        let side = connection.side_of(node);
        if connection.sides[side] != Side::Open {
            return Err(closed("twice"));
        }
        connection.sides[side] = Side::Closing;
        self.schedule(LINGER, Event::Linger { conn: conn.0, side });
        self.pump(conn.0, side);
        Ok(())
    }

    pub(super) fn linger(&mut self, conn: u64, side: usize) {
        if self
            .connections
            .get(&conn)
            .is_some_and(|known| known.sides[side] == Side::Closing)
        {
            self.send_segment(conn, side, Segment::Reset);
            self.shut(conn, side);
        }
    }

    /// One side of a connection ends by the doing of the other.
    fn lose(&mut self, conn: u64, side: usize, error: Option<&str>) -> Step {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return Ok(());
        };
        let (node, peer) = (connection.nodes[side], connection.nodes[1 - side]);
        let open = connection.sides[side] == Side::Open;
        let pipe = &mut connection.pipes[1 - side];
        if open && error.is_none() && !pipe.unread.is_empty() {
            // A close does not overtake what a slow reader has not read yet; a reset does.
            pipe.flying.push_front(Segment::Fin);
            self.schedule(
                self.weather.slow_read_interval,
                Event::Segment {
                    conn,
                    side: 1 - side,
                },
            );
            return Ok(());
        }
        self.shut(conn, side);
        if open {
            self.tell_closed(node, peer, conn, error)
        } else {
            Ok(())
        }
    }

    /// A machine forgets its side of a connection.
    pub(super) fn shut(&mut self, conn: u64, side: usize) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.sides[side] = Side::Closed;
            if connection.is_over() {
                self.connections.remove(&conn);
            }
        }
    }
}
