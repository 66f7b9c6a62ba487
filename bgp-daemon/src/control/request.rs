//! Requests to the owner of the speaker, and its answers.

use bgp_core::types::Family;
use tokio::sync::{mpsc, oneshot};

use super::command::Query;
use super::model::{
    ActionReport, BfdSessionSnapshot, ConfigureOutcome, InterfaceSnapshot, MemorySnapshot,
    NodeSnapshot, ProtocolSnapshot, RouteSnapshot, StatusSnapshot,
};

/// A request to the owner of the speaker.
#[derive(Debug)]
pub struct Request {
    /// The socket of the request: IPv4 for `bird.ctl`, IPv6 for `bird6.ctl`.
    pub family: Family,
    /// The query.
    pub query: Query,
    /// Receives the answer. Dropping it tells the client that there is none.
    pub reply: oneshot::Sender<Answer>,
}

/// An answer of the owner of the speaker.
#[derive(Debug)]
pub enum Answer {
    /// To [`Query::Status`].
    Status(StatusSnapshot),
    /// To [`Query::Protocols`]: the matching protocols, in the order of the output.
    Protocols(Vec<ProtocolSnapshot>),
    /// To [`Query::Routes`]: chunks of any size, with routes of one prefix adjacent and the best one first. The end is marked by
    /// dropping the sender. When the client disconnects, the receiver is dropped and sending fails; stop then. A client may read
    /// slowly, so send from a task that blocks nothing.
    Routes(mpsc::Receiver<Vec<RouteSnapshot>>),
    /// To any query that names an unknown protocol.
    NoProtocol,
    /// To any query about protocols or routes while there is no plan, and so no speaker. Not an empty list: readers would take
    /// the node for one without peers, which is ready.
    NoSpeaker,
    /// To [`Query::Interfaces`].
    Interfaces(Vec<InterfaceSnapshot>),
    /// To [`Query::BfdSessions`]; `None` if no peer of the family is watched.
    BfdSessions(Option<Vec<BfdSessionSnapshot>>),
    /// To [`Query::Memory`].
    Memory(MemorySnapshot),
    /// To [`Query::Configure`].
    Configured(ConfigureOutcome),
    /// To [`Query::Enable`], [`Query::Disable`], [`Query::Restart`] and [`Query::Reload`]: each matching protocol.
    Actions(Vec<ActionReport>),
    /// To [`Query::Snapshot`].
    Snapshot(Box<NodeSnapshot>),
}
