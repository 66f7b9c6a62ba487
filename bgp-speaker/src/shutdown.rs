//! How a speaker ends, and what its peers do with its routes.

use bgp_core::session::{DownReason, Stop};

/// How a speaker ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// Close sessions with graceful restart without a NOTIFICATION, so that their peers keep our routes (RFC 4724 §4). Other
    /// peers get a Cease.
    KeepRoutes,
    /// Send a Cease to every peer, with a text for its operator (RFC 9003). Peers drop our routes; a peer that negotiated RFC
    /// 8538 may keep them for the restart time.
    Cease(Option<String>),
    /// Send a Cease to every peer that makes it drop our routes at once (Hard Reset if RFC 8538 was negotiated).
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

/// How the Established sessions ended at a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partings {
    /// Peers that got a NOTIFICATION and have withdrawn our routes.
    pub told: usize,
    /// Peers without a NOTIFICATION, which keep our routes for the restart time (RFC 4724 §4.2).
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
