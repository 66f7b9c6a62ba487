//! The sockets, and the limits of their clients.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use bgp_speaker::alarms::Alarms;
use bgp_speaker::tasks::Tasks;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use super::context::Api;
use super::endpoint::Scope;
use super::endpoints::router;
use super::error::ApiError;
use super::metrics::config::MetricsConfig;
use super::questions::Questions;
use crate::agent::View;
use crate::doctor::online::Doctor;
use crate::privileges::Group;
use crate::sockets::{Awaited, BindError, ClientSlot, Clients, SocketFile};

/// The name of the Unix socket in the run directory.
pub const SOCKET_NAME: &str = "bgp-daemon.sock";

/// Concurrent connections of a socket. A further one replaces the connection that has been idle for the longest, or otherwise the
/// one that was answered the longest ago.
const CONNECTIONS: usize = 64;
/// A client that does not send a complete request within this time is disconnected.
const QUESTION: Duration = Duration::from_secs(10);
/// Limit of the time for an answer; after it, 504.
const ANSWER: Duration = Duration::from_secs(10);
/// A client that reads nothing for this long is disconnected.
const WRITE: Duration = Duration::from_secs(30);
/// Delay of the next attempt to accept, when descriptors run out, or to listen, when the port is in use.
const PAUSE: Duration = Duration::from_secs(1);
/// Limit of the size of a request, octets.
const QUESTION_LEN: usize = 16 * 1024;

/// A socket of the API.
#[derive(Debug)]
pub struct Server {
    place: Listen,
    api: Arc<Api>,
    scope: Scope,
    router: OnceLock<Router>,
}

#[derive(Debug)]
enum Listen {
    Unix(UnixListener, SocketFile),
    Tcp(SocketAddr, Alarms),
}

/// State shared by all servers of a process.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Api>);

impl Shared {
    /// Serves the agent's views and the findings of the doctor.
    pub fn new(views: watch::Receiver<Arc<View>>, doctor: Doctor, metrics: MetricsConfig) -> Self {
        Self(Arc::new(Api::new(views, doctor, metrics)))
    }
}

impl Shared {
    /// The API's data, for tasks of this process.
    pub fn questions(&self) -> Questions {
        Questions::new(Arc::clone(&self.0))
    }
}

impl Server {
    /// Listens on a path, which only the socket's owner and `group`, or our own group, may use. Serves all endpoints. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Another process serves the socket, something else is in its place, or the system refuses.
    pub fn unix(path: &Path, group: Option<Group>, shared: &Shared) -> Result<Self, BindError> {
        let (file, listener) = SocketFile::bind(path, group)?;
        let failed = |error| BindError::Io {
            path: path.to_owned(),
            error,
        };
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self::new(Listen::Unix(listener, file), shared, Scope::All))
    }

    /// A server for a TCP address, for the endpoints of [`Scope::Summary`]. It starts to listen when it runs; a failure raises an
    /// alarm, and is retried each second.
    pub fn tcp(address: SocketAddr, alarms: Alarms, shared: &Shared) -> Self {
        Self::new(Listen::Tcp(address, alarms), shared, Scope::Summary)
    }

    fn new(place: Listen, shared: &Shared, scope: Scope) -> Self {
        Self {
            place,
            api: Arc::clone(&shared.0),
            scope,
            router: OnceLock::new(),
        }
    }

    /// Serves until `shutdown`, then closes all connections.
    pub async fn run(self, shutdown: CancellationToken) {
        let (server, tasks) = (Arc::new(self), Tasks::default());
        shutdown
            .run_until_cancelled(Arc::clone(&server).serve(&tasks, &shutdown))
            .await;
        tasks.close();
        tasks.ended().await;
    }

    async fn serve(self: Arc<Self>, tasks: &Tasks, shutdown: &CancellationToken) {
        let tcp = match &self.place {
            Listen::Unix(_, file) => {
                let path = file.path().display().to_string();
                tracing::info!(path, "HTTP API is ready");
                None
            }
            Listen::Tcp(address, alarms) => Some(listen(*address, alarms).await),
        };
        let clients = Clients::default();
        loop {
            let stream = self.accept(tcp.as_ref()).await;
            let place = clients.enter(CONNECTIONS).await;
            let (server, shutdown) = (Arc::clone(&self), shutdown.clone());
            tasks.errand("API connection", async move {
                let lost = place.lost();
                tokio::select! {
                    () = server.talk(stream, &place) => {}
                    () = lost.cancelled() => {}
                    () = shutdown.cancelled() => {}
                }
            });
            tokio::task::yield_now().await;
        }
    }

    /// The next connection.
    async fn accept(&self, tcp: Option<&TcpListener>) -> Either<UnixStream, TcpStream> {
        let mut failed = false;
        loop {
            let accepted = match (&self.place, tcp) {
                (Listen::Unix(listener, _), _) => listener
                    .accept()
                    .await
                    .map(|(stream, _)| Either::Left(stream)),
                (Listen::Tcp(..), Some(listener)) => listener
                    .accept()
                    .await
                    .map(|(stream, _)| Either::Right(stream)),
                (Listen::Tcp(..), None) => std::future::pending().await,
            };
            match accepted {
                Ok(stream) => return stream,
                Err(error) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!(%error, "cannot accept a client of the API");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves one client.
    async fn talk(&self, stream: impl AsyncRead + AsyncWrite, place: &ClientSlot) {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE));
        let stream = Box::pin(stream);
        let service = service_fn(|question| self.answer(question, place));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(QUESTION)
            .max_buf_size(QUESTION_LEN)
            .half_close(true);
        place.set(Some(Awaited::Command));
        // A client that disconnects, or does not speak HTTP, is not our error.
        http.serve_connection(TokioIo::new(stream), service)
            .await
            .ok();
    }

    async fn answer(
        &self,
        question: Request<Incoming>,
        place: &ClientSlot,
    ) -> Result<Response, Infallible> {
        place.set(None);
        let answer = self.route(question.map(Body::new));
        let answer = tokio::time::timeout(ANSWER, answer).await;
        place.set(Some(Awaited::Reading));
        Ok(answer.unwrap_or_else(|_| ApiError::TimedOut.into_response()))
    }

    async fn route(&self, question: Request<Body>) -> Response {
        // Created for the first request: without requests it takes no memory.
        let router = self
            .router
            .get_or_init(|| router(Arc::clone(&self.api), self.scope));
        match tower_service::Service::call(&mut router.clone(), question).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// Listens, retrying until it succeeds.
async fn listen(address: SocketAddr, alarms: &Alarms) -> TcpListener {
    let object = format!("HTTP API at {address}");
    loop {
        match bind(address).await {
            Ok(listener) => {
                alarms.clear("http-listen", &object);
                tracing::info!(%address, "HTTP API is ready");
                return listener;
            }
            Err(error) => {
                alarms.raise(
                    "http-listen",
                    object.as_str(),
                    &format!("cannot listen: {error}"),
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

#[cfg(test)]
mod tests;
