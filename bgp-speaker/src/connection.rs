//! The TCP connections of a neighbour: read buffers and queued output. This module knows nothing of messages.
//!
//! Connections are looked up by [`ConnId`], never by index, because handling one connection may remove another.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::task::Poll;
use std::time::Duration;

use bgp_core::session::ConnId;
use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;

/// Octets read at a time.
const READ_SIZE: usize = 64 * 1024;
/// Pieces handed to one write.
const MAX_PIECES: usize = 64;
/// How long a closed connection may take to deliver its output, so that the peer can read it (RFC 4271 §4.5: a NOTIFICATION must
/// arrive before the close).
const LINGER: Duration = Duration::from_secs(2);
/// Octets that are read and discarded from a peer that keeps sending in the meantime: more than its TCP can have in flight.
const LINGER_OCTETS: usize = 16 << 20;
/// Octets discarded per read.
const SCRAP: usize = 16 * 1024;

/// Queued output.
#[derive(Debug)]
struct Piece {
    octets: Bytes,
    /// The octets came from the RIB, which needs to know when they are written.
    routes: bool,
}

/// The result of one write.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) octets: usize,
    /// Those of the octets that came from the RIB.
    pub(super) route_octets: usize,
}

/// A connection and its buffers. Queued output is bounded by the octets that the RIB allows in flight.
#[derive(Debug)]
pub(super) struct TcpConnection {
    pub(super) id: ConnId,
    /// Our end and the peer's end, never as IPv4-mapped IPv6 addresses.
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

/// All connections of one neighbour: one or two, or three while the oldest is being closed.
#[derive(Debug, Default)]
pub(super) struct Connections(Vec<TcpConnection>);

impl Connections {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, connection: TcpConnection) {
        self.0.push(connection);
    }

    /// Whether any connection has queued output.
    pub(super) fn has_output(&self) -> bool {
        self.0.iter().any(TcpConnection::has_output)
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&TcpConnection> {
        self.0.iter().find(|connection| connection.id == id)
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut TcpConnection> {
        self.0.iter_mut().find(|connection| connection.id == id)
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<TcpConnection> {
        let place = self.0.iter().position(|connection| connection.id == id)?;
        Some(self.0.remove(place))
    }

    /// The current connections.
    pub(super) fn ids(&self) -> Vec<ConnId> {
        self.0.iter().map(|connection| connection.id).collect()
    }

    /// The connections with queued output.
    pub(super) fn with_output(&self) -> Vec<ConnId> {
        let waiting = self.0.iter().filter(|connection| connection.has_output());
        waiting.map(|connection| connection.id).collect()
    }

    /// Waits for the first connection that is ready; waits forever if there is none.
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

impl TcpConnection {
    /// # Errors
    ///
    /// The connection is already gone.
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

    /// Our address on the connection.
    pub(super) fn local_address(&self) -> IpAddr {
        self.local.ip()
    }

    pub(super) fn push(&mut self, octets: Bytes, routes: bool) {
        self.output.push_back(Piece { octets, routes });
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// The queued output.
    pub(super) fn output(&self) -> Vec<u8> {
        self.output
            .iter()
            .flat_map(|piece| &piece.octets)
            .copied()
            .collect()
    }

    /// Another descriptor for the socket.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        self.stream.as_fd().try_clone_to_owned()
    }

    /// The stream, for options of its socket.
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Waits until the connection is readable, if `reading`, or writable, if output is queued. Only one task may wait at a time.
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

    /// Reads the available octets, up to a limit. `Some(0)` is the end of the stream, `None` means that nothing is available.
    pub(super) fn read(&mut self) -> io::Result<Option<usize>> {
        self.input.reserve(READ_SIZE);
        match self.stream.try_read_buf(&mut self.input) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes as much as the socket takes.
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

    /// Removes written octets from the queue; returns how many of them came from the RIB.
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

    /// Delivers queued output and closes the connection, within a time limit.
    pub(super) async fn finish(mut self) {
        // A lingering peer must not hold a buffer.
        self.input = BytesMut::new();
        // After the time limit the connection is closed in any case.
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
        // Closing with unread octets resets the connection and would destroy the NOTIFICATION in flight.
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

/// The address, converted from IPv4-mapped IPv6 to IPv4 where possible.
pub(super) fn canonical(mut address: SocketAddr) -> SocketAddr {
    if address.ip() != address.ip().to_canonical() {
        address.set_ip(address.ip().to_canonical());
    }
    address
}
