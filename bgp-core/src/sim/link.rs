//! Connections as TCP provides them: ordered octets in both directions, with a window in each.
//!
//! A [`Pipe`] holds the octets that one side has written until the other side has read them: `queue` was not yet taken by the
//! network, `flying` is in flight, `unread` has arrived. A pipe knows no time; the [world](super::world) decides when segments
//! arrive.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::wire::HEADER_LEN;

/// A segment in a pipe; segments stay in order.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// The connection is accepted; with the number of the attempt.
    Accept(u64),
    Data(Bytes),
    /// The end of the stream.
    Fin,
    /// The sender does not know the connection.
    Reset,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) queue: BytesMut,
    /// Octets taken by the network and not yet read by the other side.
    pub(super) outstanding: usize,
    pub(super) flying: VecDeque<Segment>,
    /// Segments at the front of `flying` that would have arrived if the link were not stalled.
    pub(super) delayed: usize,
    /// No segment arrives before an earlier one.
    pub(super) last_arrival: Instant,
    /// Arrived, but not passed to the reader.
    pub(super) unread: BytesMut,
    /// Passed to the reader; the rest is an incomplete message.
    pub(super) input: BytesMut,
    /// A read is scheduled.
    pub(super) reading: bool,
    /// Octets ever written, up to the end of the last message that is not a KEEPALIVE.
    load: u64,
    /// Octets written, reported as taken, and read, since the start.
    total: u64,
    pub(super) reported: u64,
    pub(super) read: u64,
}

/// The state of one side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Its speaker does not know the connection yet.
    Opening,
    Open,
    /// Its speaker closed it; earlier output is still delivered.
    Closing,
    Closed,
}

/// A connection between two speakers.
#[derive(Debug)]
pub(super) struct SimConnection {
    pub(super) link: usize,
    /// The dialling and the accepting node.
    pub(super) nodes: [usize; 2],
    pub(super) sides: [Side; 2],
    /// What each side writes.
    pub(super) pipes: [Pipe; 2],
}

impl Pipe {
    fn new(now: Instant) -> Self {
        Self {
            queue: BytesMut::new(),
            outstanding: 0,
            flying: VecDeque::new(),
            delayed: 0,
            last_arrival: now,
            unread: BytesMut::new(),
            input: BytesMut::new(),
            reading: false,
            load: 0,
            total: 0,
            reported: 0,
            read: 0,
        }
    }

    /// Takes what a speaker writes.
    pub(super) fn write(&mut self, octets: &[u8]) {
        self.queue.extend_from_slice(octets);
        self.total += octets.len() as u64;
        if octets.len() != HEADER_LEN {
            self.load = self.total;
        }
    }

    /// Whether anything but KEEPALIVEs is in flight.
    fn is_in_motion(&self) -> bool {
        let control = |segment: &Segment| !matches!(segment, Segment::Data(_));
        self.read.min(self.reported) < self.load || self.flying.iter().any(control)
    }

    /// Moves octets for one segment into the network: at most `most`, and as many as the window allows.
    pub(super) fn take(&mut self, most: usize, window: usize) -> Option<BytesMut> {
        let room = window.saturating_sub(self.outstanding);
        let count = most.min(room).min(self.queue.len());
        if count == 0 {
            return None;
        }
        self.outstanding += count;
        Some(self.queue.split_to(count))
    }
}

impl SimConnection {
    /// A connection that the second node has just accepted.
    pub(super) fn new(link: usize, nodes: [usize; 2], now: Instant) -> Self {
        let sides = [Side::Opening, Side::Open];
        Self {
            link,
            nodes,
            sides,
            pipes: [Pipe::new(now), Pipe::new(now)],
        }
    }

    /// The side of a node.
    pub(super) fn side_of(&self, node: usize) -> usize {
        usize::from(self.nodes[1] == node)
    }

    /// Whether both speakers have the connection, and nothing but KEEPALIVEs is in flight.
    pub(super) fn is_at_rest(&self) -> bool {
        self.sides == [Side::Open; 2] && !self.pipes.iter().any(Pipe::is_in_motion)
    }

    pub(super) fn is_over(&self) -> bool {
        self.sides == [Side::Closed; 2]
    }
}
