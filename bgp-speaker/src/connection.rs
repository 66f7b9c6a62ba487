//! The TCP connections of a neighbour: their read buffers and what waits to be written. Knows nothing of messages.
//!
//! A connection is found by its [`ConnId`], never by a place: what is done with one may remove another.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use bgp_core::session::ConnId;
use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;

/// Octets read at a time.
const READ_SIZE: usize = 64 * 1024;
/// Pieces handed to one write.
const MAX_PIECES: usize = 64;
/// How long a closed connection may take to deliver what is left, and the peer to take note (RFC 4271 §4.5: a NOTIFICATION
/// must arrive before the close).
const LINGER: Duration = Duration::from_secs(2);
/// So many octets of a peer that goes on sending meanwhile are thrown away: more than its TCP has on the way.
const LINGER_OCTETS: usize = 16 << 20;
/// Octets thrown away at a time.
const SCRAP: usize = 16 * 1024;

/// Octets on their way out.
#[derive(Debug)]
struct Piece {
    octets: Bytes,
    /// They came from the RIB, which wants to know when they are written.
    routes: bool,
}

/// What one write achieved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) octets: usize,
    /// Of those, the ones that came from the RIB.
    pub(super) route_octets: usize,
}

/// A connection and its buffers. What waits to be written is bounded by what the RIB lets be in flight.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    /// Our end and the peer's, without the IPv4-in-IPv6 form.
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    stream: TcpStream,
    pub(super) input: BytesMut,
    output: VecDeque<Piece>,
}

/// What a connection is ready for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) read: bool,
    pub(super) write: bool,
}

/// All connections of one neighbour: one or two, three until the oldest has made room.
#[derive(Debug, Default)]
pub(super) struct Connections(Vec<Connection>);

impl Connections {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, connection: Connection) {
        self.0.push(connection);
    }

    /// Whether something is to be written on any.
    pub(super) fn has_output(&self) -> bool {
        self.0.iter().any(Connection::has_output)
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&Connection> {
        self.0.iter().find(|connection| connection.id == id)
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        self.0.iter_mut().find(|connection| connection.id == id)
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Connection> {
        let place = self.0.iter().position(|connection| connection.id == id)?;
        Some(self.0.remove(place))
    }

    /// All there are now.
    pub(super) fn ids(&self) -> Vec<ConnId> {
        self.0.iter().map(|connection| connection.id).collect()
    }

    /// Those that have something to write.
    pub(super) fn with_output(&self) -> Vec<ConnId> {
        let waiting = self.0.iter().filter(|connection| connection.has_output());
        waiting.map(|connection| connection.id).collect()
    }

    /// Waits for the first one that is ready for something; for ever if there is none.
    pub(super) async fn ready(&self, reading: bool) -> (ConnId, io::Result<Ready>) {
        match &self.0[..] {
            [] => std::future::pending().await,
            [only] => (only.id, only.ready(reading).await),
            [first, second, ..] => tokio::select! {
                ready = first.ready(reading) => (first.id, ready),
                ready = second.ready(reading) => (second.id, ready),
            },
        }
    }
}

impl Connection {
    /// # Errors
    ///
    /// The connection is gone already.
    pub(super) fn new(id: ConnId, stream: TcpStream) -> io::Result<Self> {
        Ok(Self {
            id,
            local: canonical(stream.local_addr()?),
            remote: canonical(stream.peer_addr()?),
            stream,
            input: BytesMut::new(),
            output: VecDeque::new(),
        })
    }

    /// Our address on it.
    pub(super) fn local_address(&self) -> IpAddr {
        self.local.ip()
    }

    pub(super) fn push(&mut self, octets: Bytes, routes: bool) {
        self.output.push_back(Piece { octets, routes });
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Waits until it can be read from, if `reading`, or written to, if there is something to write. For one task at a time.
    pub(super) async fn ready(&self, reading: bool) -> io::Result<Ready> {
        poll_fn(|context| {
            let read = reading && self.stream.poll_read_ready(context)?.is_ready();
            let write = self.has_output() && self.stream.poll_write_ready(context)?.is_ready();
            match read || write {
                true => Poll::Ready(Ok(Ready { read, write })),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Reads what is there, a bounded amount; `Some(0)` is the end, `None` nothing.
    pub(super) fn read(&mut self) -> io::Result<Option<usize>> {
        self.input.reserve(READ_SIZE);
        match self.stream.try_read_buf(&mut self.input) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what the socket takes.
    pub(super) fn write(&mut self) -> io::Result<Written> {
        let mut total = Written::default();
        while !self.output.is_empty() {
            let pieces: Vec<IoSlice<'_>> = self
                .output
                .iter()
                .take(MAX_PIECES)
                .map(|piece| IoSlice::new(&piece.octets))
                .collect();
            match self.stream.try_write_vectored(&pieces) {
                Ok(count) => {
                    total.octets += count;
                    total.route_octets += self.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// Takes written octets off the queue; returns how many of them came from the RIB.
    fn advance(&mut self, mut count: usize) -> usize {
        let mut routes = 0;
        while let Some(piece) = self.output.front_mut().filter(|_| count > 0) {
            let taken = count.min(piece.octets.len());
            piece.octets.advance(taken);
            routes += if piece.routes { taken } else { 0 };
            count -= taken;
            if piece.octets.is_empty() {
                self.output.pop_front();
            }
        }
        routes
    }

    /// Delivers what is left and closes, in bounded time.
    pub(super) async fn finish(mut self) {
        // A peer that stays for long shall cost no buffer.
        self.input = BytesMut::new();
        // When the time is up there is nothing more to do than to close.
        tokio::time::timeout(LINGER, self.part()).await.ok();
    }

    async fn part(&mut self) -> io::Result<()> {
        while self.has_output() {
            self.write()?;
            if self.has_output() {
                self.ready(false).await?;
            }
        }
        socket2::SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write)?;
        // Closing with unread octets would reset the connection and destroy the NOTIFICATION on its way.
        let mut thrown_away = 0;
        while thrown_away < LINGER_OCTETS {
            self.stream.readable().await?;
            match self.stream.try_read(&mut [0; SCRAP]) {
                Ok(0) => break,
                Ok(count) => thrown_away += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Without the IPv4-in-IPv6 form.
pub(super) fn canonical(mut address: SocketAddr) -> SocketAddr {
    if address.ip() != address.ip().to_canonical() {
        address.set_ip(address.ip().to_canonical());
    }
    address
}
