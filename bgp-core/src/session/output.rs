//! What a session wants done.

use std::sync::Arc;

use bytes::Bytes;

use super::down::{Down, DownReason};
use super::ids::ConnId;
use super::negotiated::Negotiated;
use crate::types::Family;
use crate::wire::{RouteRefresh, Update};

/// What is to happen, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Dial the peer; answer with [`Session::handle_connected`](super::Session::handle_connected) or
    /// [`Session::handle_connect_failed`](super::Session::handle_connect_failed).
    Connect,
    /// Give up the dialling that is under way, if any; no answer is wanted.
    CancelConnect,
    /// Write these octets to the connection, after all earlier ones.
    Transmit {
        /// The connection.
        conn: ConnId,
        /// Whole messages.
        bytes: Bytes,
    },
    /// Deliver what was handed over for transmission, then close. No answer is wanted.
    ///
    /// The owner bounds how long it tries to deliver: after the send hold time the peer takes nothing any more.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// The session is Established over this connection.
    Up {
        /// The connection.
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
