//! Outputs of a session.

use std::sync::Arc;

use bytes::Bytes;

use super::down::{Down, DownReason};
use super::ids::ConnId;
use super::negotiated::Negotiated;
use crate::types::Family;
use crate::wire::{RouteRefresh, Update};

/// An output, to be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Dial the peer; answer with [`Session::handle_connected`](super::Session::handle_connected) or
    /// [`Session::handle_connect_failed`](super::Session::handle_connect_failed).
    Connect,
    /// Cancel the dialling in progress, if any; there is no answer.
    CancelConnect,
    /// Write these octets to the connection, in order.
    Transmit {
        /// The connection.
        conn: ConnId,
        /// Complete messages.
        bytes: Bytes,
    },
    /// Deliver the octets queued for transmission, then close the connection. There is no answer.
    ///
    /// The owner limits the time for delivery: after the send hold time the peer takes nothing any more.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// The session is Established over this connection.
    Up {
        /// The connection.
        conn: ConnId,
        /// The negotiated properties.
        negotiated: Arc<Negotiated>,
    },
    /// Routes were announced or withdrawn.
    Update(Update),
    /// The peer has sent all routes of the family (RFC 4724 §2).
    EndOfRib(Family),
    /// The peer asks for our routes again, or marks the start or end of its own answer (RFC 2918, RFC 7313). Always for a
    /// negotiated family and a known kind.
    Refresh(RouteRefresh),
    /// The session left Established.
    Down(Down),
    /// A NOTIFICATION prevents the session from coming up. Reported once per reason until the session is up, and for at most 8
    /// reasons, so that a peer cannot fill the log.
    Refused(DownReason),
}
