//! CalicoNodeStatus: the state of this node's speaker, written into the objects that request it.
//!
//! | part           | content                                                               |
//! |----------------|-----------------------------------------------------------------------|
//! | `status`       | pure: the snapshots of the control sockets to the status of an object |
//! | [`schedule`]   | pure: when each object is due                                         |
//! | [`mod@report`] | a task that queries, builds and passes the result to a [`StatusSink`] |
//! | [`StoreSink`]  | the sink of every datastore                                           |
//!
//! The task is a client of the speaker like the control sockets are.

pub mod report;
pub mod schedule;
mod status;
mod store_sink;

pub use report::{StatusSink, report};
pub use status::{
    AgentStatus, BgpStatus, DaemonState, DaemonStatus, LearnedFrom, MAX_ROUTES, NodeStatus,
    PeerStatus, RouteStatus, RoutesStatus, Seen, build,
};
pub use store_sink::StoreSink;
