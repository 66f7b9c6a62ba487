//! Why a handover does not take place, and how long each side is patient.

use std::io;
use std::time::Duration;

use bgp_core::handover::Malformed;

use crate::event::Ended;

/// Why a handover did not take place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The old process does not hand over, for this reason.
    #[error("refused: {0}")]
    Refused(String),
    /// The other process is gone, or the socket fails.
    #[error("the other process: {0}")]
    Io(#[from] io::Error),
    /// The other process sends something else than was expected.
    #[error("the other process sends something unexpected")]
    Malformed,
    /// The other process took too long.
    #[error("the other process took too long")]
    Late,
    /// The speaker has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl From<Malformed> for HandoverError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// How long the other side may take for one message while sessions go on.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take while nobody serves the sessions. Less than a third of the shortest hold time.
pub(super) const FINAL_PATIENCE: Duration = Duration::from_millis(900);
