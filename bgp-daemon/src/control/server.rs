//! The sockets. Each connection is a task that reads commands, asks the owner of the speaker, and writes replies.
//!
//! The owner gets [`Request`]s of both sockets over one bounded channel, and answers each through its own one-shot channel. A
//! dropped one-shot is a valid answer ("no answer"). For limits see [`Limits`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::types::Family;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connection::{ClientConnection, Shared};
use super::limits::Limits;
use super::render::Clock;
use super::request::Request;
use super::version::VERSION;
use crate::privileges::Group;
pub use crate::sockets::BindError;
use crate::sockets::{Clients, SocketFile};
use bgp_speaker::tasks::Tasks;

/// Delay of the next attempt when a connection cannot be accepted, because descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// One control socket.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    file: SocketFile,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens on `path`, for requests about `family`. The socket's owner and `group`, or otherwise our own group, may connect.
    /// Creates the directory if it is missing, and replaces a socket that no process serves. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Another process serves the socket, something else is in its place, or the system refuses.
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
                version: VERSION.to_owned(),
                clock: Clock::system,
                limits: Limits::default(),
                answers: Clients::default(),
                requests,
            }),
        })
    }

    /// Sets the version in the greeting, instead of [`VERSION`]. It must begin with `v`, or readers find no version.
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        self.shared_mut().version = version.to_owned();
        self
    }

    /// Sets the clock, instead of that of the machine.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> Clock) -> Self {
        self.shared_mut().clock = clock;
        self
    }

    /// Sets the limits, instead of the default ones.
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
                let connection = ClientConnection::new(stream, place, Arc::clone(&self.shared));
                let shutdown = shutdown.clone();
                tasks.errand("control connection", async move {
                    shutdown.run_until_cancelled(connection.serve()).await;
                });
                // Clients that have sent something are served before the next one is accepted, however many connect.
                tokio::task::yield_now().await;
            }
        };
        shutdown.run_until_cancelled(serve).await;
        tasks.close();
        tasks.ended().await;
    }

    /// The next connection. A failure to accept is logged once.
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
