//! A client of the API's Unix socket, for commands: blocking, with a deadline.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::UnixStream;

use super::model::ErrorAnswer;
use super::server::SOCKET_NAME;

/// Limit of the time for an answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// Limit of the size of an answer, octets.
const ANSWER_LEN: usize = 256 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing listens on the socket.
    #[error("bgp-daemon is not running: nobody serves {}", .0.display())]
    NotRunning(PathBuf),
    /// No permission for the socket.
    #[error("permission denied: {} may be used by its owner and its group", .0.display())]
    Forbidden(PathBuf),
    /// The daemon refused the request.
    #[error("{error}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The reason in one sentence.
        error: String,
    },
    /// No answer in time.
    #[error("no answer from {} within {} s", .0.display(), DEADLINE.as_secs())]
    TimedOut(PathBuf),
    /// Another error.
    #[error("{}: {error}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// The error.
        error: String,
    },
}

/// A client of a running daemon.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// A client of the daemon with this run directory.
    pub fn new(run_dir: &Path) -> Self {
        Self {
            path: run_dir.join(SOCKET_NAME),
        }
    }

    /// Requests a path with parameters, such as `/v1/sessions`. Parameters are escaped here.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        let query: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let target = match query.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", query.join("&")),
        };
        self.request(Request::get(target), Bytes::new())
    }

    /// Sends a request with a JSON body.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        self.request(Request::post(path), body.into())
    }

    fn request<T: DeserializeOwned>(
        &self,
        request: Builder,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let request = request
            .header(HOST, "bgp-daemon")
            .body(Full::new(body))
            .map_err(|error| self.broken(error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| self.broken(error))?;
        runtime.block_on(async {
            let asked = tokio::time::timeout(DEADLINE, self.ask(request)).await;
            let (status, body) = asked.map_err(|_| ClientError::TimedOut(self.path.clone()))??;
            self.read(status, &body)
        })
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = UnixStream::connect(&self.path)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ClientError::NotRunning(self.path.clone())
                }
                io::ErrorKind::PermissionDenied => ClientError::Forbidden(self.path.clone()),
                _ => self.broken(error),
            })?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.broken(error))?;
        let answer = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.broken(error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LEN)
                .collect()
                .await;
            let body = body.map_err(|error| self.broken(error))?;
            Ok((status, body.to_bytes()))
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            ended = connection => match ended {
                Ok(()) => Err(self.broken("the connection was closed before the answer")),
                Err(error) => Err(self.broken(error)),
            },
        }
    }

    fn read<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, ClientError> {
        if status.is_success() {
            return serde_json::from_slice(body).map_err(|error| self.broken(error));
        }
        let told = serde_json::from_slice::<ErrorAnswer>(body).ok();
        Err(ClientError::Refused {
            status: status.as_u16(),
            error: told.map_or_else(|| status.to_string(), |told| told.error),
        })
    }

    fn broken(&self, error: impl ToString) -> ClientError {
        ClientError::Broken {
            path: self.path.clone(),
            error: error.to_string(),
        }
    }
}

/// All octets except those that are unreserved in a query (RFC 3986 §2.3).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(octet));
            }
            _ => text.push_str(&format!("%{octet:02X}")),
        }
    }
    text
}
