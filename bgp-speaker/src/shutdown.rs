//! How a speaker ends, and what its peers made of the end.

use bgp_core::session::{DownReason, Stop};

/// How a speaker ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// Peers with which graceful restart was agreed on are left without a NOTIFICATION and keep our routes (RFC 4724 §4); others are
    /// told.
    KeepRoutes,
    /// Every peer is told, with a text for its operator (RFC 9003), and drops our routes; one with which RFC 8538 was agreed on may
    /// keep them for the restart time.
    Cease(Option<String>),
    /// Every peer is told, and drops our routes at once (Hard Reset where RFC 8538 was agreed on).
    Hard,
}

impl From<Shutdown> for Stop {
    fn from(shutdown: Shutdown) -> Self {
        match shutdown {
            Shutdown::KeepRoutes => Self::Restart,
            Shutdown::Cease(text) => Self::SoftShutdown(text),
            Shutdown::Hard => Self::Shutdown(None),
        }
    }
}

/// How sessions that were up ended at a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partings {
    /// So many peers were told that the session is over, and have withdrawn our routes.
    pub told: usize,
    /// So many were left without a word, and keep our routes for the restart time (RFC 4724 §4.2).
    pub left: usize,
}

impl Partings {
    pub(crate) fn count(&mut self, reason: &DownReason) {
        match reason {
            DownReason::Left => self.left += 1,
            _ => self.told += 1,
        }
    }
}
