//! The settings of a peer. Each value is stored once here; the configuration types of `bgp-core` are derived from it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::policy::Policy;
use bgp_core::rib::{NextHopMode, PeerConfig, PeerKind};
use bgp_core::session::SessionConfig;
use bgp_core::session::config::{GracefulRestart, RoleConfig};
use bgp_core::speaker::NeighbourConfig;
use bgp_core::types::{AfiSafi, Asn, Family, PerFamily};
use bgp_core::wire::{AddPathDirection, ExtraCapability, NextHop};

use crate::bfd::BfdSpec;
use crate::config::{ConfigError, SpeakerConfig, check_as};
use crate::connect::{self, Dial};
use crate::sockopt::{Md5Key, Ttl};

/// The settings of a peer.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use bgp_core::policy::Policy;
/// use bgp_core::types::Asn;
/// use bgp_speaker::PeerSpec;
///
/// let mut tor = PeerSpec::new("192.0.2.1:179".parse().unwrap(), Asn(65002));
/// tor.hold_time = Duration::from_secs(9);
/// // An eBGP session exchanges nothing until its policies say so (RFC 8212).
/// tor.import = Some(Arc::new(Policy::ACCEPT));
/// tor.export = Some(Arc::new(Policy::ACCEPT));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerSpec {
    /// The peer's address, and the port to dial. A link-local address carries its interface as scope.
    pub remote: SocketAddr,
    /// The required AS of the peer.
    pub peer_as: Asn,
    /// Our AS on this session; `None` is the speaker's AS.
    pub local_as: Option<Asn>,
    /// Our address on this session; `None` leaves the choice to the kernel.
    pub source: Option<IpAddr>,
    /// Wait for the peer to connect; never dial.
    pub passive: bool,
    /// TCP MD5 key, required in both directions (RFC 2385).
    pub md5: Option<Md5Key>,
    /// TTL to send and to require.
    pub ttl: Ttl,
    /// Limit for a TCP handshake.
    pub connect_timeout: Duration,
    /// Delay before the first attempt to connect after a start.
    pub connect_delay: Duration,
    /// Interval between attempts to connect; at least one second.
    pub connect_retry_time: Duration,
    /// Shortest and longest time in Idle after an error (RFC 4271 §8.1.1).
    pub idle_hold: (Duration, Duration),
    /// Proposed hold time, whole seconds: zero, or 3 s to 65535 s (RFC 4271 §4.2).
    pub hold_time: Duration,
    /// Interval between KEEPALIVEs. `None`, or a longer interval, is a third of the negotiated hold time.
    pub keepalive_time: Option<Duration>,
    /// Families to offer and to route, without duplicates. At least one, unless there are opaque families.
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
    /// Our role, between different ASes only, and whether the peer must have the matching role (RFC 9234).
    pub role: Option<RoleConfig>,
    /// Host name to advertise.
    pub fqdn: Option<String>,
    /// Software version to advertise.
    pub software_version: Option<String>,
    /// Further families to offer, which are not routed here: see [`opaque`](crate::opaque).
    pub opaque_families: Vec<AfiSafi>,
    /// Further capabilities of the owner (RFC 5492). Capabilities that would make the OPEN longer than 4096 octets are left out.
    pub extra_capabilities: Vec<ExtraCapability>,
    /// The peer is our client (RFC 4456); it must be in our AS.
    pub route_reflector_client: bool,
    /// How often our AS may occur in an AS_PATH from the peer.
    pub allowed_local_as: u32,
    /// The next hop to advertise.
    pub next_hop_mode: NextHopMode,
    /// Our next hops for families other than that of the session's addresses, or instead of the local address.
    pub own_next_hop: PerFamily<Option<NextHop>>,
    /// Over link-local addresses, send this address in front of the link-local next hop: 32 octets (RFC 2545 §3); `::` repeats the
    /// link-local one. `None` sends it alone, 16 octets (RFC 8950 §3).
    pub global_next_hop: Option<Ipv6Addr>,
    /// Import policy; `None` accepts everything on iBGP sessions, and nothing on eBGP sessions (RFC 8212 §3).
    pub import: Option<Arc<Policy>>,
    /// Export policy; `None` as for `import`.
    pub export: Option<Arc<Policy>>,
    /// More prefixes than this end the session (RFC 4486 §4).
    pub max_prefixes: PerFamily<Option<u32>>,
    /// Watch the path to the peer by BFD (RFC 5882).
    pub bfd: Option<BfdSpec>,
}

