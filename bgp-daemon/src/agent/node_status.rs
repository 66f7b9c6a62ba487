//! CalicoNodeStatus: the state of this node's speaker, written into the objects that request it.
//!
//! | part         | what it is                                                                      |
//! |--------------|---------------------------------------------------------------------------------|
//! | `status`     | pure: from the snapshots that the control sockets print to the status of an object |
//! | [`schedule`] | pure: which object is due when                                                  |
//! | [`mod@report`] | a task that asks, builds and hands the result to a [`StatusSink`]               |
//! | [`StoreSink`] | the sink that every datastore has                                              |
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
