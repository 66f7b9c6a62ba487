//! Negotiation of the two OPENs (RFC 4271 §4.2, §6.2; RFC 5492 and the RFCs of the capabilities).
//!
//! [`own_open`] depends on the configuration alone. The decoder checks the fields of the peer's OPEN in the order of RFC 4271
//! §6.2, comparing them with [`expected_peer`]. [`negotiate`] then evaluates the capabilities, and returns the properties of the
//! connection or the NOTIFICATION that refuses the peer. Capabilities that are unknown or offered by one side only have no effect
//! (RFC 5492 §3).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::config::SessionConfig;
use super::negotiated::{Negotiated, per_family};
use super::restart;
use crate::types::{AfiSafi, Family, PerFamily, Role, RouterId};
use crate::wire::open::ExpectedPeer;
use crate::wire::{
    AddPathDirection, Capability, Context, ErrorCode, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN,
    Notification, Open,
};

/// Our OPEN. With `restarting`, it says that this process has just been restarted, if so configured.
pub(super) fn own_open(config: &SessionConfig, restarting: bool) -> Open {
    Open {
        asn: config.local_as,
        hold_time: whole_secs(config.hold_time),
        router_id: config.router_id,
        capabilities: own_capabilities(config, restarting),
    }
}

impl SessionConfig {
    /// The result of a negotiation with a peer of this identifier that accepts everything: the best possible result of these
    /// settings, for forecasts and tests.
    ///
    /// # Errors
    ///
    /// The NOTIFICATION that refuses even such a peer, for example if no family is configured.
    pub fn negotiated_with_willing_peer(
        &self,
        peer_id: RouterId,
    ) -> Result<Arc<Negotiated>, Notification> {
        let sent = own_open(self, false);
        let offered = sent.capabilities.iter().map(|own| mirrored(self, own));
        let received = Open {
            asn: self.peer_as,
            hold_time: sent.hold_time,
            router_id: peer_id,
            capabilities: offered.collect(),
        };
        negotiate(self, &sent, received)
    }
}

/// The capability of a peer that accepts what we offer.
fn mirrored(config: &SessionConfig, own: &Capability) -> Capability {
    match own {
        Capability::FourOctetAs(_) => Capability::FourOctetAs(config.peer_as),
        Capability::Role(_) => {
            let role = own_role(config).map_or(Role::Peer, Role::counterpart);
            Capability::Role(role as u8)
        }
        Capability::AddPath(tuples) => {
            let other_way = |(family, direction): &(AfiSafi, AddPathDirection)| {
                let direction = match direction {
                    AddPathDirection::Receive => AddPathDirection::Send,
                    AddPathDirection::Send => AddPathDirection::Receive,
                    AddPathDirection::Both => AddPathDirection::Both,
                };
                (*family, direction)
            };
            Capability::AddPath(tuples.iter().map(other_way).collect())
        }
        Capability::Multiprotocol(_)
        | Capability::RouteRefresh
        | Capability::ExtendedNextHop(_)
        | Capability::ExtendedMessage
        | Capability::GracefulRestart { .. }
        | Capability::EnhancedRouteRefresh
        | Capability::LongLivedGracefulRestart(_)
        | Capability::Fqdn { .. }
        | Capability::SoftwareVersion(_)
        | Capability::Unknown { .. } => own.clone(),
    }
}

/// Our capabilities, ascending by code.
fn own_capabilities(config: &SessionConfig, restarting: bool) -> Vec<Capability> {
    let families = || config.families.iter().map(|family| family.afi_safi());
    let offered = families().chain(opaque_families(config));
    let mut offered: Vec<_> = offered.map(Capability::Multiprotocol).collect();
    offered.push(Capability::RouteRefresh);
    if config.extended_next_hop {
        offered.push(Capability::ExtendedNextHop(vec![IPV4_OVER_IPV6]));
    }
    if config.extended_messages {
        offered.push(Capability::ExtendedMessage);
    }
    if let Some(role) = own_role(config) {
        offered.push(Capability::Role(role as u8));
    }
    offered.extend(restart::offer(config, restarting));
    offered.push(Capability::FourOctetAs(config.local_as));
    if let Some(direction) = config.add_path {
        let tuples = families().map(|family| (family, direction)).collect();
        offered.push(Capability::AddPath(tuples));
    }
    offered.push(Capability::EnhancedRouteRefresh);
    offered.extend(restart::offer_long_lived(config, restarting));
    if let Some(host) = &config.fqdn {
        offered.push(Capability::Fqdn {
            host: host.clone(),
            domain: String::new(),
        });
    }
    if let Some(version) = &config.software_version {
        offered.push(Capability::SoftwareVersion(version.clone()));
    }
    offered.extend(
        config
            .extra_capabilities
            .iter()
            .cloned()
            .map(Capability::from),
    );
    offered.sort_by_key(Capability::code);
    offered
}

