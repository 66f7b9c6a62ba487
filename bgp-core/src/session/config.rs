//! Settings of one session: everything that goes into an OPEN or into a timer.

use std::net::IpAddr;
use std::time::Duration;

use crate::types::{AfiSafi, Asn, Family, Role, RouterId};
use crate::wire::{AddPathDirection, ExtraCapability};

/// Settings of one session. Changing any of them requires a new session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SessionConfig {
    /// Our AS number on this session.
    pub local_as: Asn,
    /// The required AS number of the peer.
    pub peer_as: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// The peer's address, for information only; the session does not dial.
    pub peer_address: IpAddr,
    /// Wait for the peer to connect; never dial.
    pub passive: bool,
    /// Proposed hold time, whole seconds: zero, or 3 s to 65535 s (RFC 4271 §4.2).
    pub hold_time: Duration,
    /// Interval between KEEPALIVEs. `None`, or a longer interval, is a third of the negotiated hold time.
    pub keepalive_time: Option<Duration>,
    /// Delay before the first attempt to connect after a start.
    pub connect_delay: Duration,
    /// Interval between attempts to connect; at least one second.
    pub connect_retry_time: Duration,
    /// Shortest and longest time in Idle after an error; doubles from one to the other (RFC 4271 §8.1.1). At least one second.
    pub idle_hold: (Duration, Duration),
    /// Families to offer; at least one.
    pub families: Vec<Family>,
    /// Additional paths to offer, for every family (RFC 7911).
    pub add_path: Option<AddPathDirection>,
    /// Offer messages up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Offer IPv6 next hops for IPv4 routes (RFC 8950).
    pub extended_next_hop: bool,
    /// Offer graceful restart (RFC 4724); `None` does not advertise the capability at all.
    pub graceful_restart: Option<GracefulRestart>,
    /// Offer long-lived graceful restart (RFC 9494) with this stale time; zero advertises the capability only.
    pub long_lived_stale_time: Option<Duration>,
    /// Our role, and whether the peer must have the matching role (RFC 9234).
    pub role: Option<RoleConfig>,
    /// Host name to advertise.
    pub fqdn: Option<String>,
    /// Software version to advertise.
    pub software_version: Option<String>,
    /// Further families to offer, whose routes are exchanged with the owner as octets
    /// ([`Update::opaque`](crate::wire::Update::opaque)). Families that can be routed here are left out. Their routes are lost
    /// when the session ends: graceful restart is not offered for them.
    pub opaque_families: Vec<AfiSafi>,
    /// Further capabilities of the owner (RFC 5492). Capabilities that would make the OPEN longer than 4096 octets are left out.
    pub extra_capabilities: Vec<ExtraCapability>,
}

impl SessionConfig {
    /// A session with the timers that RFC 4271 §10 suggests and the usual capabilities, for the family of the peer's address.
    pub fn new(local_as: Asn, router_id: RouterId, peer_address: IpAddr, peer_as: Asn) -> Self {
        Self {
            local_as,
            peer_as,
            router_id,
            peer_address,
            passive: false,
            hold_time: Duration::from_secs(90),
            keepalive_time: None,
            connect_delay: Duration::ZERO,
            connect_retry_time: Duration::from_secs(5),
            idle_hold: (Duration::from_secs(1), Duration::from_secs(60)),
            families: vec![Family::of(peer_address)],
            add_path: None,
            extended_messages: false,
            extended_next_hop: false,
            graceful_restart: None,
            long_lived_stale_time: None,
            role: None,
            fqdn: None,
            software_version: None,
            opaque_families: Vec::new(),
            extra_capabilities: Vec::new(),
        }
    }
}

/// Settings of graceful restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GracefulRestart {
    /// Seconds, at most 4095.
    pub restart_time: u16,
    /// The process has just been restarted and preserved its forwarding state: R and F bits in the first OPEN.
    pub restarting: bool,
    /// Offer the N bit (RFC 8538 §2).
    pub notification: bool,
}

impl GracefulRestart {
    /// Routes are kept for this time, in seconds (at most 4095), but not after a NOTIFICATION; the process has not been
    /// restarted.
    pub fn new(restart_time: u16) -> Self {
        Self {
            restart_time,
            restarting: false,
            notification: false,
        }
    }

    /// Sets [`restarting`](Self::restarting).
    pub fn with_restarting(self, restarting: bool) -> Self {
        Self { restarting, ..self }
    }

    /// Sets [`notification`](Self::notification).
    pub fn with_notification(self, notification: bool) -> Self {
        Self {
            notification,
            ..self
        }
    }
}

/// Our BGP role (RFC 9234 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RoleConfig {
    /// Our role towards the peer.
    pub role: Role,
    /// Refuse a peer without a role.
    pub strict: bool,
}

impl RoleConfig {
    /// Our role towards the peer; a peer without a role is accepted.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            strict: false,
        }
    }

    /// Sets [`strict`](Self::strict).
    pub fn with_strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }
}
