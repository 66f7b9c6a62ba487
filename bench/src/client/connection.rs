//! One TCP connection with BGP messages: frames received octets, and sends shared octets without copies.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use bgp_core::wire::HEADER_LEN;
use bytes::{Buf, Bytes};
use rustix::net::sockopt::set_tcp_quickack;
use socket2::{Domain, Protocol, Socket, Type};

use super::poller::Poller;

/// Octets read at once; the buffer is shared by all connections.
pub(crate) const READ_LEN: usize = 256 * 1024;
/// Limit of queued octets; beyond it, the connection fails.
const MAX_QUEUED: usize = 1 << 30;

/// A connection, its place in a [`Poller`], and what waits to be sent.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    key: usize,
    /// The beginning of an incomplete message.
    partial: Vec<u8>,
    out: VecDeque<Bytes>,
    queued: usize,
    writing: bool,
    quick_ack: bool,
}

impl Connection {
    /// Starts to connect from `source`; [`Connection::flush`] reports the result.
    pub(crate) fn connect(
        source: Ipv4Addr,
        remote: SocketAddr,
        key: usize,
        poller: &Poller,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&remote.into()) {
            Err(error)
                if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                return Err(error);
            }
            Ok(()) | Err(_) => {}
        }
        Self::new(socket.into(), key, poller)
    }

    /// Takes over a connection.
    pub(crate) fn new(stream: TcpStream, key: usize, poller: &Poller) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        poller.add(&stream, key, true)?;
        Ok(Self {
            stream,
            key,
            partial: Vec::new(),
            out: VecDeque::new(),
            queued: 0,
            writing: true,
            quick_ack: false,
        })
    }

    /// Reads available octets, at most once, and passes on each complete message. `Ok(false)`: the other side has closed.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<bool> {
        let kept = self.partial.len();
        buffer[..kept].copy_from_slice(&self.partial);
        let read = match self.stream.read(&mut buffer[kept..]) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        if self.quick_ack {
            // The kernel may turn this off again at any time.
            set_tcp_quickack(&self.stream, true)?;
        }
        let mut rest = &buffer[..kept + read];
        while let Some(len) = message_len(rest)? {
            let (message, behind) = rest.split_at(len);
            take(message)?;
            rest = behind;
        }
        self.partial.clear();
        self.partial.extend_from_slice(rest);
        Ok(true)
    }

    /// Acknowledges received octets at once from now on. Otherwise a speaker that waits for acknowledgements (RFC 1122 §4.2.3.4,
    /// Nagle) would be measured together with our delayed ACKs.
    pub(crate) fn acknowledge_at_once(&mut self) {
        self.quick_ack = true;
    }

    /// Queues octets and sends as many as there is room for.
    pub(crate) fn send(&mut self, octets: Bytes, poller: &Poller) -> io::Result<()> {
        self.queued += octets.len();
        if self.queued > MAX_QUEUED {
            return Err(io::Error::other("the other side takes nothing"));
        }
        self.out.push_back(octets);
        if self.writing {
            Ok(())
        } else {
            self.flush(poller)
        }
    }

    /// Sends queued octets, and asks the poller to report room for the rest.
    pub(crate) fn flush(&mut self, poller: &Poller) -> io::Result<()> {
        while let Some(octets) = self.out.front_mut() {
            match self.stream.write(octets) {
                Ok(written) => {
                    self.queued -= written;
                    octets.advance(written);
                    if octets.is_empty() {
                        self.out.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let writing = !self.out.is_empty();
        if writing != self.writing {
            self.writing = writing;
            poller.set_writing(&self.stream, self.key, writing)?;
        }
        Ok(())
    }

    /// Whether everything was sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }
}

/// Octets of the message at the front, if all of it is there.
fn message_len(octets: &[u8]) -> io::Result<Option<usize>> {
    let Some(header) = octets.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([header[16], header[17]]));
    if len < HEADER_LEN {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message that is shorter than its header",
        ));
    }
    Ok((octets.len() >= len).then_some(len))
}
