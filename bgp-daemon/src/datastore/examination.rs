//! What a source answers when everything is asked of it once, also where it answers only in part.

use jiff::SignedDuration;

use crate::resources::Loaded;

/// What a source answered.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// The resources; `None` if something without which nothing can be said cannot be read.
    pub loaded: Option<Loaded>,
    /// What cannot be read.
    pub unread: Vec<Unread>,
    /// By how much its clock is ahead of ours, where it tells the time: to about a second.
    pub ahead: Option<SignedDuration>,
}

/// Something that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What: `bgppeers`, a Secret, a path.
    pub what: String,
    /// Why, in the words of the source.
    pub reason: String,
    /// The source does not let us.
    pub forbidden: bool,
    /// Nothing can be said without it.
    pub required: bool,
}
