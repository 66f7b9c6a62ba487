//! The answers of the API: plain values, with the JSON keys defined here. Keys may be added later.

mod bfd;
mod event;
mod problem;
mod proposal;
mod route;
mod session;
mod status;

pub use bfd::Bfd;
pub use event::{PlanEvent, ProblemEvent, RouteEvent, SessionEvent};
pub use problem::{ProblemEntry, Problems};
pub use proposal::{Proposal, Proposed, ProposedFile};
pub use route::{RouteEntry, RouteView, Routes};
pub use session::{
    AddPath, Agreement, GracefulRestart, Messages, NotificationEntry, Session, SessionError,
    SessionRoutes, SessionState, Sessions,
};
pub use status::{Missing, Readiness, SessionTotals, Status};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorAnswer {
    /// One sentence.
    pub error: String,
}