/// Generates the comparison of two specs. Does not compile while a field is in no list.
macro_rules! compared_fields {
    (restart: $($restart:ident),*; soft: $($soft:ident),*;) => {
        impl PeerSpec {
            /// The changed fields that require a new session, because they were negotiated or belong to the connection.
            pub fn restarts_because(&self, new: &Self) -> impl Iterator<Item = &'static str> {
                let Self { $($restart: _,)* $($soft: _,)* } = self;
                [$((self.$restart != new.$restart).then_some(stringify!($restart))),*].into_iter().flatten()
            }

            /// The changed fields that do not affect the session: routes are evaluated again.
            pub fn changes_softly(&self, new: &Self) -> impl Iterator<Item = &'static str> {
                [$((self.$soft != new.$soft).then_some(stringify!($soft))),*].into_iter().flatten()
            }
        }
    };
}

compared_fields! {
    restart: remote, peer_as, local_as, source, passive, md5, ttl, connect_timeout, connect_delay, connect_retry_time, idle_hold,
        hold_time, keepalive_time, families, add_path, extended_messages, extended_next_hop, graceful_restart,
        long_lived_stale_time, role, fqdn, software_version, opaque_families, extra_capabilities, own_next_hop, global_next_hop;
    soft: route_reflector_client, allowed_local_as, next_hop_mode, import, export, max_prefixes, bfd;
}

impl PeerSpec {
    /// A peer with the timers of RFC 4271 §10 and the defaults of [`SessionConfig::new`], for the family of its address.
    pub fn new(remote: SocketAddr, peer_as: Asn) -> Self {
        Self {
            remote,
            peer_as,
            local_as: None,
            source: None,
            passive: false,
            md5: None,
            ttl: Ttl::System,
            connect_timeout: connect::TIMEOUT,
            connect_delay: Duration::ZERO,
            connect_retry_time: Duration::from_secs(5),
            idle_hold: (Duration::from_secs(1), Duration::from_secs(60)),
            hold_time: Duration::from_secs(90),
            keepalive_time: None,
            families: vec![Family::of(remote.ip())],
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
            route_reflector_client: false,
            allowed_local_as: 0,
            next_hop_mode: NextHopMode::Auto,
            own_next_hop: PerFamily::default(),
            global_next_hop: None,
            import: None,
            export: None,
            max_prefixes: PerFamily::default(),
            bfd: None,
        }
    }

    /// Sets the import and export policies.
    #[must_use]
    pub fn with_policies(mut self, import: Arc<Policy>, export: Arc<Policy>) -> Self {
        (self.import, self.export) = (Some(import), Some(export));
        self
    }

    /// Checks that the values are usable.
    ///
    /// # Errors
    ///
    /// The first unusable value.
    pub fn validate(&self, speaker: &SpeakerConfig) -> Result<(), ConfigError> {
        speaker.validate()?;
        self.validate_address()?;
        self.validate_timers()?;
        self.bfd.map_or(Ok(()), |bfd| bfd.validate())?;
        let local_as = self.local_as.unwrap_or(speaker.local_as);
        check_as("peer_as", self.peer_as)?;
        check_as("local_as", local_as)?;
        let is_internal = local_as == self.peer_as;
        let no_client = self.route_reflector_client && !is_internal;
        let families = &self.families;
        let is_routed = |family: &AfiSafi| Family::from_afi_safi(*family).is_some();
        let twice = |(at, family): (usize, &Family)| families[..at].contains(family);
        for (is_wrong, field, reason) in [
            (
                no_client,
                "route_reflector_client",
                "a client must be in our AS",
            ),
            (
                is_internal && self.role.is_some(),
                "role",
                "there are roles between different ASes only",
            ),
            (
                families.is_empty() && self.opaque_families.is_empty(),
                "families",
                "expected at least one family",
            ),
            (
                families.iter().enumerate().any(twice),
                "families",
                "a family is there twice",
            ),
            (
                self.opaque_families.iter().any(is_routed),
                "opaque_families",
                "IPv4 and IPv6 unicast are routed, and belong to `families`",
            ),
            (
                matches!(self.ttl, Ttl::Hops(0) | Ttl::Security { hops: 0 }),
                "ttl",
                "expected at least one hop",
            ),
        ] {
            if is_wrong {
                return Err(ConfigError::new(field, reason));
            }
        }
        Ok(())
    }

