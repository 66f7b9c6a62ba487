//! The risk of a line in a summary.

use serde::Serialize;

use super::times::Times;

/// The kind of risk, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// A node loses all sessions.
    NodeCutOff,
    /// Sessions end for good.
    SessionRemoved,
    /// A default route starts or stops to pass.
    DefaultRoute,
    /// A block of workload addresses is withdrawn.
    BlockWithdrawn,
    /// Another prefix is withdrawn.
    RouteWithdrawn,
    /// Sessions restart.
    SessionRestarted,
    /// An object, or a part of it, is left out.
    NewError,
    /// Routes are announced with other attributes.
    RouteChanged,
    /// Kernel routes change.
    Kernel,
    /// Settings of a speaker.
    Setting,
    /// New sessions.
    SessionAdded,
    /// A prefix is announced.
    RouteAnnounced,
    /// Sessions stay up with other settings.
    SessionChanged,
    /// A setting has no effect.
    NewWarning,
}

/// A line with a risk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RiskLine {
    /// The risk.
    pub risk: Risk,
    /// A description.
    pub text: String,
    /// How often.
    #[serde(flatten)]
    pub times: Times,
}
