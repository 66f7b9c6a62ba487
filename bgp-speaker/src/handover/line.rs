//! The Unix socket between the two processes: messages of one kind each, some with a file descriptor (`SCM_RIGHTS`).

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::error::HandoverError;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// To the old process: who wants to take over.
    Hello = 1,
    /// To the successor: the handover begins.
    Welcome = 2,
    /// To the successor: there is no handover, for this reason. The old process goes on.
    Refused = 3,
    /// A peer, and its session if it is up.
    Peer = 4,
    /// A chunk of the routes.
    Routes = 5,
    /// All routes were sent.
    EndOfRoutes = 6,
    /// To the old process: all routes are taken in.
    RoutesHeld = 7,
    /// The final state of a session, with its socket.
    Session = 8,
    /// A listening socket.
    Listener = 9,
    /// The final state of a BFD session, with the socket that sends.
    Bfd = 10,
    /// A socket that receives BFD packets.
    BfdReceiver = 11,
    /// Everything was sent.
    End = 12,
    /// To the old process: everything is there.
    Holding = 13,
    /// To the successor: the sessions are yours. The old process does nothing any more.
    Commit = 14,
}

impl Kind {
    fn from_octet(octet: u8) -> Option<Self> {
        use Kind::*;
        let all = [
            Hello,
            Welcome,
            Refused,
            Peer,
            Routes,
            EndOfRoutes,
            RoutesHeld,
            Session,
            Listener,
            Bfd,
            BfdReceiver,
            End,
            Holding,
            Commit,
        ];
        all.into_iter().find(|kind| *kind as u8 == octet)
    }
}

/// A received message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) body: BytesMut,
    pub(super) socket: Option<OwnedFd>,
}

/// One end of the socket.
#[derive(Debug)]
pub(super) struct Line {
    stream: UnixStream,
    input: BytesMut,
    sockets: VecDeque<OwnedFd>,
}

/// Length of the body, kind, and whether a descriptor comes with it.
const HEADER: usize = 6;
/// Longest body: far more than what may wait for a peer.
const LONGEST: usize = 256 << 20;
/// Octets read at a time.
const READ: usize = 256 << 10;
/// The kernel never joins what was sent with different descriptors.
const SOCKETS: usize = 4;

impl Line {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            sockets: VecDeque::new(),
        }
    }

    /// Sends a message.
    pub(super) async fn send(
        &self,
        kind: Kind,
        body: &[u8],
        socket: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let len = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&len.to_be_bytes());
        header[4] = kind as u8;
        header[5] = socket.is_some().into();
        let mut done = 0;
        while done < HEADER + body.len() {
            let pieces = [
                IoSlice::new(&header[done.min(HEADER)..]),
                IoSlice::new(&body[done.saturating_sub(HEADER)..]),
            ];
            // The descriptor goes with the first octets.
            let socket = socket.filter(|_| done == 0);
            let sent = self.stream.async_io(Interest::WRITABLE, || {
                let sockets = socket.as_slice();
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !sockets.is_empty() {
                    control.push(SendAncillaryMessage::ScmRights(sockets));
                }
                Ok(sendmsg(
                    &self.stream,
                    &pieces,
                    &mut control,
                    SendFlags::NOSIGNAL,
                )?)
            });
            done += sent.await?;
        }
        Ok(())
    }

    /// The next message.
    pub(super) async fn receive(&mut self) -> Result<Message, HandoverError> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(message);
            }
            if self.read().await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// The next message, which must come within a time.
    pub(super) async fn receive_within(
        &mut self,
        time: Duration,
    ) -> Result<Message, HandoverError> {
        let received = tokio::time::timeout(time, self.receive()).await;
        received.map_err(|_| HandoverError::Late)?
    }

    /// The next message, which must be of this kind and come within a time.
    pub(super) async fn expect(
        &mut self,
        kind: Kind,
        time: Duration,
    ) -> Result<Message, HandoverError> {
        let message = self.receive_within(time).await?;
        match message.kind == kind {
            true => Ok(message),
            false => Err(message.unexpected()),
        }
    }

    fn take(&mut self) -> Result<Option<Message>, HandoverError> {
        let Some(header) = self.input.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [a, b, c, d, kind, socket] = *header;
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        let kind = Kind::from_octet(kind).filter(|_| len <= LONGEST);
        let kind = kind.ok_or(HandoverError::Malformed)?;
        if self.input.len() < HEADER + len {
            self.input.reserve(HEADER + len - self.input.len());
            return Ok(None);
        }
        self.input.advance(HEADER);
        let body = self.input.split_to(len);
        let socket = match socket {
            0 => None,
            _ => Some(self.sockets.pop_front().ok_or(HandoverError::Malformed)?),
        };
        Ok(Some(Message { kind, body, socket }))
    }

    async fn read(&mut self) -> io::Result<usize> {
        let mut buffer = vec![0; READ];
        let (stream, sockets) = (&self.stream, &mut self.sockets);
        let count = stream.async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(&mut buffer)];
            let received = recvmsg(stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    sockets.extend(received);
                }
            }
            Ok(received.bytes)
        });
        let count = count.await?;
        self.input.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

impl Message {
    /// The other side says no, or something else than was expected.
    pub(super) fn unexpected(&self) -> HandoverError {
        match self.kind {
            Kind::Refused => HandoverError::Refused(String::from_utf8_lossy(&self.body).into()),
            _ => HandoverError::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[tokio::test]
    async fn messages_arrive_whole_with_their_descriptors() {
        let (one, other) = UnixStream::pair().expect("a pair");
        let (one, mut other) = (Line::new(one), Line::new(other));
        let long = vec![7; 3 * READ];
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let sending = async {
            for socket in [None, Some(socket.as_fd()), Some(socket.as_fd()), None] {
                one.send(Kind::Routes, &long, socket).await.expect("sent");
                one.send(Kind::End, &[], socket).await.expect("sent");
            }
        };
        let receiving = async {
            for with_socket in [false, true, true, false] {
                for (kind, body) in [(Kind::Routes, &long[..]), (Kind::End, &[])] {
                    let message = other.receive().await.expect("a message");
                    assert_eq!((message.kind, &message.body[..]), (kind, body));
                    let address = message
                        .socket
                        .map(|fd| std::net::UdpSocket::from(fd).local_addr());
                    let expected = with_socket.then(|| socket.local_addr().expect("bound"));
                    assert_eq!(address.transpose().expect("a socket"), expected);
                }
            }
        };
        tokio::join!(sending, receiving);
        drop(one);
        assert!(matches!(other.receive().await, Err(HandoverError::Io(_))));
    }

    #[tokio::test]
    async fn octets_of_another_form_are_an_error() {
        use tokio::io::AsyncWriteExt;
        for octets in [
            &[0, 0, 0, 0, 99, 0][..],
            &[255, 0, 0, 0, 5, 0],
            &[0, 0, 0, 0, 8, 1],
        ] {
            let (mut one, other) = UnixStream::pair().expect("a pair");
            one.write_all(octets).await.expect("written");
            let received = Line::new(other).receive().await;
            assert!(
                matches!(received, Err(HandoverError::Malformed)),
                "{octets:?}"
            );
        }
    }
}