    fn validate_address(&self) -> Result<(), ConfigError> {
        let address = self.remote.ip();
        let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        if address.is_unspecified() || address.is_multicast() || is_broadcast {
            let reason = format!("expected the address of one host, found {address}");
            return Err(ConfigError::new("remote", reason));
        }
        if self.remote.port() == 0 && !self.passive {
            return Err(ConfigError::new("remote", "expected a port to dial"));
        }
        match self.source {
            Some(source) if source.is_ipv4() != address.is_ipv4() => {
                let reason = format!("expected an address of the family of {address}");
                Err(ConfigError::new("source", reason))
            }
            _ => Ok(()),
        }
    }

    fn validate_timers(&self) -> Result<(), ConfigError> {
        let hold = self.hold_time;
        let is_whole = hold.subsec_nanos() == 0;
        if !is_whole || !matches!(hold.as_secs(), 0 | 3..=65535) {
            let reason =
                format!("expected zero, or whole seconds from 3 s to 65535 s, found {hold:?}");
            return Err(ConfigError::new("hold_time", reason));
        }
        if self.keepalive_time.is_some_and(|time| time.is_zero()) {
            return Err(ConfigError::new(
                "keepalive_time",
                "expected more than zero",
            ));
        }
        if let Some(restart) = self.graceful_restart
            && restart.restart_time > MAX_RESTART_TIME
        {
            let found = restart.restart_time;
            let reason = format!("expected at most {MAX_RESTART_TIME} s, found {found}");
            return Err(ConfigError::new("graceful_restart", reason));
        }
        if self
            .long_lived_stale_time
            .is_some_and(|time| time.as_secs() > MAX_STALE_TIME)
        {
            let reason = format!("expected at most {MAX_STALE_TIME} s");
            return Err(ConfigError::new("long_lived_stale_time", reason));
        }
        let (shortest, longest) = self.idle_hold;
        match shortest > longest {
            true => Err(ConfigError::new(
                "idle_hold",
                "the shortest is longer than the longest",
            )),
            false => Ok(()),
        }
    }

    /// The settings in the types of `bgp-core`.
    pub fn settings(&self, speaker: &SpeakerConfig) -> PeerSettings {
        let mut neighbour = NeighbourConfig::new(self.session(speaker), self.routes(speaker));
        neighbour.own_next_hop = self.own_next_hop;
        neighbour.global_next_hop = self.global_next_hop;
        PeerSettings {
            neighbour,
            dial: Dial {
                remote: self.remote,
                source: self.source,
                md5: self.md5.clone(),
                ttl: self.ttl,
                timeout: self.connect_timeout,
            },
            bfd: self.bfd,
        }
    }

    /// `PeerSpec` is flat: an owner sets `peer.hold_time`, and a report names the field. Values that a session takes from
    /// elsewhere (AS numbers, identifier, address) are arguments of `new` only.
    fn session(&self, speaker: &SpeakerConfig) -> SessionConfig {
        let local_as = self.local_as.unwrap_or(speaker.local_as);
        let router_id = speaker.rib.router_id;
        let mut session = SessionConfig::new(local_as, router_id, self.remote.ip(), self.peer_as);
        session.passive = self.passive;
        session.hold_time = self.hold_time;
        session.keepalive_time = self.keepalive_time;
        session.connect_delay = self.connect_delay;
        session.connect_retry_time = self.connect_retry_time;
        session.idle_hold = self.idle_hold;
        session.families = self.families.clone();
        session.add_path = self.add_path;
        session.extended_messages = self.extended_messages;
        session.extended_next_hop = self.extended_next_hop;
        session.graceful_restart = self.graceful_restart;
        session.long_lived_stale_time = self.long_lived_stale_time;
        session.role = self.role;
        session.fqdn = self.fqdn.clone();
        session.software_version = self.software_version.clone();
        session.opaque_families = self.opaque_families.clone();
        session.extra_capabilities = self.extra_capabilities.clone();
        session
    }

    pub(crate) fn routes(&self, speaker: &SpeakerConfig) -> PeerConfig {
        let local_as = self.local_as.unwrap_or(speaker.local_as);
        let mut config = PeerConfig::new(local_as, self.remote.ip(), self.peer_as);
        config.scope = match self.remote {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(remote) => remote.scope_id(),
        };
        if self.route_reflector_client {
            config.kind = PeerKind::Client;
        }
        config.allowed_local_as = self.allowed_local_as;
        config.next_hop_mode = self.next_hop_mode;
        for (own, config) in [
            (&self.import, &mut config.import),
            (&self.export, &mut config.export),
        ] {
            if let Some(policy) = own {
                *config = Arc::clone(policy);
            }
        }
        config.max_prefixes = self.max_prefixes;
        config.role = self.role.map(|role| role.role);
        config
    }
}

