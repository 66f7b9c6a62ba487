//! Why connections and sessions end.

use std::fmt;
use std::time::Instant;

use crate::types::PerFamily;
use crate::wire::Notification;

/// A session left Established.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Down {
    /// The reason.
    pub reason: DownReason,
    /// Families whose routes are kept as stale (RFC 4724 §4.2, RFC 8538 §4); the routes of all others are removed at once.
    pub keep_stale: PerFamily<bool>,
    /// Also keep those of the routes that were stale already: the peer has not restarted again, but had opened two connections.
    pub keep_older: bool,
}

/// Why a connection or session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownReason {
    /// We sent this NOTIFICATION.
    Sent(Notification),
    /// The peer sent this NOTIFICATION.
    Received(Notification),
    /// TCP was closed or failed; the system's text, or "Connection closed".
    Closed(String),
    /// We closed the connection without a NOTIFICATION, for a restart (RFC 4724 §4).
    Left,
    /// A new connection of a gracefully restarting peer replaced this one (RFC 4724 §4.2).
    Replaced,
    /// The connection could not take our messages for the send hold time (RFC 9687).
    SendHoldTimer,
}

impl fmt::Display for DownReason {
    /// One short phrase, as in `birdcl`, followed by the details of the NOTIFICATION.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(notification) => write!(f, "BGP Error: {notification}"),
            Self::Received(notification) => write!(f, "Received: {notification}"),
            Self::Closed(error) => write!(f, "Socket: {error}"),
            Self::Left => f.write_str("left to graceful restart"),
            Self::Replaced => f.write_str("replaced by a new connection of the restarted peer"),
            Self::SendHoldTimer => f.write_str("BGP Error: Send hold timer expired"),
        }
    }
}

/// Why a session is not up. The text form is that of `show protocols`: "Socket: Connection refused".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// The kind of error.
    pub class: ErrorClass,
    /// One short phrase.
    pub text: String,
    /// When it happened.
    pub at: Instant,
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.text)
    }
}

/// The kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// A reason outside the protocol: "Error".
    Local,
    /// TCP, with the system's text: "Socket".
    Socket,
    /// The peer sent a NOTIFICATION: "Received".
    Received,
    /// We sent a NOTIFICATION: "BGP Error".
    Sent,
    /// A limit stopped the session: "Automatic shutdown".
    AutomaticShutdown,
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "Error",
            Self::Socket => "Socket",
            Self::Received => "Received",
            Self::Sent => "BGP Error",
            Self::AutomaticShutdown => "Automatic shutdown",
        })
    }
}
