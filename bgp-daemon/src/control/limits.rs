//! Limits of a control socket.

use std::time::Duration;

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections served at a time. A further one replaces the one that has said nothing for the longest, or otherwise the one
    /// that has taken nothing of its reply for the longest. While all wait for the owner's answers, the further one waits.
    pub connections: usize,
    /// Long answers that are held in memory at a time, all but routes. A further one replaces that of the client that has taken
    /// nothing of its own for the longest; that client is disconnected.
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
