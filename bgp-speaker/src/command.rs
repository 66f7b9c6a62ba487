//! Commands and questions from the owner of a neighbour.

use std::net::IpAddr;
use std::time::Instant;

use bgp_core::session::{DownReason, SessionStatus, Stop};
use bgp_core::types::PeerId;
use tokio::sync::oneshot;

use crate::bfd::{BfdSpec, BfdStatus};
use crate::handover::{Frozen, Quiet, Taken};

/// A command to a neighbour's task.
#[derive(Debug)]
pub(super) enum NeighbourCommand {
    /// Stop the session and keep it down, or restart it if the reason says so.
    Stop(Stop),
    /// Start the session if it is down.
    Start,
    /// Ask the peer for its routes again (RFC 2918).
    RequestRefresh,
    /// Watch the path to the peer with other settings; `None` ends the watch.
    Bfd(Option<BfdSpec>),
    /// Report the current status.
    Status(oneshot::Sender<NeighbourStatus>),
    /// Read no more, and reply when everything that was read is in the table.
    Hush(oneshot::Sender<Quiet>),
    /// Read again.
    GoOn,
    /// Do nothing any more until the receiver fires or its sender is gone; the reply is the state by then.
    Freeze(oneshot::Sender<Option<Frozen>>, oneshot::Receiver<()>),
    /// Continue a session of another process. The reply comes when the table can send to it.
    TakeOver(Box<Taken>, oneshot::Sender<()>),
    /// Stop the session and end the task. The reply comes when that is done, and tells how the session ended if it was up.
    Remove(Stop, oneshot::Sender<Option<DownReason>>),
}

/// The status of a neighbour.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NeighbourStatus {
    /// The peer's number in the RIB.
    pub peer: PeerId,
    /// When the session last came up or went down.
    pub since: Instant,
    /// Our address on the connection of the session, if the session is up.
    pub local_address: Option<IpAddr>,
    /// Octets of UPDATEs that TCP has taken, but that were not yet reported to the RIB: the RIB counts them as
    /// [outstanding](bgp_core::rib::Rib::outstanding).
    pub unreported_octets: usize,
    /// The status of BFD, if the path to the peer is watched.
    pub bfd: Option<BfdStatus>,
    /// The status of the session.
    pub session: SessionStatus,
}