/// Largest restart time, seconds (RFC 4724 §3).
const MAX_RESTART_TIME: u16 = 4095;
/// Largest long-lived stale time, seconds (RFC 9494 §3.1).
const MAX_STALE_TIME: u64 = (1 << 24) - 1;

/// The settings of a peer in the types of `bgp-core`, made from a [`PeerSpec`] by [`PeerSpec::settings`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerSettings {
    /// Settings of the session and of the routes.
    pub neighbour: NeighbourConfig,
    /// How to dial the peer; connections that the peer opens must have the same password and TTL.
    pub dial: Dial,
    /// Watch the path to the peer.
    pub bfd: Option<BfdSpec>,
}

#[cfg(test)]
mod tests {
    use bgp_core::types::RouterId;

    use super::*;

    fn config() -> SpeakerConfig {
        SpeakerConfig::new(Asn(65001), RouterId([192, 0, 2, 1].into()))
    }

    fn peer() -> PeerSpec {
        let remote = "192.0.2.2:179".parse().expect("an address");
        PeerSpec::new(remote, Asn(65002))
    }

    #[test]
    fn values_that_no_session_can_have_are_named() {
        type Damage = fn(&mut PeerSpec);
        let wrong: [(&str, Damage); 16] = [
            ("remote", |spec| spec.remote.set_ip([224, 0, 0, 1].into())),
            ("remote", |spec| spec.remote.set_ip([0, 0, 0, 0].into())),
            ("remote", |spec| spec.remote.set_port(0)),
            ("source", |spec| {
                spec.source = Some("::1".parse().expect("an address"));
            }),
            ("hold_time", |spec| spec.hold_time = Duration::from_secs(1)),
            ("hold_time", |spec| {
                spec.hold_time = Duration::from_millis(3500)
            }),
            ("hold_time", |spec| {
                spec.hold_time = Duration::from_secs(65536)
            }),
            ("keepalive_time", |spec| {
                spec.keepalive_time = Some(Duration::ZERO);
            }),
            ("families", |spec| spec.families.clear()),
            ("families", |spec| {
                spec.families = vec![Family::Ipv4Unicast; 2]
            }),
            ("opaque_families", |spec| {
                spec.opaque_families = vec![Family::Ipv4Unicast.afi_safi()];
            }),
            ("peer_as", |spec| spec.peer_as = Asn(0)),
            ("local_as", |spec| spec.local_as = Some(Asn(0))),
            ("route_reflector_client", |spec| {
                spec.route_reflector_client = true;
            }),
            ("graceful_restart", |spec| {
                spec.graceful_restart = Some(GracefulRestart::new(4096));
            }),
            ("ttl", |spec| spec.ttl = Ttl::Security { hops: 0 }),
        ];
        assert_eq!(peer().validate(&config()), Ok(()));
        for (field, change) in wrong {
            let mut spec = peer();
            change(&mut spec);
            let error = spec.validate(&config()).expect_err(field);
            assert_eq!(error.field, field);
        }
        let unspecified = SpeakerConfig::new(Asn(65001), RouterId([0, 0, 0, 0].into()));
        let error = peer().validate(&unspecified).expect_err("no identifier");
        let text = error.of(&"tor".into()).to_string();
        assert_eq!(
            text,
            "peer tor: router_id: expected an identifier other than 0.0.0.0"
        );
    }

    #[test]
    fn every_value_reaches_its_part() {
        let mut spec = peer();
        spec.local_as = Some(Asn(65009));
        spec.hold_time = Duration::from_secs(9);
        spec.ttl = Ttl::Hops(2);
        let settings = spec.settings(&config());
        let (session, routes) = (&settings.neighbour.session, &settings.neighbour.routes);
        assert_eq!(
            (session.local_as, routes.local_as),
            (Asn(65009), Asn(65009))
        );
        assert_eq!((session.peer_as, routes.peer_as), (Asn(65002), Asn(65002)));
        assert_eq!(
            (session.peer_address, routes.address),
            (spec.remote.ip(), spec.remote.ip())
        );
        assert_eq!(session.hold_time, Duration::from_secs(9));
        assert_eq!(
            (settings.dial.remote, settings.dial.ttl),
            (spec.remote, Ttl::Hops(2))
        );
        assert_eq!(routes.kind, PeerKind::External);
        assert_eq!(*routes.import, Policy::REJECT, "RFC 8212");
    }
}
