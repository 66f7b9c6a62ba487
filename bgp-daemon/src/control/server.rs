//! The sockets. Each connection is a task of its own that reads commands, asks the owner of the speaker, and writes replies.
//!
//! The owner gets [`Request`]s over one bounded channel, from both sockets, and answers each through its own one-shot
//! channel. A dropped one-shot is a valid answer ("no answer"). Limits, and what happens at them: see [`Limits`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::types::Family;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::clients::Clients;
use super::command::Query;
use super::connection::Connection;
use super::model::{
    ActionReport, ConfigureOutcome, InterfaceSnapshot, MemorySnapshot, NodeSnapshot,
    ProtocolSnapshot, RouteSnapshot, StatusSnapshot,
};
use super::render::Clock;
pub use super::socket::BindError;
use super::socket::SocketFile;
use crate::privileges::Group;
use bgp_speaker::tasks::Tasks;

/// How long to wait before the next try when a connection cannot be accepted, which happens when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A question for the owner of the speaker.
#[derive(Debug)]
pub struct Request {
    /// Which socket it came in on: IPv4 for `bird.ctl`, IPv6 for `bird6.ctl`.
    pub family: Family,
    /// What is asked.
    pub query: Query,
    /// Where the answer goes. Dropping it tells the client that there is none.
    pub reply: oneshot::Sender<Answer>,
}

/// An answer of the owner of the speaker.
#[derive(Debug)]
pub enum Answer {
    /// To [`Query::Status`].
    Status(StatusSnapshot),
    /// To [`Query::Protocols`]: those whose names match, in the order in which they are shown.
    Protocols(Vec<ProtocolSnapshot>),
    /// To [`Query::Routes`], in chunks of any size, routes of one prefix one after the other, best first. Ends when the sender
    /// is dropped. When the client goes away the receiver is dropped, and sending fails: stop then. A client may read slowly,
    /// so send from a task that holds nothing up.
    Routes(mpsc::Receiver<Vec<RouteSnapshot>>),
    /// To any query that names a protocol which does not exist.
    NoProtocol,
    /// To any query about protocols or routes while there is no speaker, since there is no plan for it. Not an empty list:
    /// readers would take the node for one without peers, which is ready.
    NoSpeaker,
    /// To [`Query::Interfaces`].
    Interfaces(Vec<InterfaceSnapshot>),
    /// To [`Query::Memory`].
    Memory(MemorySnapshot),
    /// To [`Query::Configure`].
    Configured(ConfigureOutcome),
    /// To [`Query::Enable`], [`Query::Disable`], [`Query::Restart`] and [`Query::Reload`]: each protocol that was meant.
    Actions(Vec<ActionReport>),
    /// To [`Query::Snapshot`].
    Snapshot(Box<NodeSnapshot>),
}

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections served at a time. For a further one goes the one that has said nothing for the longest, or else the one that
    /// has taken nothing of its reply for the longest. While all wait for the owner's answers, it waits.
    pub connections: usize,
    /// Long answers that are held in memory at a time, all but routes. For a further one goes the client that has taken nothing of
    /// its own for the longest.
    pub answers: usize,
    /// Octets in a command line, without its line feed. A longer one is read to its end and answered with 9000.
    pub line_len: usize,
    /// Without a command for so long, a connection is closed.
    pub idle: Duration,
    /// Without an answer from the owner for so long (or, for routes, the next chunk), the client is told that there is none.
    pub answer: Duration,
    /// A client that takes nothing for so long is disconnected.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            answers: 8,
            line_len: 4096,
            idle: Duration::from_secs(300),
            answer: Duration::from_secs(10),
            write: Duration::from_secs(60),
        }
    }
}

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) family: Family,
    pub(super) version: String,
    pub(super) clock: fn() -> Clock,
    pub(super) limits: Limits,
    pub(super) answers: Clients,
    pub(super) requests: mpsc::Sender<Request>,
}

/// One control socket.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    file: SocketFile,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens at `path`, for questions about `family`. The socket's owner and `group`, or else our own group, may connect. Makes
    /// the directory if it is missing and takes the place of a socket that nobody serves. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Another process serves the socket, something else lies there, or the operating system refuses.
    pub fn bind(
        path: &Path,
        group: Option<Group>,
        family: Family,
        requests: mpsc::Sender<Request>,
    ) -> Result<Self, BindError> {
        let failed = |error| BindError::Io {
            path: path.to_owned(),
            error,
        };
        let (file, listener) = SocketFile::bind(path, group)?;
        Ok(Self {
            listener: UnixListener::from_std(listener).map_err(failed)?,
            file,
            shared: Arc::new(Shared {
                family,
                version: super::VERSION.to_owned(),
                clock: Clock::system,
                limits: Limits::default(),
                answers: Clients::default(),
                requests,
            }),
        })
    }

    /// Greets with another version than [`VERSION`](super::VERSION). It must begin with `v`, or readers find no version.
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        self.shared_mut().version = version.to_owned();
        self
    }

    /// Tells the time by another clock than that of the machine.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> Clock) -> Self {
        self.shared_mut().clock = clock;
        self
    }

    /// Keeps other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.shared_mut().limits = limits;
        self
    }

    fn shared_mut(&mut self) -> &mut Shared {
        Arc::get_mut(&mut self.shared).expect("no connection has it before `run`")
    }

    /// Serves until `shutdown`, then closes all connections and removes the socket file.
    pub async fn run(self, shutdown: CancellationToken) {
        let path = self.file.path().display().to_string();
        tracing::info!(path, "control socket is ready");
        let clients = Clients::default();
        let tasks = Tasks::default();
        let serve = async {
            loop {
                let stream = self.accept().await;
                let place = clients.enter(self.shared.limits.connections).await;
                let connection = Connection::new(stream, place, Arc::clone(&self.shared));
                let shutdown = shutdown.clone();
                tasks.errand("control connection", async move {
                    shutdown.run_until_cancelled(connection.serve()).await;
                });
                // Who is here and has said something is heard before the next one comes, however many come.
                tokio::task::yield_now().await;
            }
        };
        shutdown.run_until_cancelled(serve).await;
        tasks.close();
        tasks.ended().await;
    }

    /// The next connection. That none can be accepted is said once.
    async fn accept(&self) -> UnixStream {
        let mut failed = false;
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    if !std::mem::replace(&mut failed, true) {
                        let path = self.file.path().display();
                        tracing::warn!(%path, %error, "cannot accept on control socket");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}
