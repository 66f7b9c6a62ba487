//! Settings of the speaker as a whole, and errors in settings.

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
    /// Our AS. [`PeerSpec::local_as`](crate::PeerSpec::local_as) can override it for a peer.
    pub local_as: Asn,
    /// Settings of the RIB, including our BGP identifier.
    pub rib: RibConfig,
}

impl SpeakerConfig {
    /// A speaker that does not forward packets: all next hops count as reachable, and no route is installed.
    pub fn new(local_as: Asn, router_id: RouterId) -> Self {
        Self {
            local_as,
            rib: RibConfig::new(router_id),
        }
    }

    /// Replaces the settings of the RIB, including the router ID.
    #[must_use]
    pub fn with_rib(mut self, rib: RibConfig) -> Self {
        self.rib = rib;
        self
    }

    /// Checks that the values are usable.
    ///
    /// # Errors
    ///
    /// The first unusable value.
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

/// A setting with an unusable value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{field}: {reason}", peer.as_ref().map_or_else(String::new, |peer| format!("peer {peer}: ")))]
#[non_exhaustive]
pub struct ConfigError {
    /// The peer; `None` for the speaker itself.
    pub peer: Option<Arc<str>>,
    /// Name of the field of [`PeerSpec`](crate::PeerSpec), [`SpeakerConfig`] or [`RibConfig`].
    pub field: &'static str,
    /// The expected value, and the value found.
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

    /// The same error, attributed to a peer.
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

/// AS 0 is reserved (RFC 7607).
pub(crate) fn check_as(field: &'static str, asn: Asn) -> Result<(), ConfigError> {
    match asn.0 {
        0 => Err(ConfigError::new(field, "expected an AS number, found 0")),
        _ => Ok(()),
    }
}
