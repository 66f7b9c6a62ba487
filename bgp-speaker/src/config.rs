//! Settings of the speaker as a whole, and mistakes in settings.

use std::sync::Arc;

use bgp_core::rib::RibConfig;
use bgp_core::types::{Asn, RouterId};

/// Settings of the speaker as a whole.
///
/// ```
/// use bgp_core::types::{Asn, RouterId};
/// use bgp_speaker::SpeakerConfig;
///
/// let config = SpeakerConfig::new(Asn(65001), RouterId([192, 0, 2, 1].into()));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpeakerConfig {
    /// Our AS; a peer may have another one for us, see [`PeerSpec::local_as`](crate::PeerSpec::local_as).
    pub local_as: Asn,
    /// The RIB's settings, our BGP identifier among them.
    pub rib: RibConfig,
}

impl SpeakerConfig {
    /// A speaker that does not forward packets: next hops count as reachable, and no route is installed.
    pub fn new(local_as: Asn, router_id: RouterId) -> Self {
        Self {
            local_as,
            rib: RibConfig::new(router_id),
        }
    }

    /// The same with other settings of the RIB; its router ID counts.
    #[must_use]
    pub fn with_rib(mut self, rib: RibConfig) -> Self {
        self.rib = rib;
        self
    }

    /// Looks for values that no session can have.
    ///
    /// # Errors
    ///
    /// The first one.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_as("local_as", self.local_as)?;
        match self.rib.router_id.0.is_unspecified() {
            true => Err(ConfigError::new(
                "router_id",
                "expected an identifier other than 0.0.0.0",
            )),
            false => Ok(()),
        }
    }
}

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{field}: {reason}", peer.as_ref().map_or_else(String::new, |peer| format!("peer {peer}: ")))]
#[non_exhaustive]
pub struct ConfigError {
    /// The peer; `None` for the speaker itself.
    pub peer: Option<Arc<str>>,
    /// The field of [`PeerSpec`](crate::PeerSpec), [`SpeakerConfig`] or [`RibConfig`].
    pub field: &'static str,
    /// The value that was expected, and the one found.
    pub reason: String,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self {
            peer: None,
            field,
            reason: reason.into(),
        }
    }

    /// The same, of a peer.
    pub(crate) fn of(self, peer: &Arc<str>) -> Self {
        Self {
            peer: Some(Arc::clone(peer)),
            ..self
        }
    }

    pub(crate) fn twice(peer: &Arc<str>, other: &str) -> Self {
        Self::new("remote", format!("the peer {other} has the same address")).of(peer)
    }
}

/// AS 0 is nobody's (RFC 7607).
pub(crate) fn check_as(field: &'static str, asn: Asn) -> Result<(), ConfigError> {
    match asn.0 {
        0 => Err(ConfigError::new(field, "expected an AS number, found 0")),
        _ => Ok(()),
    }
}
