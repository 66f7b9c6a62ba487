//! The complete answer of a source to a single reading, including partial failures.

use jiff::SignedDuration;

use crate::resources::Loaded;

/// The answer of a source.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// The resources; `None` if a required part cannot be read.
    pub loaded: Option<Loaded>,
    /// Unreadable parts.
    pub unread: Vec<Unread>,
    /// How far its clock is ahead of ours, if it tells the time: accurate to about a second.
    pub ahead: Option<SignedDuration>,
}

/// An unreadable part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The part: `bgppeers`, a Secret, a path.
    pub what: String,
    /// The reason, with the message of the source.
    pub reason: String,
    /// A permission is missing.
    pub forbidden: bool,
    /// The part is required.
    pub required: bool,
}