/// Checks the peer's capabilities and determines the properties of the connection.
///
/// # Errors
///
/// The NOTIFICATION that refuses the peer.
pub(super) fn negotiate(
    config: &SessionConfig,
    sent: &Open,
    received: Open,
) -> Result<Arc<Negotiated>, Notification> {
    let peer = Offer(&received.capabilities);
    check_role(config, peer)?;
    let common = |it: &AfiSafi| peer.has(&Capability::Multiprotocol(*it));
    let opaque_families: Vec<_> = opaque_families(config).filter(common).collect();
    let families = common_families(config, peer, &opaque_families)?;
    let hold_time = Duration::from_secs(sent.hold_time.min(received.hold_time).into());
    Ok(Arc::new(Negotiated {
        context: Context {
            opaque_families: !opaque_families.is_empty(),
            ..context(config, peer, families)
        },
        peer_as: received.asn,
        peer_id: received.router_id,
        hold_time,
        keepalive_time: keepalive_time(config, hold_time),
        route_refresh: peer.has(&Capability::RouteRefresh),
        graceful_restart: restart::peer_restart(config, peer.0, families),
        long_lived: restart::long_lived(config, peer.0, families),
        opaque_families,
        sent_open: sent.clone(),
        received_open: at_rest(received),
    }))
}

/// The expected sender of the OPEN. Identifiers are unique within an AS (RFC 6286 §2.2).
pub(super) fn expected_peer(config: &SessionConfig) -> ExpectedPeer {
    ExpectedPeer {
        asn: config.peer_as,
        taken_identifier: (!is_external(config)).then_some(config.router_id),
    }
}

/// RFC 9234 §4.2
fn check_role(config: &SessionConfig, peer: Offer<'_>) -> Result<(), Notification> {
    let Some(own) = own_role(config) else {
        return Ok(());
    };
    let strict = config.role.is_some_and(|role| role.strict);
    let wanted = own.counterpart() as u8;
    let mut told = peer.0.iter().filter_map(|capability| {
        if let Capability::Role(code) = capability {
            Some(*code)
        } else {
            None
        }
    });
    let matches = match told.next() {
        None => !strict,
        Some(first) => first == wanted && told.all(|other| other == wanted),
    };
    if matches {
        Ok(())
    } else {
        Err(refusal(ROLE_MISMATCH))
    }
}

/// RFC 9234 §4.1: roles are used between different ASes.
fn own_role(config: &SessionConfig) -> Option<Role> {
    config
        .role
        .filter(|_| is_external(config))
        .map(|role| role.role)
}

/// Offered families that are not routed here.
fn opaque_families(config: &SessionConfig) -> impl Iterator<Item = AfiSafi> {
    let named = config.opaque_families.iter().copied();
    named.filter(|family| Family::from_afi_safi(*family).is_none())
}

/// The families offered by both sides (RFC 4760 §8). A peer without the capability supports IPv4 unicast.
fn common_families(
    config: &SessionConfig,
    peer: Offer<'_>,
    opaque: &[AfiSafi],
) -> Result<PerFamily<bool>, Notification> {
    let silent = !peer
        .0
        .iter()
        .any(|capability| matches!(capability, Capability::Multiprotocol(_)));
    let mut common = PerFamily::default();
    for &family in &config.families {
        common[family] = peer.has(&Capability::Multiprotocol(family.afi_safi()))
            || (silent && family == Family::Ipv4Unicast);
    }
    if common.ipv4 || common.ipv6 || !opaque.is_empty() {
        return Ok(common);
    }
    // RFC 5492 §5: the data lists the required capabilities, encoded as in an OPEN.
    let required = config.families.iter().flat_map(|family| {
        let AfiSafi { afi, safi } = family.afi_safi();
        let [high, low] = afi.to_be_bytes();
        [1, 4, high, low, 0, safi]
    });
    Err(refusal(REQUIRED_CAPABILITY_MISSING).with_data(required.collect::<Bytes>()))
}

