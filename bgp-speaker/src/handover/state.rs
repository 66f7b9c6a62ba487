//! What goes from a neighbour's task to the other process, and into the task there.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bgp_core::session;
use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::sockopt::Md5Key;

/// A neighbour that reads no more: everything it read is in the table.
#[derive(Debug)]
pub(crate) struct Quiet {
    /// The session, if it is up.
    pub(crate) session: Option<QuietSession>,
    /// Why the neighbour cannot be handed over.
    pub(crate) obstacle: Option<&'static str>,
}

/// A session that is up.
#[derive(Debug)]
pub(crate) struct QuietSession {
    pub(crate) session: session::Handover,
    /// Our address on the connection.
    pub(crate) local: IpAddr,
    /// The key on the connection's socket.
    pub(crate) md5: Option<Md5Key>,
}

/// A session that is up, and does nothing any more.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) session: session::Handover,
    /// Received and not yet processed.
    pub(crate) input: Vec<u8>,
    /// To be sent.
    pub(crate) output: Vec<u8>,
    pub(crate) socket: OwnedFd,
}

/// A session that goes on here.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) session: session::Handover,
    pub(crate) local: IpAddr,
    pub(crate) input: BytesMut,
    pub(crate) output: Bytes,
    pub(crate) socket: OwnedFd,
}

/// How far a handover is.
#[derive(Debug, Default)]
pub(crate) struct HandingOver {
    /// Nothing is read.
    pub(crate) is_hushed: bool,
    /// Answered when everything that was read is in the table.
    pub(crate) hushed: Option<oneshot::Sender<Quiet>>,
    /// Answered when the table knows where to send to.
    pub(crate) taken: Option<oneshot::Sender<()>>,
    /// The task stands still until it fires.
    pub(crate) thawed: Option<oneshot::Receiver<()>>,
}

impl HandingOver {
    pub(crate) fn hush(&mut self, reply: oneshot::Sender<Quiet>) {
        self.is_hushed = true;
        self.hushed = Some(reply);
    }
}

/// The speaker is handed over: its sessions belong to another process. As long as this value lives, no task of the speaker
/// touches them; end the process, or drop the speaker first and then this value.
#[derive(Debug)]
#[must_use = "without it the sessions go on here, too"]
pub struct HandedOver {
    /// Sessions that go on in the other process.
    pub sessions: usize,
    /// How long no process served them, as far as this one knows.
    pub silence: Duration,
    /// Dropped, they let the tasks go on.
    pub(super) _standstill: Vec<oneshot::Sender<()>>,
}

/// What a speaker taken over consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakenOver {
    /// Sessions that go on here.
    pub sessions: usize,
    /// Sessions that ended, because the settings have no such peer or ask for another session.
    pub ended: usize,
}

/// The connection on a socket of the other process.
pub(crate) fn stream(socket: OwnedFd) -> std::io::Result<TcpStream> {
    let stream = std::net::TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}
