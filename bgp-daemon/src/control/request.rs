//! Questions for the owner of the speaker, and its answers.

use bgp_core::types::Family;
use tokio::sync::{mpsc, oneshot};

use super::command::Query;
use super::model::{
    ActionReport, ConfigureOutcome, InterfaceSnapshot, MemorySnapshot, NodeSnapshot,
    ProtocolSnapshot, RouteSnapshot, StatusSnapshot,
};

/// A question for the owner of the speaker.
#[derive(Debug)]
pub struct Request {
    /// Which socket it came in on: IPv4 for `bird.ctl`, IPv6 for `bird6.ctl`.
    pub family: Family,
    /// What is asked.
    pub query: Query,
    /// Where the answer goes. Dropping it tells the client that there is none.
    pub reply: oneshot::Sender<Answer>,
}

/// An answer of the owner of the speaker.
#[derive(Debug)]
pub enum Answer {
    /// To [`Query::Status`].
    Status(StatusSnapshot),
    /// To [`Query::Protocols`]: those whose names match, in the order in which they are shown.
    Protocols(Vec<ProtocolSnapshot>),
    /// To [`Query::Routes`], in chunks of any size, routes of one prefix one after the other, best first. Ends when the sender
    /// is dropped. When the client goes away the receiver is dropped, and sending fails: stop then. A client may read slowly,
    /// so send from a task that holds nothing up.
    Routes(mpsc::Receiver<Vec<RouteSnapshot>>),
    /// To any query that names a protocol which does not exist.
    NoProtocol,
    /// To any query about protocols or routes while there is no speaker, since there is no plan for it. Not an empty list:
    /// readers would take the node for one without peers, which is ready.
    NoSpeaker,
    /// To [`Query::Interfaces`].
    Interfaces(Vec<InterfaceSnapshot>),
    /// To [`Query::Memory`].
    Memory(MemorySnapshot),
    /// To [`Query::Configure`].
    Configured(ConfigureOutcome),
    /// To [`Query::Enable`], [`Query::Disable`], [`Query::Restart`] and [`Query::Reload`]: each protocol that was meant.
    Actions(Vec<ActionReport>),
    /// To [`Query::Snapshot`].
    Snapshot(Box<NodeSnapshot>),
}
