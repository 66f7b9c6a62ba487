//! The interface of a node of a [`Lab`](super::Lab): events in, outputs and the next deadline out.

use std::net::IpAddr;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::session::{ConnId, Direction};
use crate::speaker::{Output, SansIoSpeaker};
use crate::types::PeerId;

/// An event of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// The instant of [`Node::poll_timeout`] has come.
    Timeout,
    /// A connection is up.
    Connected {
        /// The link.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
        /// Who dialled.
        direction: Direction,
        /// Our address.
        local: IpAddr,
    },
    /// Dialling failed.
    ConnectFailed(PeerId),
    /// Octets were received.
    Received {
        /// The link.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
        /// Any piece of the stream.
        octets: Bytes,
    },
    /// The connection has taken octets.
    Written {
        /// The link.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
        /// The number of octets.
        octets: usize,
    },
    /// The other end closed the connection.
    Closed {
        /// The link.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
    },
}

/// An output of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeOutput {
    /// Dial the node at the other end.
    Connect(PeerId),
    /// Write octets.
    Transmit {
        /// The link.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
        /// The octets.
        octets: Bytes,
    },
    /// Close a connection after the octets written so far.
    Close {
        /// The link.
        peer: PeerId,
        /// The connection.
        conn: ConnId,
    },
}

/// Custom code that speaks BGP, or something similar, in a [`Lab`](super::Lab).
pub trait Node {
    /// Takes an event.
    fn handle(&mut self, now: Instant, event: NodeEvent);

    /// The next output; `None` if there is none.
    fn poll_output(&mut self) -> Option<NodeOutput>;

    /// When [`NodeEvent::Timeout`] is due.
    fn poll_timeout(&self) -> Option<Instant>;
}

impl Node for SansIoSpeaker {
    fn handle(&mut self, now: Instant, event: NodeEvent) {
        match event {
            NodeEvent::Timeout => self.handle_timeout(now),
            NodeEvent::Connected {
                peer,
                conn,
                direction,
                local,
            } => self.handle_connected(now, peer, conn, direction, local),
            NodeEvent::ConnectFailed(peer) => self.handle_connect_failed(now, peer, "no answer"),
            NodeEvent::Received { peer, conn, octets } => {
                self.handle_bytes(now, peer, conn, &mut BytesMut::from(&octets[..]));
            }
            NodeEvent::Written { peer, conn, octets } => {
                self.handle_written(now, peer, conn, octets, false);
            }
            NodeEvent::Closed { peer, conn } => self.handle_closed(now, peer, conn, None),
        }
    }

    fn poll_output(&mut self) -> Option<NodeOutput> {
        loop {
            return Some(match Self::poll_output(self)? {
                Output::Connect(peer) => NodeOutput::Connect(peer),
                Output::Transmit { peer, conn, bytes } => NodeOutput::Transmit {
                    peer,
                    conn,
                    octets: bytes,
                },
                Output::Close { peer, conn } => NodeOutput::Close { peer, conn },
                Output::CancelConnect(_)
                | Output::Up(..)
                | Output::Down(..)
                | Output::Opaque(..)
                | Output::OpaqueRefresh(..)
                | Output::Forward { .. }
                | Output::Resolve(_)
                | Output::Forget(_)
                | Output::DeferralEnded => continue,
            });
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Self::poll_timeout(self)
    }
}
