//! Snapshots of the speaker: plain values that say all that a status command can print.
//!
//! Filled in by the owner of the speaker, turned into text by [`render`](super::render) and into JSON by
//! [`json`](super::json). Nothing here holds a password, and nothing here refers back to the speaker: a snapshot may be
//! rendered long after it was taken.

mod interface;
mod protocol;
mod route;
mod text;

use std::sync::Arc;

use bgp_core::types::{Asn, RouterId};
use jiff::Timestamp;
use serde::Serialize;

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
    /// What it is busy with.
    pub phase: Phase,
    /// Graceful restart recovery (RFC 4724 §4.1), while it is under way.
    pub recovery: Option<RecoverySnapshot>,
}

/// What the speaker as a whole is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Its work.
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
    /// How many sessions are waited for.
    pub waiting: usize,
    /// Seconds until it is given up.
    pub remaining_secs: u64,
    /// Seconds that it may take in all.
    pub total_secs: u64,
}
/// Octets in use, for `show memory`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemorySnapshot {
    /// Prefixes and paths.
    pub routing_tables: u64,
    /// Path attributes.
    pub route_attributes: u64,
    /// Messages on their way to peers.
    pub protocols: u64,
    /// All of the process.
    pub total: u64,
}

/// What came of `enable`, `disable`, `restart` or `reload` for one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionReport {
    /// Which protocol.
    pub name: Arc<str>,
    /// What came of it.
    pub outcome: ActionOutcome,
}

/// What came of `enable`, `disable`, `restart` or `reload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    /// It is switched on now.
    Enabled,
    /// It was on already.
    AlreadyEnabled,
    /// It is switched off now.
    Disabled,
    /// It was off already; also the answer to `restart` and `reload` of one that is off.
    AlreadyDisabled,
    /// It starts anew.
    Restarted,
    /// Its routes are asked for and sent again.
    Reloading,
    /// It cannot: the session is down, or the peer does not answer ROUTE-REFRESH.
    ReloadFailed,
}

/// What came of `configure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigureOutcome {
    /// The plan was made anew and is in effect.
    Reconfigured,
    /// The plan was made anew; peers are still being moved to it.
    InProgress,
    /// The old plan stays.
    Failed(String),
}

/// An object that is left out of the plan, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemSnapshot {
    /// Which, such as `BGPPeer(rack1-tor)`.
    pub object: String,
    /// One sentence.
    pub reason: String,
}

/// All that one socket knows, for `show snapshot`.
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
    /// What was left out, for all families.
    pub problems: Vec<ProblemSnapshot>,
    /// The protocols of the family that was asked for.
    pub protocols: Vec<ProtocolSnapshot>,
}