fn context(config: &SessionConfig, peer: Offer<'_>, families: PerFamily<bool>) -> Context {
    let takes_extended = peer.has(&Capability::ExtendedMessage);
    Context {
        four_octet_as: peer
            .0
            .iter()
            .any(|capability| matches!(capability, Capability::FourOctetAs(_))),
        add_path_receive: per_family(families, |family| {
            may_receive(config.add_path) && may_send(peer.add_path(family))
        }),
        add_path_send: per_family(families, |family| {
            may_send(config.add_path) && may_receive(peer.add_path(family))
        }),
        families,
        extended_next_hop: config.extended_next_hop && families.ipv4 && peer.extended_next_hop(),
        max_receive_len: message_len(config.extended_messages),
        max_send_len: message_len(config.extended_messages && takes_extended),
        external: is_external(config),
        enhanced_refresh: peer.has(&Capability::EnhancedRouteRefresh),
        opaque_families: false,
    }
}

/// A third of the hold time (RFC 4271 §4.4), or more often if configured so.
fn keepalive_time(config: &SessionConfig, hold_time: Duration) -> Duration {
    let third = hold_time / 3;
    config
        .keepalive_time
        .map_or(third, |configured| configured.min(third))
        .max(SHORTEST_KEEPALIVE.min(third))
}

/// The capabilities of an OPEN.
#[derive(Clone, Copy)]
struct Offer<'a>(&'a [Capability]);

impl Offer<'_> {
    fn has(self, capability: &Capability) -> bool {
        self.0.contains(capability)
    }

    /// The directions of additional paths of a family; the last occurrence counts.
    fn add_path(self, family: Family) -> Option<AddPathDirection> {
        let tuples = self.0.iter().rev().filter_map(|capability| {
            if let Capability::AddPath(tuples) = capability {
                Some(tuples)
            } else {
                None
            }
        });
        tuples
            .flat_map(|tuples| tuples.iter().rev())
            .find(|(code, _)| *code == family.afi_safi())
            .map(|(_, direction)| *direction)
    }

    /// RFC 8950 §4
    fn extended_next_hop(self) -> bool {
        self.0.iter().any(|capability| {
            matches!(capability, Capability::ExtendedNextHop(tuples) if tuples.contains(&IPV4_OVER_IPV6))
        })
    }
}

fn may_receive(direction: Option<AddPathDirection>) -> bool {
    matches!(
        direction,
        Some(AddPathDirection::Receive | AddPathDirection::Both)
    )
}

fn may_send(direction: Option<AddPathDirection>) -> bool {
    matches!(
        direction,
        Some(AddPathDirection::Send | AddPathDirection::Both)
    )
}

fn message_len(extended: bool) -> u16 {
    if extended {
        MAX_EXTENDED_MESSAGE_LEN
    } else {
        MAX_MESSAGE_LEN
    }
}

fn is_external(config: &SessionConfig) -> bool {
    config.local_as != config.peer_as
}

fn whole_secs(time: Duration) -> u16 {
    u16::try_from(time.as_secs()).unwrap_or(u16::MAX)
}

/// A copy of the OPEN that does not hold the read buffer.
pub(super) fn at_rest(mut open: Open) -> Open {
    for capability in &mut open.capabilities {
        if let Capability::Unknown { value, .. } = capability {
            *value = Bytes::copy_from_slice(value);
        }
    }
    open
}

fn refusal(subcode: u8) -> Notification {
    Notification::new(ErrorCode::OPEN, subcode)
}

/// Subcodes of [`ErrorCode::OPEN`] (RFC 5492 §5, RFC 9234 §4.2).
const REQUIRED_CAPABILITY_MISSING: u8 = 7;
const ROLE_MISMATCH: u8 = 11;

/// IPv4 unicast with next hops of AFI 2.
const IPV4_OVER_IPV6: (AfiSafi, u16) = (Family::Ipv4Unicast.afi_safi(), 2);

/// RFC 4271 §4.4: not more than one KEEPALIVE in a second.
pub(super) const SHORTEST_KEEPALIVE: Duration = Duration::from_secs(1);
