//! Events of `GET /v1/events`: each type is the data of the server-sent event of its name.

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
    /// The negotiated families and capabilities, or why the session went down.
    pub text: String,
}

/// `plan`: a plan took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanEvent {
    /// When.
    pub at: Timestamp,
    /// Number of configured sessions.
    pub sessions: usize,
    /// Names of added sessions.
    pub added: Vec<String>,
    /// Names of removed sessions.
    pub removed: Vec<String>,
}

/// `problem`: a problem appeared or disappeared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemEvent {
    /// When.
    pub at: Timestamp,
    /// The problem is over.
    pub over: bool,
    /// The problem.
    pub problem: ProblemEntry,
}

/// `route`: a route changed, if routes were requested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteEvent {
    /// When.
    pub at: Timestamp,
    /// The prefix.
    pub prefix: String,
    /// The route before; `null` if there was none.
    pub old: Option<RouteEntry>,
    /// The route now; `null` if it was withdrawn.
    pub new: Option<RouteEntry>,
}
