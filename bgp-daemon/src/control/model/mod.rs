//! Snapshots of the speaker: plain values with everything that a status command can print.
//!
//! Made by the owner of the speaker, rendered to text by [`render`](super::render) and to JSON by [`json`](super::json). A
//! snapshot holds no password and no reference to the speaker: it may be rendered long after it was taken.

mod bfd;
mod interface;
mod protocol;
mod route;
mod text;

use std::sync::Arc;

use bgp_core::types::{Asn, RouterId};
use jiff::Timestamp;
use serde::Serialize;

use crate::plan::Drain;

pub use bfd::{BfdSessionSnapshot, BfdSnapshot};
pub use interface::{AddressScope, AddressSnapshot, InterfaceSnapshot, LinkKind};
pub use protocol::{
    BgpSnapshot, BgpState, ChangeCounts, Countdown, ErrorClass, EstablishedSnapshot, LastError,
    NeighborCapabilities, ProtocolKind, ProtocolSnapshot, ProtocolState, RestartSupport,
    RouteChanges, RouteCounts, RouteLimit, Waiting,
};
pub use route::{BgpAttributes, BgpRouteSnapshot, IgpMetric, RouteSnapshot};
use text::as_text;

/// The speaker as a whole, for `show status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusSnapshot {
    /// Its BGP identifier.
    #[serde(rename = "routerID")]
    pub router_id: RouterId,
    /// When the process started.
    #[serde(serialize_with = "as_text")]
    pub boot: Timestamp,
    /// When a new plan last took effect.
    #[serde(serialize_with = "as_text")]
    pub reconfigured: Timestamp,
    /// Its current phase.
    pub phase: Phase,
    /// Graceful restart recovery (RFC 4724 §4.1), while in progress.
    pub recovery: Option<RecoverySnapshot>,
    /// How far the drain of the node is, if the node is drained.
    pub drain: Option<Drain>,
}

/// The phase of the speaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Normal operation.
    #[default]
    Running,
    /// Moving to a new plan.
    Reconfiguring,
    /// Ending.
    ShuttingDown,
}

/// After a restart: peers that have not sent all their routes yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoverySnapshot {
    /// Number of awaited sessions.
    pub waiting: usize,
    /// Seconds until the recovery ends.
    pub remaining_secs: u64,
    /// Limit of the recovery, seconds.
    pub total_secs: u64,
}
/// Octets in use, for `show memory`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemorySnapshot {
    /// Prefixes and paths.
    pub routing_tables: u64,
    /// Path attributes.
    pub route_attributes: u64,
    /// Messages in flight to peers.
    pub protocols: u64,
    /// The whole process.
    pub total: u64,
}

/// The result of `enable`, `disable`, `restart` or `reload` for one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionReport {
    /// The protocol.
    pub name: Arc<str>,
    /// The result.
    pub outcome: ActionOutcome,
}

/// The result of `enable`, `disable`, `restart` or `reload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    /// Now enabled.
    Enabled,
    /// Was already enabled.
    AlreadyEnabled,
    /// Now disabled.
    Disabled,
    /// Was already disabled; also the result of `restart` and `reload` of a disabled protocol.
    AlreadyDisabled,
    /// Restarted.
    Restarted,
    /// Its routes are requested and sent again.
    Reloading,
    /// Not possible: the session is down, or the peer does not support ROUTE-REFRESH.
    ReloadFailed,
}

/// The result of `configure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigureOutcome {
    /// The plan was made again and is in effect.
    Reconfigured,
    /// The plan was made again; peers are still being changed.
    InProgress,
    /// The old plan stays.
    Failed(String),
}

/// An object that is left out of the plan, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemSnapshot {
    /// The object, such as `BGPPeer(rack1-tor)`.
    pub object: String,
    /// One sentence.
    pub reason: String,
}

/// Everything that one socket knows, for `show snapshot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSnapshot {
    /// Name of the node.
    pub node: String,
    /// Its AS number.
    #[serde(rename = "localAS")]
    pub local_as: Asn,
    /// The speaker as a whole.
    #[serde(flatten)]
    pub status: StatusSnapshot,
    /// Problems, for all families.
    pub problems: Vec<ProblemSnapshot>,
    /// The protocols of the requested family.
    pub protocols: Vec<ProtocolSnapshot>,
}
