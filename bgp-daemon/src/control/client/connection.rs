//! A connection to a control socket, and its errors.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::go_error::system_error;
use crate::sockets::connect;

/// calicoctl's limit of the length of a line.
const LINE_LEN: usize = 64 * 1024;
/// Octets per read.
const READ_LEN: usize = 16 * 1024;

/// No candidate could be dialled. Its text is that of the first existing socket, or otherwise, as in calicoctl, of the last
/// candidate.
#[derive(Debug)]
pub struct DialError(Vec<Failure>);

#[derive(Debug)]
struct Failure {
    path: PathBuf,
    error: io::Error,
}

impl DialError {
    /// Why it is unknown whether a server listens: a socket exists, but access is denied, or it accepts no more connections.
    pub fn uncertain(&self) -> Option<impl fmt::Display> {
        self.there()
            .filter(|failure| failure.error.kind() != io::ErrorKind::ConnectionRefused)
    }

    /// The error of the first existing socket, or otherwise of the first candidate.
    pub fn first(&self) -> Option<impl fmt::Display> {
        self.there().or_else(|| self.0.first())
    }

    fn there(&self) -> Option<&Failure> {
        let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        self.0
            .iter()
            .find(|failure| !absent.contains(&failure.error.kind()))
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.there().or_else(|| self.0.last()) {
            Some(failure) => failure.fmt(f),
            None => f.write_str("there is no socket to dial"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(
            f,
            "dial unix {path}: connect: {}",
            system_error(&self.error)
        )
    }
}

impl std::error::Error for DialError {}

/// Why a conversation ended early.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The command could not be sent.
    #[error("unable to write to BIRD socket: write unix @->{path}: write: {}", system_error(.error))]
    Write {
        /// Of the socket.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// No line came within the deadline.
    #[error("read unix @->{path}: i/o timeout")]
    Timeout {
        /// Of the socket.
        path: String,
    },
    /// The connection broke.
    #[error("read unix @->{path}: read: {}", system_error(.error))]
    Read {
        /// Of the socket.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// A line is too long.
    #[error("bufio.Scanner: token too long")]
    LineTooLong,
    /// The heading of `show protocols` is not the known one.
    #[error("unknown BIRD table output format")]
    UnknownFormat,
    /// The daemon reported that it has no answer.
    #[error("{0}")]
    NoAnswer(String),
    /// A line that does not belong to the reply of `show protocols`.
    #[error("unexpected output line from BIRD")]
    UnexpectedLine,
}

/// A conversation with a server.
#[derive(Debug)]
pub struct ControlConnection {
    stream: UnixStream,
    path: PathBuf,
    deadline: Duration,
    /// Octets that were read, but not yet returned as lines.
    pending: Vec<u8>,
}

impl ControlConnection {
    /// Connects to the first of `paths` that accepts a connection; `deadline` limits the wait for each line of a reply.
    ///
    /// # Errors
    ///
    /// None of them could be dialled.
    pub fn dial(paths: &[PathBuf], deadline: Duration) -> Result<Self, DialError> {
        let mut failures = Vec::new();
        for path in paths {
            match connect(path) {
                Ok(stream) => {
                    return Ok(Self {
                        stream,
                        path: path.clone(),
                        deadline,
                        pending: Vec::new(),
                    });
                }
                Err(error) => failures.push(Failure {
                    path: path.clone(),
                    error,
                }),
            }
        }
        Err(DialError(failures))
    }

    /// The socket that was dialled.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends a command. The greeting need not have been read.
    ///
    /// # Errors
    ///
    /// The connection is broken, or the server reads nothing within the deadline.
    pub fn send(&mut self, command: &str) -> Result<(), ClientError> {
        self.stream
            .set_write_timeout(Some(self.deadline))
            .and_then(|()| self.stream.write_all(format!("{command}\n").as_bytes()))
            .map_err(|error| ClientError::Write {
                path: self.path.display().to_string(),
                error,
            })
    }

    /// The next line, without its line feed; `None` when the server closed the connection. An unfinished last line counts.
    ///
    /// # Errors
    ///
    /// No complete line arrived within the deadline, the connection broke, or the line is too long.
    pub fn read_line(&mut self) -> Result<Option<String>, ClientError> {
        let end = Instant::now() + self.deadline;
        let mut searched = 0;
        loop {
            let found = self.pending[searched..].iter().position(|&b| b == b'\n');
            let len = found.map_or(self.pending.len(), |at| searched + at + 1);
            if len > LINE_LEN {
                return Err(ClientError::LineTooLong);
            }
            if found.is_some() {
                return Ok(Some(self.take_line(len)));
            }
            searched = len;
            if self.read_more(end)? == 0 {
                return Ok((searched > 0).then(|| self.take_line(searched)));
            }
        }
    }

    fn take_line(&mut self, len: usize) -> String {
        let line: Vec<u8> = self.pending.drain(..len).collect();
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        String::from_utf8_lossy(line).into_owned()
    }

    fn read_more(&mut self, end: Instant) -> Result<usize, ClientError> {
        let path = || self.path.display().to_string();
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ClientError::Timeout { path: path() });
        }
        let mut chunk = [0; READ_LEN];
        let read = self
            .stream
            .set_read_timeout(Some(left))
            .and_then(|()| self.stream.read(&mut chunk));
        match read {
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count]);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(ClientError::Timeout { path: path() })
            }
            Err(error) => Err(ClientError::Read {
                path: path(),
                error,
            }),
        }
    }
}
