//! Limits of a control socket.

use std::time::Duration;

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Concurrent connections. A further one replaces the connection that has been idle for the longest, or otherwise the one
    /// that has read nothing of its reply for the longest. While all wait for the owner's answers, the further one waits.
    pub connections: usize,
    /// Long answers held in memory, except routes. A further one replaces that of the client that has read nothing of its own for
    /// the longest; that client is disconnected.
    pub answers: usize,
    /// Octets of a command line, without its line feed. A longer one is read to its end and answered with 9000.
    pub line_len: usize,
    /// A connection without a command for this long is closed.
    pub idle: Duration,
    /// Without an answer from the owner for this long (or, for routes, the next chunk), the client gets an error.
    pub answer: Duration,
    /// A client that reads nothing for this long is disconnected.
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
