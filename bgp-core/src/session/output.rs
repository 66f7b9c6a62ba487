//! What a session wants done, and how it tells that it is over.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::connection::ConnId;
use super::negotiate::Negotiated;
use crate::types::{Family, PerFamily};
use crate::wire::{Notification, RouteRefresh, Update};

/// What is to happen, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Dial the peer; answer with [`Session::handle_connected`](super::Session::handle_connected) or
    /// [`Session::handle_connect_failed`](super::Session::handle_connect_failed).
    Connect,
    /// Give up the dialling that is under way, if any; no answer is wanted.
    CancelConnect,
    /// Write these octets to the connection, after all earlier ones.
    Transmit {
        /// Where.
        conn: ConnId,
        /// Whole messages.
        bytes: Bytes,
    },
    /// Deliver what was handed over for transmission, then close. No answer is wanted.
    ///
    /// The owner bounds how long it tries to deliver: after the send hold time the peer takes nothing any more.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// The session is Established over this connection.
    Up {
        /// Which.
        conn: ConnId,
        /// What was agreed on.
        negotiated: Arc<Negotiated>,
    },
    /// Routes came or went.
    Update(Update),
    /// The peer has sent all routes of the family (RFC 4724 §2).
    EndOfRib(Family),
    /// The peer asks for our routes again, or marks its own answer (RFC 2918, RFC 7313). Always of a negotiated family
    /// and of a kind that the session knows.
    Refresh(RouteRefresh),
    /// The session left Established.
    Down(Down),
    /// A NOTIFICATION keeps the session from coming up. Told once for each reason until the session is up, and for at most
    /// 8 reasons: a peer that thinks of ever new ones fills no log.
    Refused(DownReason),
}

/// How a session left Established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// Why.
    pub reason: DownReason,
    /// Families whose routes are to be kept as stale (RFC 4724 §4.2, RFC 8538 §4); all others go at once.
    pub keep_stale: PerFamily<bool>,
}

/// Why a connection or session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// We sent this.
    Sent(Notification),
    /// The peer sent this.
    Received(Notification),
    /// TCP was closed or failed; text of the operating system, or "Connection closed".
    Closed(String),
    /// We closed the connection without a word, to restart (RFC 4724 §4).
    Left,
    /// A new connection of a gracefully restarting peer replaced this one (RFC 4724 §4.2).
    Replaced,
    /// The connection could not take our messages for the send hold time (RFC 9687).
    SendHoldTimer,
}

impl fmt::Display for DownReason {
    /// One short phrase, as operators know it from `birdcl`, and after it what else the NOTIFICATION says.
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
