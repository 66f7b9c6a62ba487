//! Names of session settings in `plan -o json` and in the resources.

use bgp_speaker::PeerSpec;
use bgp_speaker::sockopt::Ttl;

/// The name of a [`PeerSpec`] field in which two settings differ.
pub(super) fn field_name(field: &'static str, old: &PeerSpec, new: &PeerSpec) -> &'static str {
    match field {
        "remote" if old.remote.ip() == new.remote.ip() => "port",
        "remote" => "address",
        "peer_as" => "peerAS",
        "local_as" => "localAS",
        "source" => "sourceAddress",
        "md5" => "password",
        "ttl" => match (old.ttl, new.ttl) {
            (Ttl::Security { .. }, _) | (_, Ttl::Security { .. }) => "ttlSecurity",
            (Ttl::System | Ttl::Hops(_), Ttl::System | Ttl::Hops(_)) => "multihop",
        },
        "connect_timeout" => "connectTimeout",
        "connect_delay" => "connectDelay",
        "connect_retry_time" => "connectRetryTime",
        "idle_hold" => "idleHoldTime",
        "hold_time" => "holdTime",
        "keepalive_time" => "keepaliveTime",
        "add_path" => "addPath",
        "extended_messages" => "extendedMessages",
        "extended_next_hop" => "extendedNextHop",
        "graceful_restart" => "gracefulRestartTime",
        "long_lived_stale_time" => "longLivedStaleTime",
        "opaque_families" => "opaqueFamilies",
        "software_version" => "softwareVersion",
        "extra_capabilities" => "capabilities",
        "own_next_hop" => "nextHopAddress",
        "global_next_hop" => "globalNextHop",
        "route_reflector_client" => "routeReflectorClient",
        "allowed_local_as" => "allowedLocalAS",
        "next_hop_mode" => "nextHop",
        "max_prefixes" => "maxPrefixes",
        other => other,
    }
}
