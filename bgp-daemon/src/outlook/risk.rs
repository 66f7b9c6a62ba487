//! In which way a line of a summary might hurt.

use serde::Serialize;

use super::times::Times;

/// What kind of harm a line may do, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// A node has sessions no more.
    NodeCutOff,
    /// Sessions end for good.
    SessionRemoved,
    /// A default route comes or goes.
    DefaultRoute,
    /// A block of addresses of workloads is withdrawn.
    BlockWithdrawn,
    /// Another prefix is withdrawn.
    RouteWithdrawn,
    /// Sessions start anew.
    SessionRestarted,
    /// An object, or a part of it, is left out.
    NewError,
    /// Peers are told other attributes.
    RouteChanged,
    /// What is written into the kernel.
    Kernel,
    /// Settings of a speaker.
    Setting,
    /// Sessions are new.
    SessionAdded,
    /// A prefix is announced.
    RouteAnnounced,
    /// Sessions go on with other settings.
    SessionChanged,
    /// Something has no effect.
    NewWarning,
}

/// Something that might hurt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RiskLine {
    /// In which way.
    pub risk: Risk,
    /// What happens, for people.
    pub text: String,
    /// How often.
    #[serde(flatten)]
    pub times: Times,
}
