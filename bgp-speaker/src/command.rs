//! What the owner of a neighbour says and asks.

use std::net::IpAddr;
use std::time::Instant;

use bgp_core::session::{DownReason, SessionStatus, Stop};
use bgp_core::types::PeerId;
use tokio::sync::oneshot;

/// What the owner wants of a neighbour.
#[derive(Debug)]
pub(super) enum Command {
    /// Stop the session and keep it down, or start it anew if the reason says so.
    Stop(Stop),
    /// Start it if it is down.
    Start,
    /// Ask the peer for its routes again.
    RequestRefresh,
    /// How is it?
    Status(oneshot::Sender<NeighbourStatus>),
    /// Stop the session and end the task; answered when that is done, with how the session ended if it was up.
    Remove(Stop, oneshot::Sender<Option<DownReason>>),
}

/// How a neighbour is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NeighbourStatus {
    /// The number by which the RIB knows it.
    pub peer: PeerId,
    /// When it last came up or went down.
    pub since: Instant,
    /// Our address on the connection of the session, if it is up.
    pub local_address: Option<IpAddr>,
    /// Octets of UPDATEs that TCP has taken, and of which the RIB does not know yet: they count there as
    /// [outstanding](bgp_core::rib::Rib::outstanding).
    pub unreported_octets: usize,
    /// Its session.
    pub session: SessionStatus,
}
