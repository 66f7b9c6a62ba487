//! What `GET /v1/events` tells: each type is the data of the server-sent event of its name.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::ProblemEntry;
use super::route::RouteEntry;

/// `session`: a session came up or went down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionEvent {
    /// When.
    pub at: Timestamp,
    /// Name of the session.
    pub peer: String,
    /// Whether the session is up now.
    pub up: bool,
    /// What was agreed on, or why the session went down.
    pub text: String,
}

/// `plan`: a plan took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanEvent {
    /// When.
    pub at: Timestamp,
    /// Sessions that are configured now.
    pub sessions: usize,
    /// Names of sessions that came with it.
    pub added: Vec<String>,
    /// Names of sessions that went with it.
    pub removed: Vec<String>,
}

/// `problem`: something is wrong from now on, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemEvent {
    /// When.
    pub at: Timestamp,
    /// It is over.
    pub over: bool,
    /// What is or was wrong.
    pub problem: ProblemEntry,
}

/// `route`: a route changed, if routes are asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteEvent {
    /// When.
    pub at: Timestamp,
    /// Its prefix.
    pub prefix: String,
    /// The route before; `null` if there was none.
    pub old: Option<RouteEntry>,
    /// The route now; `null` if it is gone.
    pub new: Option<RouteEntry>,
}
