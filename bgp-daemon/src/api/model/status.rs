//! The speaker as a whole.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The speaker as a whole: `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Name of the node.
    pub node: String,
    /// Version of the program.
    pub version: String,
    /// BGP identifier; `null` while there is no plan for the node.
    #[serde(rename = "routerID")]
    pub router_id: Option<String>,
    /// AS number of the node.
    #[serde(rename = "localAS")]
    pub local_as: Option<u32>,
    /// When the process started.
    pub boot: Timestamp,
    /// When a plan last took effect.
    pub reconfigured: Timestamp,
    /// The process is ending.
    pub stopping: bool,
    /// Decisions wait for peers after a restart (RFC 4724 §4.1).
    pub recovering: bool,
    /// How far the drain of the node is: `graceful-shutdown` or `withdrawn`; `null` if the node is not drained.
    pub drain: Option<String>,
    /// Whether the speaker is ready, as in `/readyz`.
    pub ready: bool,
    /// The missing conditions.
    pub missing: Vec<Missing>,
    /// Sessions.
    pub sessions: SessionTotals,
    /// Number of current problems: see `/v1/problems`.
    pub problems: usize,
}

/// Numbers of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionTotals {
    /// Configured.
    pub configured: usize,
    /// Established.
    pub established: usize,
    /// Disabled by an operator.
    pub disabled: usize,
    /// Those whose path is watched by BFD.
    #[serde(default)]
    pub watched: usize,
    /// Those of them whose BFD session is up.
    #[serde(default)]
    pub watched_up: usize,
}

/// Readiness: `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// The resources are read, and the routes of each family are exchanged, or were awaited for long enough.
    pub ready: bool,
    /// The missing conditions.
    pub missing: Vec<Missing>,
}

/// A condition for readiness that is not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// `resources`, `node`, or a family: `ipv4-unicast`, `ipv6-unicast`.
    pub what: String,
    /// One sentence.
    pub reason: String,
}
